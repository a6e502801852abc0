"""The restricted Boltzmann machine of binary units."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from deem.core.model import evaluating
from deem.models.harmonium import DenseHarmonium

__all__ = ["RBM"]

_FLIPPED = 2**21
"""Hidden units of flipped configurations that are looked at in one go."""


class RBM(DenseHarmonium):
    r"""Restricted Boltzmann machine of binary visible and hidden units.

    .. math:: E(v, h) = -\big(a^\top v + b^\top h + v W h\big) / T, \qquad
        F(v) = -a^\top v / T - \sum_j \operatorname{softplus}\big((b_j + (v W)_j) / T\big)

    Visible values between 0 and 1 are taken as probabilities.

    Parameters
    ----------
    n_visible, n_hidden : int
        Numbers of units, at least 1.
    temperature : float
        T, above 0: in energy, draws and gradient alike.
    random_state : int
        Seed of the first weights, N(0, 0.01^2).

    Attributes
    ----------
    weight : (n_visible, n_hidden) Parameter
        W.
    visible_bias : (n_visible,) Parameter
        a.
    hidden_bias : (n_hidden,) Parameter
        b.

    References
    ----------
    .. [1] Hinton (2012), A practical guide to training restricted Boltzmann machines.
    .. [2] Li, Deng, Luo, Wang, Ma, Liu (2016), Temperature based restricted Boltzmann machines,
       Scientific Reports 6:19133.

    Examples
    --------
    >>> v = torch.tensor([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]).repeat(50, 1)
    >>> model = RBM(4, 2).fit(v, epochs=200, learning_rate=0.5, batch_size=10, random_state=0)
    >>> model.score_samples(v[:2]).exp().sum() > 0.8
    tensor(True)
    """

    @torch.no_grad()
    def monitor(
        self, v: Tensor, chains: Tensor | None, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Also the stochastic pseudo-likelihood of each sample, in nats."""
        found = super().monitor(v, chains, generator)
        return {**found, "pseudo_likelihood": self.stochastic_pseudo_likelihood(v, generator)}

    def stochastic_pseudo_likelihood(self, v: Tensor, generator: torch.Generator) -> Tensor:
        r"""Unbiased estimate of the log-pseudo-likelihood by one random unit a sample.

        .. math:: n \log \sigma\big(F(\tilde v) - F(v)\big)

        Parameters
        ----------
        v : (batch, n_visible)
            Binary configurations.
        generator : torch.Generator
            Chooses the unit that is flipped in :math:`\tilde v`.

        Returns
        -------
        (batch,)
            In nats.
        """
        unit = torch.randint(self.n_visible, (len(v),), generator=generator, device=v.device)
        change = 1 - 2 * v.gather(1, unit.unsqueeze(1)).squeeze(1)
        field = self.hidden_field(v)
        # Flipping a unit moves the fields by its row of weights, no product needed.
        moved = torch.addcmul(
            field, self.coupling_of(unit), change.unsqueeze(1), value=1 / self.temperature
        )
        gain = self.hidden_log_sum(field) - self.hidden_log_sum(moved)
        gain = gain - change * self.visible_bias[unit] / self.temperature
        return self.n_visible * logsigmoid(gain)

    def coupling_of(self, unit: Tensor) -> Tensor:
        """Weights (batch, n_hidden) of one visible unit, (batch,) int64, for each sample."""
        return self.coupling()[unit]

    @torch.no_grad()
    def pseudo_likelihood(self, v: Tensor) -> Tensor:
        r"""Log-pseudo-likelihood of configurations: of each unit given all the others, summed.

        .. math:: \sum_i \log p(v_i \mid v_{-i})
            = \sum_i \log \sigma\big(F(\tilde v^{(i)}) - F(v)\big)

        where :math:`\tilde v^{(i)}` is v with unit i flipped. In evaluation mode.

        Parameters
        ----------
        v : (batch, n_visible)
            Binary configurations.

        Returns
        -------
        (batch,)
            In nats.

        References
        ----------
        .. [1] Besag (1975), Statistical analysis of non-lattice data.
        """
        rows = max(1, _FLIPPED // (self.n_visible * self.n_hidden))
        with evaluating(self):
            return torch.cat([self._flip_all(part) for part in v.split(rows)])

    def _flip_all(self, v: Tensor) -> Tensor:
        change = 1 - 2 * v
        field = self.hidden_field(v).unsqueeze(1)
        # (batch, n_visible, n_hidden): a flip moves the fields by its row of weights.
        moved = field + change.unsqueeze(2) * (self.coupling() / self.temperature)
        log_sum = self.hidden_units.log_sum
        gain = log_sum(field).sum(2) - log_sum(moved).sum(2)
        return logsigmoid(gain - change * self.visible_bias / self.temperature).sum(1)
