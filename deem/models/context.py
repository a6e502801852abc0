"""Inverse RBM with a second hidden unit that says how clear a sample is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, OneHotCategorical

from deem.core.dataset import Dataset
from deem.core.votes import Votes
from deem.math.energy import lift_centred, project_centred
from deem.models.consensus import ConsensusModel
from deem.utils.constants import EPSILON
from deem.utils.exception import ArgumentError

__all__ = ["ContextIRBM"]

_FIRST_RATIO = 0.3
"""Scale of each context at the start, relative to the one before it."""

_LEAST_SCALE = 1e-3
_HALVINGS = 6
_LONGEST_STEP = 4.0
"""Largest change of a table in one step, in nats: where votes are near certain the curvature
vanishes, and Newton's step would be endless."""


class ContextIRBM(ConsensusModel):
    r"""Inverse RBM in which samples differ in how clear they are to all classifiers.

    .. math:: E(v, h, m) = -b_{hm} - \sum_i \log \operatorname{softmax}_l
        \big( \beta_m U_i[l, h] \big)[v_i]

    Beside the class h there is a context m, which scales all tables of the classifiers:
    :math:`\beta_1 = 1`, the others are above 0. In a context of small scale all votes are near
    uniform, so that many classifiers who err together on a hard sample no longer count as many
    witnesses. The contexts of a class share its pseudo-counts evenly. Were they all in the first
    context, another could grow as sharp as it likes at no cost.

    The expected log-likelihood is concave in the tables and in the scales. Each M-step takes one
    safeguarded Newton step in both, so that EM raises the objective without a closed form.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    n_contexts : int
        M, at least 1; one context is `SoftIRBM`.
    pseudo_counts, class_prior
        As in `SoftIRBM`.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> from deem.models.initialization import initialise
    >>> votes = read_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0]])
    >>> model = initialise(ContextIRBM(3, 3, 2), votes, "shares")
    >>> [round(scale, 2) for scale in model.scale.tolist()]
    [1.0, 0.3]
    >>> model.predict_classes(votes).argmax(1)
    tensor([0, 1, 2])
    """

    supports_em = True

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        n_contexts: int = 2,
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
    ):
        if n_contexts < 1:
            raise ArgumentError(f"n_contexts={n_contexts}; it must be at least 1.")
        state_class = torch.arange(n_classes).repeat_interleave(n_contexts)
        super().__init__(n_classifiers, n_classes, state_class, pseudo_counts, class_prior)
        self.n_contexts = n_contexts
        self.free_weight = nn.Parameter(torch.zeros(n_classifiers, n_classes - 1, n_classes))
        self.log_scale = nn.Parameter(self._first_scale()[1:].log())
        self.free_state_bias = nn.Parameter(torch.zeros(len(state_class) - 1))

    @property
    def weight(self) -> Tensor:
        """(n_classifiers, n_classes, n_classes): U, vote by class, centred over the votes."""
        return lift_centred(self.free_weight, 1)

    @property
    def scale(self) -> Tensor:
        """(n_contexts,): how clear a sample is in each context, relative to the first."""
        return torch.cat([self.log_scale.new_zeros(1), self.log_scale]).exp()

    @property
    def state_bias(self) -> Tensor:
        """(n_classes * n_contexts,): b, centred, in nats; the contexts of a class in a row."""
        return lift_centred(self.free_state_bias, 0)

    def state_terms(self) -> tuple[Tensor, Tensor]:
        site = (self.weight.unsqueeze(3) * self.scale).log_softmax(1)
        return self.state_bias, site.flatten(2)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """Energy of complete votes (batch, n_classifiers, n_classes) and one-hot joint states.

        ``h`` has shape (batch, 1, n_classes * n_contexts); the result (batch,) is in nats.
        """
        bias, site = self.state_terms()
        return -(v * torch.einsum("dls,njs->ndl", site, h)).sum((1, 2)) - h.flatten(1) @ bias

    def p_h(self, v: Tensor) -> Distribution:
        logits = self.state_logits(v).unsqueeze(1)
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)

    def p_v(self, h: Tensor) -> Distribution:
        logits = torch.einsum("dls,njs->ndl", self.state_terms()[1], h)
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)

    @torch.no_grad()
    def m_step(self, counts: Tensor, state_counts: Tensor) -> None:
        """Raise the expected penalised log-likelihood by Newton steps from where it stands.

        Parameters
        ----------
        counts : (n_classifiers, n_classes, S)
            Expected votes of each classifier for each label in each state.
        state_counts : (S,)
            Expected samples in each state.
        """
        d, k, m = self.n_classifiers, self.n_classes, self.n_contexts
        counts = counts + self.state_pseudo_votes(k * m)
        counts = counts.reshape(d, k, k, m).permute(0, 2, 3, 1).contiguous()
        table, scale = self.weight.transpose(1, 2), self.scale.unsqueeze(1)
        table = _improved_table(table, scale, counts)
        if m > 1:
            scale = _improved_scale(table, scale, counts)
        self._set(table.transpose(1, 2), scale[:, 0], self.best_log_state(state_counts))

    @torch.no_grad()
    def start_from_shares(self, votes: Votes, generator: torch.Generator) -> None:
        self.prepare(Dataset(votes))
        counts, class_counts = self.share_statistics(votes, generator)
        state_counts = class_counts.repeat_interleave(self.n_contexts) / self.n_contexts
        weight = (counts + self.pseudo_votes).clamp(min=EPSILON).log()
        self._set(weight, self._first_scale(), self.best_log_state(state_counts))

    @torch.no_grad()
    def start_from_energy(
        self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor, generator: torch.Generator
    ) -> None:
        weight = visible_bias.unsqueeze(2) + weight[:, :, 0]
        log_class = hidden_bias[0] + weight.logsumexp(1).sum(0)
        self._set(weight, self._first_scale(), log_class.repeat_interleave(self.n_contexts))

    @torch.no_grad()
    def rename_classes(self, order: Tensor) -> None:
        bias = self.state_bias.reshape(self.n_classes, -1)[order].flatten()
        self._set(self.weight[:, :, order], self.scale, bias)

    def _set(self, weight: Tensor, scale: Tensor, state_bias: Tensor) -> None:
        self.free_weight.copy_(project_centred(weight, 1))
        self.log_scale.copy_(scale[1:].log())
        self.free_state_bias.copy_(project_centred(state_bias, 0))

    def _first_scale(self) -> Tensor:
        return _FIRST_RATIO ** torch.arange(self.n_contexts, dtype=torch.float64)


