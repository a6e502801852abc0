"""Inverse RBM with a hidden unit for each group of classifiers that vote as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, OneHotCategorical

from deem.core.dataset import Dataset
from deem.core.votes import Votes
from deem.math.energy import lift_centred, project_centred
from deem.math.latent import SparseRows
from deem.math.star import StarStates, star_messages
from deem.models.consensus import ConsensusModel
from deem.utils.constants import EPSILON, MAX_JOINT_STATES
from deem.utils.exception import ArgumentError, IntractableError

__all__ = ["GroupIRBM", "UnitVotes"]

_START = 0.8
"""Probability beyond chance with which a unit starts in the state of its parent."""

_UNIFORM = 0.5
"""Imagined samples of each class that spread evenly over the states of a group."""

_NEIGHBOURS = 3
"""Neighbours that the class needs to be identified."""

_BATCH = 1 << 16
"""Samples worked on at a time."""


class GroupIRBM(ConsensusModel):
    r"""Inverse RBM in which groups of classifiers hang on a hidden unit of their own.

    .. math:: E(v, h, g) = -\log \pi_h - \sum_c \log P_c[g_c | h]
        - \sum_{i \notin \bigcup c} \log \theta_i[v_i | h]
        - \sum_c \sum_{i \in c} \log \theta_i[v_i | g_c]

    The members of group c err together through g_c, which is one witness to the class h however
    many they are. The units form a tree: all sums are exact, by passing messages from the votes
    to the groups and from the groups to the class, at a cost proportional to the number of votes
    plus samples times units. The tables are normalised, so that the log-partition is 0, a missing
    vote drops out, and EM is closed. There are edges between hidden units; given them the votes
    are independent.

    A group unit that explains the dependence best need not stand for the class. Its table
    :math:`P_c[\cdot | h]` is therefore tied to the diagonal, by imagined samples of g = h.

    Parameters
    ----------
    n_classifiers, n_classes : int
        At least 1.
    groups : sequence of sequences of int
        Classifiers of each group, such as the clusters of a
        `deem.selection.dependence.DependenceMap`. Those in no group, or alone in one, hang on the
        class. The class needs three neighbours, groups or single classifiers, to be identified.
    pseudo_counts : PseudoCounts, optional
        Prior of the confusions, of the class or of the unit of the group.
    class_prior : (n_classes,), optional
        As in `SoftIRBM`.
    tie : float
        Imagined samples of g = h, as a share of all samples, at least 0. A share, since a fixed
        number would vanish beside many samples, where a group drifts as well as among few.

    Attributes
    ----------
    site_unit : (n_classifiers,) int64 Tensor
        What each classifier hangs on: 0 is the class, 1 + c group c.
    pseudo_groups : (n_classes, n_classes) Tensor
        Pseudo-counts of the tables of the groups, state by class, in samples; 0 until
        ``prepare``.

    References
    ----------
    .. [1] Jaffe, Fetaya, Nadler, Jiang, Kluger (2016), Unsupervised ensemble learning with
       dependent classifiers.

    Examples
    --------
    >>> from deem import DEEM
    >>> from deem.datasets import copying_groups
    >>> data = copying_groups(2000, 3, groups=(3, 3, 1, 1), random_state=0)
    >>> groups = [[0, 1, 2], [3, 4, 5]]
    >>> model = DEEM(n_classes=3, model="GroupIRBM", model_params={"groups": groups})
    >>> plain = DEEM(n_classes=3, selection=None).fit(data.votes)
    >>> model.fit(data.votes).score(data.votes) > plain.score(data.votes)
    True
    """

    supports_em = True
    site_unit: Tensor
    pseudo_groups: Tensor

    def __init__(
        self,
        n_classifiers: int,
        n_classes: int,
        groups: Sequence[Sequence[int]],
        pseudo_counts: Sequence | None = None,
        class_prior: Sequence[float] | None = None,
        tie: float = 0.1,
    ):
        states = torch.arange(n_classes)
        super().__init__(n_classifiers, n_classes, states, pseudo_counts, class_prior)
        self.groups = _checked_groups(groups, n_classifiers)
        if not 0 <= tie < float("inf"):
            raise ArgumentError(f"tie={tie}; it must be finite and at least 0.")
        self.tie = tie
        unit = torch.zeros(n_classifiers, dtype=torch.int64)
        for place, group in enumerate(self.groups):
            unit[list(group)] = 1 + place
        self.register_buffer("site_unit", unit, persistent=False)
        self.register_buffer("pseudo_groups", torch.zeros(n_classes, n_classes), False)
        # Without a preference for the own state no vote would tell anything of the class.
        start = project_centred(self._start_table().log(), 0)
        self.free_prior = nn.Parameter(torch.zeros(n_classes - 1))
        self.free_group = nn.Parameter(start.repeat(len(self.groups), 1, 1))
        self.free_vote = nn.Parameter(start.repeat(n_classifiers, 1, 1))

    @property
    def n_units(self) -> int:
        """Number of hidden units: the class and the groups."""
        return 1 + len(self.groups)

    @property
    def is_listed(self) -> bool:
        """True: message passing sums over all joint states without listing them."""
        return True

    def tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities of the class, of the groups and of the votes.

        Returns
        -------
        log_prior : (n_classes,)
        log_group : (n_groups, n_classes, n_classes)
            State of the group (second axis) given the class (third).
        log_vote : (n_classifiers, n_classes, n_classes)
            Vote (second axis) given the state of the unit that the classifier hangs on (third).
        """
        free = (self.free_prior, 0), (self.free_group, 1), (self.free_vote, 1)
        prior, group, vote = (lift_centred(x, dim).log_softmax(dim) for x, dim in free)
        return prior, group, vote

    @torch.no_grad()
    def set_tables(self, log_prior: Tensor, log_group: Tensor, log_vote: Tensor) -> None:
        """Inverse of `tables`."""
        self.free_prior.copy_(project_centred(log_prior, 0))
        self.free_group.copy_(project_centred(log_group, 1))
        self.free_vote.copy_(project_centred(log_vote, 1))

    def state_terms(self) -> tuple[Tensor, Tensor]:
        """Terms of the listed joint states; nothing but small checks needs them."""
        if self.n_classes**self.n_units > MAX_JOINT_STATES:
            raise IntractableError(
                f"{self.n_units} hidden units of {self.n_classes} states have too many joint "
                f"states to list (limit {MAX_JOINT_STATES}); class_logits() needs no list."
            )
        prior, group, vote = self.tables()
        powers = [self.n_classes**j for j in reversed(range(self.n_units))]
        states = torch.arange(self.n_classes**self.n_units, device=self.device).unsqueeze(1)
        codes = states // torch.tensor(powers, device=self.device) % self.n_classes
        bias = prior[codes[:, 0]]
        for table, state in zip(group, codes.T[1:], strict=True):
            bias = bias + table[state, codes[:, 0]]
        return bias, torch.stack(
            [x[:, codes[:, u]] for x, u in zip(vote, self.site_unit, strict=True)]
        )

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """Energy of complete votes (batch, n_classifiers, n_classes) and one-hot hidden units.

        ``h`` has shape (batch, 1 + n_groups, n_classes), the class first; the result (batch,) is
        in nats.
        """
        prior, group, vote = self.tables()
        above = torch.einsum("ncg,cgk,nk->n", h[:, 1:], group, h[:, 0]) + h[:, 0] @ prior
        return -above - torch.einsum("ndl,dlk,ndk->n", v, vote, h[:, self.site_unit])

    def p_h(self, v: Tensor) -> Distribution:
        prior, group, vote = self.tables()
        below = self._dense_evidence(v, vote)
        joint = below[:, 1:, :, None] + group
        class_logits = prior + below[:, 0] + joint.logsumexp(2).sum(1)
        return StarStates(class_logits, joint)

    def p_v(self, h: Tensor) -> Distribution:
        _, _, vote = self.tables()
        logits = torch.einsum("dlk,ndk->ndl", vote, h[:, self.site_unit])
        return Independent(OneHotCategorical(logits=logits, validate_args=False), 1)

    def free_energy(self, v: Tensor) -> Tensor:
        return -self.class_logits(v).logsumexp(-1)

    def log_partition(self) -> Tensor:
        """0: the tables are normalised."""
        return self.free_prior.new_zeros(())

    def class_logits(self, votes: Votes | Tensor) -> Tensor:
        prior, group, vote = self.tables()
        if isinstance(votes, Votes):
            below = self._evidence(self._rows_of_units(self.sparse_rows(votes)), vote)
        else:
            below = self._dense_evidence(votes, vote)
        return prior + star_messages(below, group.exp())[0]

    @torch.no_grad()
    def predict_classes(self, votes: Votes) -> Tensor:
        starts = range(0, votes.n_samples, _BATCH)
        parts = [votes.take(slice(start, start + _BATCH)) for start in starts]
        return torch.cat([self.class_logits(part).softmax(1) for part in parts])

    @torch.no_grad()
    def class_tables(self) -> tuple[Tensor, Tensor]:
        prior, group, vote = (x.exp() for x in self.tables())
        # Given the class, the class itself is sure.
        same = torch.eye(self.n_classes, dtype=self.dtype, device=self.device)
        given = torch.cat([same[None], group])[self.site_unit]
        return prior, (vote @ given).transpose(1, 2)

    def _start_table(self) -> Tensor:
        same = torch.eye(self.n_classes)
        return _START * same + (1 - _START) / self.n_classes

    def start_from_energy(
        self, visible_bias: Tensor, weight: Tensor, hidden_bias: Tensor, generator: torch.Generator
    ) -> None:
        log_vote = visible_bias[:, :, None] + weight[:, :, 0]
        log_group = self._start_table().to(log_vote).log().expand(len(self.groups), -1, -1)
        self.set_tables(hidden_bias[0], log_group, log_vote)

    def m_step(self, counts: Tensor, state_counts: Tensor) -> None:
        """Set class prior and confusions, for a start; the groups start near the class.

        Parameters
        ----------
        counts : (n_classifiers, n_classes, n_classes)
            Votes by class.
        state_counts : (n_classes,)
            Samples of each class.
        """
        groups = self._start_table().to(counts).expand(len(self.groups), -1, -1)
        self._set_counts(state_counts, groups, counts + self.pseudo_votes)

    @torch.no_grad()
    def rename_classes(self, order: Tensor) -> None:
        prior, group, vote = self.tables()
        self.set_tables(prior[order], group[:, order][..., order], vote[..., order])

    def prepare(self, data: Dataset) -> None:
        super().prepare(data)
        same = torch.eye(self.n_classes, dtype=self.dtype, device=self.device)
        tied = self.tie * data.total_weight / self.n_classes
        self.pseudo_groups = tied * same + _UNIFORM / self.n_classes

    def log_prior(self) -> Tensor:
        prior, group, vote = self.tables()
        samples = 0.0 if self.class_prior is not None else self.pseudo_samples
        above = (self.pseudo_groups * group).sum() + samples * prior.sum()
        return above + (self.pseudo_votes * vote).sum()

    def em_data(self, data: Dataset) -> UnitVotes:  # type: ignore[override]
        """Votes of each sample on each unit, with weights and known classes."""
        weights = None if data.weights is None else data.weights.to(self.device, self.dtype)
        rows = self._rows_of_units(self.sparse_rows(self.as_votes(data)))
        known = None if data.targets is None else data.targets.to(self.device)
        return UnitVotes(rows, weights, known)

    @torch.no_grad()
    def em_step(self, data: UnitVotes) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        before = self.log_prior()
        prior, log_group, vote = self.tables()
        group = log_group.exp()
        sums = [torch.zeros_like(x) for x in (prior[:1].sum(), prior, group, vote.flatten(0, 1))]
        for rows, weights, known in data.chunks(self.n_units, len(sums[3])):
            found = self._chunk_sums(rows, weights, known, prior, group, vote)
            sums = [total + part for total, part in zip(sums, found, strict=True)]
        groups, votes = sums[2] + self.pseudo_groups, sums[3].reshape(vote.shape)
        self._set_counts(sums[1], groups, votes + self.pseudo_votes)
        return sums[0], before

    def _chunk_sums(
        self,
        rows: SparseRows,
        weights: Tensor | None,
        known: Tensor | None,
        prior: Tensor,
        group: Tensor,
        vote: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-evidence and expected counts: of classes, of states by class, of votes by state."""
        below = self._evidence(rows, vote)
        messages, scaled, mixed = star_messages(below, group)
        logits = prior + messages
        if known is not None:
            classes = torch.arange(self.n_classes, device=known.device)
            excluded = (known[:, None] >= 0) & (known[:, None] != classes)
            logits = logits.masked_fill(excluded, -torch.inf)
        evidence = logits.logsumexp(1)
        states = (logits - evidence[:, None]).exp()
        if weights is not None:
            states, evidence = states * weights[:, None], evidence * weights
        # p(g, h | v) = scaled[g] P[g | h] ratio[h], of which only the sums are ever formed.
        ratio = states[:, None] / mixed
        pairs = group * torch.einsum("ncg,nch->cgh", scaled, ratio)
        of_groups = scaled * torch.einsum("cgh,nch->ncg", group, ratio)
        units = torch.cat([states[:, None], of_groups], 1).flatten(0, 1)
        counts = rows.products(vote.shape[0] * vote.shape[1]).gather(units)
        return evidence.sum(), states.sum(0), pairs, counts

    def _set_counts(self, classes: Tensor, groups: Tensor, votes: Tensor) -> None:
        shares = [x / x.sum(1, keepdim=True).clamp(min=EPSILON) for x in (groups, votes)]
        self.set_tables(
            self.best_log_state(classes), *(x.clamp(min=EPSILON).log() for x in shares)
        )

    def _dense_evidence(self, v: Tensor, vote: Tensor) -> Tensor:
        """Log-probability of the votes below each unit given its state, (batch, units, K)."""
        self.check_shape(v)
        terms = torch.einsum("ndl,dlk->ndk", v, vote)
        below = terms.new_zeros(len(v), self.n_units, self.n_classes)
        return below.index_add(1, self.site_unit, terms)

    def _evidence(self, rows: SparseRows, vote: Tensor) -> Tensor:
        """The same from sparse rows, one for each sample and unit."""
        table = vote.flatten(0, 1)
        spread = rows.products(len(table)).spread(table)
        return spread.reshape(-1, self.n_units, self.n_classes)

    def _rows_of_units(self, rows: SparseRows) -> SparseRows:
        """Cut the row of each sample into one for each unit."""
        unit = self.site_unit[rows.columns.long() // self.n_classes]
        place, order = (rows.rows * self.n_units + unit).sort(stable=True)
        lengths = torch.bincount(place, minlength=len(rows) * self.n_units)
        indptr = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        values = None if rows.values is None else rows.values[order]
        return SparseRows(indptr, rows.columns[order], values)


class UnitVotes(NamedTuple):
    """What EM reads.

    Attributes
    ----------
    rows : SparseRows
        One row for each sample and unit.
    weights : (n_samples,) or None
        How often each sample counts.
    known : (n_samples,) or None
        Class codes, -1 where unknown.
    """

    rows: SparseRows
    weights: Tensor | None
    known: Tensor | None

    def chunks(self, n_units: int, n_columns: int) -> list[UnitVotes]:
        """Consecutive samples; no fewer than the columns of the table that each chunk fills."""
        size = max(_BATCH // n_units, n_columns, 1)
        chunks = self.rows.chunks(size * n_units)
        cut = [
            [None] * len(chunks) if x is None else x.split(size)
            for x in (self.weights, self.known)
        ]
        return [UnitVotes(*part) for part in zip(chunks, *cut, strict=True)]


def _checked_groups(
    groups: Sequence[Sequence[int]], n_classifiers: int
) -> tuple[tuple[int, ...], ...]:
    read = tuple(tuple(map(int, group)) for group in groups)
    members = [i for group in read for i in group]
    for i in members:
        if not 0 <= i < n_classifiers:
            raise ArgumentError(
                f"groups={read} has classifier {i}, but there are {n_classifiers}; pass indices "
                f"from 0 to {n_classifiers - 1}."
            )
        if members.count(i) > 1:
            raise ArgumentError(
                f"groups={read} has classifier {i} more than once; a classifier hangs on one unit."
            )
    kept = tuple(group for group in read if len(group) > 1)
    neighbours = n_classifiers - sum(len(group) - 1 for group in kept)
    if kept and neighbours < _NEIGHBOURS:
        raise ArgumentError(
            f"groups={read} leave the class {neighbours} neighbours, groups or single "
            f"classifiers, and it is identified by {_NEIGHBOURS} at least; split or drop a group."
        )
    return kept
