"""Inverse RBMs: the hidden unit is the true class, the visible units are the votes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, OneHotCategorical
from torch.nn.functional import one_hot

from deem.core.model import BipartiteModel
from deem.core.votes import Votes
from deem.math.distributions import JointStates
from deem.math.energy import lift_centred, project_centred
from deem.math.random import normal_like
from deem.models.consensus import START_NOISE, ConsensusModel
from deem.utils.constants import EPSILON, MAX_JOINT_STATES
from deem.utils.exception import ArgumentError, IntractableError

__all__ = ["BinaryIRBM", "CategoricalIRBM", "InverseRBM", "SoftIRBM"]


class InverseRBM(ConsensusModel):
    r"""What the inverse RBMs share: exact sums, prior, EM, any number of hidden units.

    .. math:: E(v, h) = -\sum_j b_j[h_j] - \sum_i \Big(a_i[v_i] + \sum_j W_{ij}[v_i, h_j]\Big)

    The class is read from the first of ``hidden_dim`` hidden units. Further units let classifiers
    err together; what is lost is the closed EM step and, once the joint states can no longer be
    listed (``n_classes ** hidden_dim`` above 4096), the exact likelihood and missing votes.

    Attributes
    ----------
    n_states : int
        States of every hidden unit: ``n_subclasses`` of each class, those of a class in a row.
    state_codes : (S, hidden_dim) int64 Tensor
        The joint hidden states; empty if there are too many.
    """

    state_codes: Tensor

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        hidden_dim: int,
        pseudo_counts: Sequence | None,
        class_prior: Sequence[float] | None,
        n_subclasses: int = 1,
    ):
        for name, value in (("hidden_dim", hidden_dim), ("n_subclasses", n_subclasses)):
            if value < 1:
                raise ArgumentError(f"{name}={value}; it must be at least 1.")
        n_states = n_classes * n_subclasses
        codes = torch.empty(0, hidden_dim, dtype=torch.int64)
        if hidden_dim == 1 or n_states**hidden_dim <= MAX_JOINT_STATES:
            powers = torch.tensor([n_states**j for j in range(hidden_dim)]).flip(0)
            states = torch.arange(n_states**hidden_dim).unsqueeze(1)
            codes = states // powers % max(n_states, 1)
        state_class = codes[:, 0] // n_subclasses
        super().__init__(n_classifiers, n_classes, state_class, pseudo_counts, class_prior)
        self.hidden_dim = hidden_dim
        self.n_subclasses = n_subclasses
        self.n_states = n_states
        self.register_buffer("state_codes", codes, persistent=False)

    @abstractmethod
    def categorical_parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """Visible bias, weight and hidden bias as ``set_parameters`` takes them."""

    @abstractmethod
    def set_parameters(self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor) -> None:
        """Take over an energy, up to a constant, in its redundant categorical form.

        Parameters
        ----------
        visible_bias : (n_classifiers, n_classes)
            Bias of each vote.
        weight : (n_classifiers, n_classes, hidden_dim, n_states)
            Classifier, vote, hidden unit, state of the unit.
        hidden_bias : (hidden_dim, n_states)
            Bias of each state of each hidden unit.
        """

    @abstractmethod
    def units(self, logits: Tensor) -> Distribution:
        """Distribution of independent hidden units with (batch, hidden_dim, n_states) logits."""

    def start_from_energy(
        self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor, generator: torch.Generator
    ) -> None:
        self.set_parameters(visible_bias, weight, hidden_bias)

    def start_from_shares(self, votes: Votes, generator: torch.Generator) -> None:
        super().start_from_shares(votes, generator)
        if self.hidden_dim > 1:
            # Further units that are equal would stay equal.
            with torch.no_grad():
                for parameter in self.parameters():
                    noise = normal_like(parameter, generator)
                    parameter.add_((START_NOISE * noise).to(parameter))

    @torch.no_grad()
    def rename_classes(self, order: Tensor) -> None:
        visible_bias, weight, hidden_bias = (x.clone() for x in self.categorical_parameters())
        states = torch.arange(self.n_states).reshape(self.n_classes, -1)[order].flatten()
        weight[:, :, 0] = weight[:, :, 0][..., states]
        hidden_bias[0] = hidden_bias[0, states]
        self.set_parameters(visible_bias, weight, hidden_bias)

    @property
    def supports_em(self) -> bool:  # type: ignore[override]
        """Only one hidden unit leaves every state a free confusion of its own."""
        return self.hidden_dim == 1

    def state_terms(self) -> tuple[Tensor, Tensor]:
        if not self.is_listed:
            raise IntractableError(
                f"hidden_dim={self.hidden_dim} with {self.n_classes} classes has too many joint "
                f"states to sum over (limit {MAX_JOINT_STATES}); train with "
                "ContrastiveDivergence on complete rows, or lower hidden_dim."
            )
        visible_bias, weight, hidden_bias = self.categorical_parameters()
        bias, site = hidden_bias.new_zeros(()), visible_bias.unsqueeze(2)
        for unit, state in enumerate(self.state_codes.unbind(1)):
            bias = bias + hidden_bias[unit, state]
            site = site + weight[:, :, unit, state]
        return bias, site

    def free_energy(self, v: Tensor) -> Tensor:
        if self.is_listed:
            return super().free_energy(v)
        visible_bias = self.categorical_parameters()[0]
        return -v.flatten(1) @ visible_bias.flatten() - self._unit_logits(v).logsumexp(-1).sum(-1)

    def p_h(self, v: Tensor) -> Distribution:
        """Conditional distribution of the hidden units.

        With several listed units it is a distribution over joint states, because a missing vote
        couples them.
        """
        if not self.is_listed:
            return self.units(self._unit_logits(v))
        logits = self.state_logits(v)
        if self.hidden_dim == 1:
            return self.units(logits.unsqueeze(1))
        return JointStates(logits, self.hidden_form(self.state_codes))

    @abstractmethod
    def hidden_form(self, codes: Tensor) -> Tensor:
        """Hidden configurations of (batch, hidden_dim) state codes."""

    def predict_classes(self, votes: Votes) -> Tensor:
        if self.is_listed:
            return super().predict_classes(votes)
        return BipartiteModel.predict_classes(self, votes)

    def m_step(self, counts: Tensor, state_counts: Tensor) -> None:
        confusion = counts + self.state_pseudo_votes(self.n_states)
        confusion = confusion / confusion.sum(1, keepdim=True).clamp(min=EPSILON)
        self.set_tables(self.best_log_state(state_counts), confusion.clamp(min=EPSILON).log())

    @torch.no_grad()
    def set_tables(self, log_prior: Tensor, log_confusion: Tensor) -> None:
        """Take over a prior and confusions; further hidden units have no effect.

        Parameters
        ----------
        log_prior : (n_states,)
            In nats.
        log_confusion : (n_classifiers, n_classes, n_states)
            Log-probability of the vote (second axis) given the state of the first hidden unit
            (third; it is the class, where a class has one state), in nats.
        """
        d, k, units = self.n_classifiers, self.n_classes, self.hidden_dim
        weight = log_confusion.new_zeros(d, k, units, self.n_states)
        weight[:, :, 0] = log_confusion
        bias = log_prior.new_zeros(units, self.n_states)
        bias[0] = log_prior
        self.set_parameters(log_confusion.new_zeros(d, k), weight, bias)

    def _unit_logits(self, v: Tensor) -> Tensor:
        self.check_shape(v)
        if (v.sum(-1) == 0).any():
            raise IntractableError(
                f"v has missing votes, which couple the {self.hidden_dim} hidden units; pass "
                "complete rows, or lower hidden_dim so that the joint states can be listed."
            )
        _, weight, hidden_bias = self.categorical_parameters()
        return torch.einsum("ndl,dljk->njk", v, weight) + hidden_bias


class CategoricalIRBM(InverseRBM):
    """Inverse RBM of one-hot units; the base of `SoftIRBM` and `SubclassIRBM`.

    Its free parameters are coordinates of the centred biases and of the doubly centred weights,
    so no direction of the energy is idle.

    Parameters
    ----------
    n_classifiers, n_classes, hidden_dim, pseudo_counts, class_prior
        As in `SoftIRBM`.
    n_subclasses : int
        States of a hidden unit for each class, at least 1.
    """

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        hidden_dim: int,
        pseudo_counts: Sequence | None,
        class_prior: Sequence[float] | None,
        n_subclasses: int = 1,
    ):
        super().__init__(
            n_classifiers, n_classes, hidden_dim, pseudo_counts, class_prior, n_subclasses
        )
        free, states = n_classes - 1, self.n_states - 1
        self.free_visible_bias = nn.Parameter(torch.zeros(n_classifiers, free))
        self.free_weight = nn.Parameter(torch.zeros(n_classifiers, free, hidden_dim, states))
        self.free_hidden_bias = nn.Parameter(torch.zeros(hidden_dim, states))

    @property
    def visible_bias(self) -> Tensor:
        """(n_classifiers, n_classes): centred over the votes, in nats."""
        return lift_centred(self.free_visible_bias, 1)

    @property
    def weight(self) -> Tensor:
        """(n_classifiers, n_classes, hidden_dim, n_states): centred over votes and states."""
        return lift_centred(lift_centred(self.free_weight, 1), 3)

    @property
    def hidden_bias(self) -> Tensor:
        """(hidden_dim, n_states): centred over the states, in nats."""
        return lift_centred(self.free_hidden_bias, 1)

    def categorical_parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.visible_bias, self.weight, self.hidden_bias

    @torch.no_grad()
    def set_parameters(self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor) -> None:
        # What double centring takes from the weights goes into the biases.
        visible_bias = visible_bias + weight.mean(3).sum(2)
        hidden_bias = hidden_bias + weight.mean(1).sum(0)
        self.free_visible_bias.copy_(project_centred(visible_bias, 1))
        self.free_weight.copy_(project_centred(project_centred(weight, 1), 3))
        self.free_hidden_bias.copy_(project_centred(hidden_bias, 1))

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """Energy of complete votes (batch, n_classifiers, n_classes) and one-hot hidden units.

        ``h`` has shape (batch, hidden_dim, n_states); the result (batch,) is in nats.
        """
        visible = self.visible_bias + torch.einsum("dljk,njk->ndl", self.weight, h)
        return -(v * visible).sum((1, 2)) - h.flatten(1) @ self.hidden_bias.flatten()

    def units(self, logits: Tensor) -> Distribution:
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)

    def hidden_form(self, codes: Tensor) -> Tensor:
        return one_hot(codes, self.n_states).to(self.dtype)

    def p_v(self, h: Tensor) -> Distribution:
        logits = self.visible_bias + torch.einsum("dljk,njk->ndl", self.weight, h)
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)


class SoftIRBM(CategoricalIRBM):
    """Inverse RBM for any number of classes, on hard or soft votes.

    Parameters
    ----------
    n_classifiers : int
        Number of visible sites, at least 1.
    n_classes : int
        States of every site and of every hidden unit, at least 1.
    hidden_dim : int
        Number of hidden units, at least 1; the first is the class.
    pseudo_counts : PseudoCounts, optional
        Prior of the confusions, for the exact solvers.
    class_prior : (n_classes,), optional
        Known class frequencies, summing to one; EM keeps them fixed.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> from deem.models.initialization import initialise
    >>> votes = read_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0]])
    >>> model = initialise(SoftIRBM(3, 3), votes, "mv")
    >>> model.predict_classes(votes).argmax(1)
    tensor([0, 1, 2])
    """

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        hidden_dim: int = 1,
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
    ):
        super().__init__(n_classifiers, n_classes, hidden_dim, pseudo_counts, class_prior)


class BinaryIRBM(InverseRBM):
    r"""Inverse RBM for two classes, with Bernoulli hidden units and one weight a site.

    .. math:: E(v, h) = -\sum_j b_j h_j - \sum_i v_i \Big(a_i + \sum_j W_{ij} h_j\Big)

    Here v_i is 1 for a vote for the second class. Votes come in the same one-hot form as
    everywhere, so that a missing vote is a row of zeros.

    Parameters
    ----------
    n_classifiers, hidden_dim, pseudo_counts, class_prior
        As in `SoftIRBM`.
    n_classes : int
        2.

    Attributes
    ----------
    visible_bias : (n_classifiers,) Parameter
        a, in nats.
    weight : (n_classifiers, hidden_dim) Parameter
        W, in nats.
    hidden_bias : (hidden_dim,) Parameter
        b, in nats.
    """

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int = 2,
        hidden_dim: int = 1,
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
    ):
        if n_classes != 2:
            raise ArgumentError(f"n_classes={n_classes}; BinaryIRBM has 2, use SoftIRBM.")
        super().__init__(n_classifiers, n_classes, hidden_dim, pseudo_counts, class_prior)
        self.visible_bias = nn.Parameter(torch.zeros(n_classifiers))
        self.weight = nn.Parameter(torch.zeros(n_classifiers, hidden_dim))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim))

    def categorical_parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        corner = torch.nn.functional.pad
        weight = corner(self.weight[:, None, :, None], (1, 0, 0, 0, 1, 0))
        return (
            corner(self.visible_bias[:, None], (1, 0)),
            weight,
            corner(self.hidden_bias[:, None], (1, 0)),
        )

    @torch.no_grad()
    def set_parameters(self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor) -> None:
        against = weight[:, :, :, 1] - weight[:, :, :, 0]
        self.weight.copy_(against[:, 1] - against[:, 0])
        votes = visible_bias + weight[:, :, :, 0].sum(2)
        self.visible_bias.copy_(votes[:, 1] - votes[:, 0])
        self.hidden_bias.copy_(hidden_bias[:, 1] - hidden_bias[:, 0] + against[:, 0].sum(0))

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """Energy of complete votes (batch, n_classifiers, 2) and hidden units (batch, hidden_dim).

        The result (batch,) is in nats.
        """
        drive = self.visible_bias + h @ self.weight.T
        return -(v[..., 1] * drive).sum(1) - h @ self.hidden_bias

    def units(self, logits: Tensor) -> Distribution:
        return Independent(
            Bernoulli(logits=logits[..., 1] - logits[..., 0], validate_args=False), 1
        )

    def hidden_form(self, codes: Tensor) -> Tensor:
        return codes.to(self.dtype)

    def p_v(self, h: Tensor) -> Distribution:
        drive = self.visible_bias + h @ self.weight.T
        return Independent(OneHotCategorical(logits=torch.stack([-drive / 2, drive / 2], -1)), 1)