def _expected(table: Tensor, scale: Tensor, counts: Tensor) -> Tensor:
    """Expected log-likelihood (D, H, M) of counts (D, H, M, L), tables (D, H, L), scales (M, 1).

    D classifiers, H classes, M contexts, L labels.
    """
    return (counts * (scale * table.unsqueeze(2)).log_softmax(3)).sum(3)


def _ascend(value: Callable[[Tensor], Tensor], start: Tensor, step: Tensor) -> Tensor:
    """Add steps (..., n), each halved until its value (...) is not below that of the start."""
    before = value(start)
    for _ in range(_HALVINGS):
        worse = (value(start + step) < before).unsqueeze(-1)
        if not worse.any():
            return start + step
        step = torch.where(worse, step / 2, step)
    return start + step.masked_fill((value(start + step) < before).unsqueeze(-1), 0)


def _improved_table(table: Tensor, scale: Tensor, counts: Tensor) -> Tensor:
    """One Newton step in all tables at once."""
    p = (scale * table.unsqueeze(2)).softmax(3)
    total = counts.sum(3)
    gradient = (scale * (counts - total.unsqueeze(3) * p)).sum(2)
    # The negative Hessian diag(d) - P' W P, with d = P' w and W = diag(w), is 0 along constants.
    # Adding d d' / sum(w) makes it regular and moves no centred gradient; it remains a diagonal
    # less a matrix of rank M, so that Woodbury's formula needs systems of M equations only.
    w = scale.square().squeeze(1) * total
    d = (w.unsqueeze(3) * p).sum(2).clamp(min=EPSILON)
    middle = w.diag_embed() - _outer(w) / w.sum(2).clamp(min=EPSILON)[..., None, None]
    whitened = p / d.unsqueeze(2)
    system = -middle @ whitened @ p.mT
    system.diagonal(dim1=2, dim2=3).add_(1)
    right = middle @ (whitened @ gradient.unsqueeze(3))
    correction = torch.linalg.solve(system, right)
    step = gradient / d + (correction * whitened).sum(2)
    step *= (_LONGEST_STEP / step.abs().amax(2, keepdim=True).clamp(min=EPSILON)).clamp(max=1)
    return _ascend(lambda x: _expected(x, scale, counts).sum(2), table, step)


def _improved_scale(table: Tensor, scale: Tensor, counts: Tensor) -> Tensor:
    """One Newton step in all scales but the first."""
    table_of = table.unsqueeze(2)
    p, total = (scale * table_of).softmax(3), counts.sum(3)
    mean = (p * table_of).sum(3)
    slope = ((counts * table_of).sum(3) - total * mean).sum((0, 1))
    curvature = (total * ((p * table_of.square()).sum(3) - mean.square())).sum((0, 1))
    step = (slope / curvature.clamp(min=EPSILON)).unsqueeze(1)
    step = (scale + step).clamp(min=_LEAST_SCALE) - scale
    step[0] = 0
    return _ascend(lambda x: _expected(table, x, counts).sum((0, 1)), scale, step)


def _outer(w: Tensor) -> Tensor:
    return w.unsqueeze(-1) * w.unsqueeze(-2)
