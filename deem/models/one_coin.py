"""Inverse RBMs in which a classifier is one number: how well it tells the true class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, OneHotCategorical

from deem.math.energy import lift_centred, project_centred
from deem.models.consensus import ConsensusModel
from deem.utils.constants import EPSILON

__all__ = ["OneCoinIRBM", "TiedIRBM", "log_others"]


class TiedIRBM(ConsensusModel):
    """What models with one weight a classifier share: the weights and the bias of the classes.

    The weight ties state k of the class to the vote for k, so that classes have their names from
    the start and are never renamed.

    Attributes
    ----------
    weight : (n_classifiers,) Parameter
        In nats; 0 is a classifier that guesses.
    """

    supports_em = True

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        state_class: Tensor,
        pseudo_counts: Sequence | None,
        class_prior: Sequence[float] | None,
    ):
        super().__init__(n_classifiers, n_classes, state_class, pseudo_counts, class_prior)
        # At weight 0 votes and class are independent and the gradient of the weights is 0.
        self.weight = nn.Parameter(torch.ones(n_classifiers))
        self.free_hidden_bias = nn.Parameter(torch.zeros(n_classes - 1))

    @property
    def hidden_bias(self) -> Tensor:
        """(n_classes,): log-frequencies of the classes, centred, in nats."""
        return lift_centred(self.free_hidden_bias, 0)

    @torch.no_grad()
    def start_from_energy(
        self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor, generator: torch.Generator
    ) -> None:
        table, k = weight[:, :, 0], self.n_classes
        own = table.diagonal(dim1=1, dim2=2).sum(1)
        others = table.sum((1, 2)) - own
        self.weight.copy_(own / k - others / max(k * (k - 1), 1))
        self.set_log_prior(hidden_bias[0])

    @torch.no_grad()
    def set_log_prior(self, log_prior: Tensor) -> None:
        """Take over log-frequencies of the classes, (n_classes,), up to a constant, in nats."""
        self.free_hidden_bias.copy_(project_centred(log_prior, 0))

    def one_coin_weight(self, counts: Tensor) -> Tensor:
        """Weights of greatest likelihood for classifiers that are right equally often everywhere.

        Parameters
        ----------
        counts : (n_classifiers, n_classes, n_classes)
            Votes of each classifier for each label in each class.

        Returns
        -------
        (n_classifiers,)
            In nats; 0 for a classifier without votes, and where there is one class.
        """
        right, cast = counts.diagonal(dim1=1, dim2=2).sum(1), counts.sum((1, 2))
        wrong = (cast - right).clamp(min=EPSILON)
        odds = right.clamp(min=EPSILON).log() - wrong.log()
        guesses = (cast <= 0) | (self.n_classes == 1)
        return (odds + log_others(odds, self.n_classes)).masked_fill(guesses, 0)

    def rename_classes(self, order: Tensor) -> None:
        """Do nothing: state k is class k by the model."""


class OneCoinIRBM(TiedIRBM):
    r"""Inverse RBM of one-coin classifiers: one accuracy each, and errors spread evenly.

    .. math:: E(v, h) = -b_h - \sum_i w_i [v_i = h], \qquad
        p(v_i = h \mid h) = a_i = \frac{e^{w_i}}{e^{w_i} + K - 1}

    The weight table of `SoftIRBM` is tied to a multiple of the identity. That is D numbers where
    Dawid and Skene have D K (K - 1), for classifiers with few votes.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    pseudo_counts : PseudoCounts, optional
        Prior of the accuracies, for the exact solvers: of its tables only the votes on and off
        the diagonal count.
    class_prior : (n_classes,), optional
        As in `SoftIRBM`.

    References
    ----------
    .. [1] Raykar et al. (2010), Learning from crowds, JMLR 11; the one-coin model is its special
       case of equal sensitivity and specificity.
    .. [2] Li and Yu (2014), Error rate bounds and iterative weighted majority voting for
       crowdsourcing, arXiv:1411.4086.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> votes = read_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0]])
    >>> OneCoinIRBM(3, 3).predict_classes(votes).argmax(1)
    tensor([0, 1, 2])
    """

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
    ):
        states = torch.arange(max(n_classes, 0))
        super().__init__(n_classifiers, n_classes, states, pseudo_counts, class_prior)

    @property
    def accuracy(self) -> Tensor:
        """(n_classifiers,): probability of a vote for the true class, in [0, 1]."""
        return (self.weight - log_others(self.weight, self.n_classes)).sigmoid()

    def state_terms(self) -> tuple[Tensor, Tensor]:
        same = torch.eye(self.n_classes, dtype=self.dtype, device=self.device)
        return self.hidden_bias, self.weight[:, None, None] * same

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        h = h.squeeze(1)
        return -(h @ self.hidden_bias) - torch.einsum("ndk,nk,d->n", v, h, self.weight)

    def p_h(self, v: Tensor) -> Distribution:
        """Conditional distribution of the class, one-hot (batch, 1, n_classes)."""
        logits = self.state_logits(v).unsqueeze(1)
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)

    def p_v(self, h: Tensor) -> Distribution:
        logits = self.weight[:, None] * h
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)

    @torch.no_grad()
    def m_step(self, counts: Tensor, state_counts: Tensor) -> None:
        self.weight.copy_(self.one_coin_weight(counts + self.state_pseudo_votes(self.n_classes)))
        self.set_log_prior(self.best_log_state(state_counts))


def log_others(like: Tensor, n_classes: int) -> Tensor:
    """Logarithm of the number of wrong classes, a scalar in the type of another tensor."""
    return like.new_tensor(float(n_classes - 1)).log()
