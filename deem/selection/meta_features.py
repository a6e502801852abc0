"""What a matrix of votes looks like, in a few numbers that need no truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from deem.core.votes import Votes
from deem.math.vote import vote_shares

__all__ = ["META_FEATURES", "meta_features"]

META_FEATURES = (
    "log_samples",
    "log_classifiers",
    "log_classes",
    "log_votes_per_sample",
    "density",
    "repetition",
    "vote_entropy",
    "label_entropy",
    "classifier_entropy",
    "agreement",
    "agreement_spread",
    "best_agreement",
    "pair_agreement",
    "kappa",
    "margin",
    "ties",
    "unanimity",
    "largest_class",
    "smallest_class",
    "effective_rank",
)
"""Names of the meta-features, in the order of the table of runs."""

_MOST_VOTES = 200_000
_MOST_CELLS = 1_000_000
_MOST_CLASSIFIERS = 64


def meta_features(votes: Votes) -> dict[str, float]:
    """Describe votes by numbers that do not change with the order of the samples.

    Samples count by their weights, so merged rows give the same numbers as repeated ones. What
    follows the sizes is computed on a fixed draw of samples where there are more than 200,000
    votes, or more than 1,000,000 pairs of a sample and a class.

    Parameters
    ----------
    votes : Votes
        At least one sample has a weight above 0.

    Returns
    -------
    dict of float
        By name, in the order of `META_FEATURES`:

        - ``log_samples``, ``log_classifiers``, ``log_classes``: logarithms of the sizes, the
          first of one plus the total weight;
        - ``log_votes_per_sample``: logarithm of one plus the mean number of votes a sample;
        - ``density``: that number a classifier;
        - ``repetition``: share of the samples whose votes an earlier sample had;
        - ``vote_entropy``: mean entropy of the votes on a sample, in units of log n_classes;
        - ``label_entropy``, ``classifier_entropy``: entropy of all votes together, and mean of
          that of each classifier's votes, in the same units;
        - ``agreement``, ``agreement_spread``, ``best_agreement``: mean, standard deviation and
          maximum of the classifiers' agreement with the majority vote, over all votes;
        - ``pair_agreement``: probability that two votes on a sample agree;
        - ``kappa``: the same beyond chance [1]_, 0 where all votes are for one class;
        - ``margin``: mean share of the votes by which the first class leads the second;
        - ``ties``, ``unanimity``: share of samples without a single winner, with no other vote;
        - ``largest_class``, ``smallest_class``: share of the samples, by the vote, the second
          times n_classes;
        - ``effective_rank``: exponential of the entropy of the eigenvalues [2]_ of the
          correlation between the classifiers' agreements with the vote, as a share of the
          number of classifiers; of the 64 most active ones.

        Where no sample with weight has a vote, all but the sizes are 0.

    References
    ----------
    .. [1] Fleiss (1971), Measuring nominal scale agreement among many raters.
    .. [2] Roy and Vetterli (2007), The effective rank: a measure of effective dimensionality.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> found = meta_features(read_votes([[0, 0, 1], [1, 1, 1]]))
    >>> found["unanimity"], round(found["pair_agreement"], 3)
    (0.5, 0.667)
    """
    weights = np.ones(votes.n_samples) if votes.weights is None else votes.weights
    total = weights.sum()
    per_sample = float(weights @ _votes_of_rows(votes) / total)
    numbers = {
        "log_samples": np.log1p(total),
        "log_classifiers": np.log(votes.n_classifiers),
        "log_classes": np.log(votes.n_classes),
        "log_votes_per_sample": np.log1p(per_sample),
        "density": per_sample / votes.n_classifiers,
    }
    drawn = _draw(votes)
    if drawn.n_samples == 0:
        return dict.fromkeys(META_FEATURES, 0.0) | {k: float(x) for k, x in numbers.items()}
    numbers["repetition"] = _repetition(drawn)
    cells = _Cells.of(drawn)
    numbers |= _entropies(cells) | _agreements(cells) | _margins(cells)
    numbers["effective_rank"] = _effective_rank(cells)
    return {name: float(numbers[name]) for name in META_FEATURES}


@dataclass
class _Cells:
    """Votes with a weight, one entry a stored cell.

    Attributes
    ----------
    row, classifier, label : (m,)
        Of every cell.
    value : (m,)
        Probability of the cell, 1 for hard votes.
    weight : (n,)
        Of every row; they sum to 1.
    counts, shares : (n, n_classes)
        Sum of the votes, and the majority vote with ties shared.
    n_classifiers : int
        Those without votes included.
    """

    row: NDArray[np.int64]
    classifier: NDArray[np.int64]
    label: NDArray[np.int64]
    value: NDArray[np.float64]
    weight: NDArray[np.float64]
    counts: NDArray[np.float64]
    shares: NDArray[np.float64]
    n_classifiers: int

    @classmethod
    def of(cls, votes: Votes) -> _Cells:
        counts = votes.vote_counts()
        columns = votes.columns.astype(np.int64)
        weight = np.ones(votes.n_samples) if votes.weights is None else votes.weights
        return cls(
            np.repeat(np.arange(votes.n_samples), np.diff(votes.indptr)),
            columns // votes.n_classes,
            columns % votes.n_classes,
            np.ones(len(columns)) if votes.values is None else votes.values,
            weight / weight.sum(),
            counts,
            vote_shares(counts),
            votes.n_classifiers,
        )

    def mean(self, numbers: NDArray[np.float64]) -> float:
        """Weighted mean of one number a row, without rows that have none (NaN)."""
        known = ~np.isnan(numbers)
        total = self.weight[known].sum()
        return float(self.weight[known] @ numbers[known] / total) if total > 0 else 0.0

    def by_classifier(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted mean over the votes of each classifier of one number a cell, NaN if none."""
        mass = self.weight[self.row] * self.value
        sums = np.bincount(self.classifier, mass * numbers, self.n_classifiers)
        cast = np.bincount(self.classifier, mass, self.n_classifiers)
        return np.divide(sums, cast, out=np.full(len(cast), np.nan), where=cast > 0)


def _votes_of_rows(votes: Votes) -> NDArray[np.float64]:
    """Number of votes of every row, soft ones by their total probability."""
    if votes.values is None:
        return np.diff(votes.indptr).astype(np.float64)
    return np.asarray(votes.matrix().sum(axis=1)).ravel()


def _draw(votes: Votes) -> Votes:
    """Rows that have votes and weight, at most as many as the limits allow."""
    usable = ~votes.empty_rows()
    if votes.weights is not None:
        usable &= votes.weights > 0
    rows = np.flatnonzero(usable)
    per_row = max(len(votes.columns) / max(len(rows), 1), 1)
    limit = max(int(min(_MOST_VOTES / per_row, _MOST_CELLS / votes.n_classes)), 1)
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(0).choice(rows, limit, replace=False))
    return votes if len(rows) == votes.n_samples else votes.take(rows)


def _repetition(votes: Votes) -> float:
    merged, _ = votes.merged()
    total = votes.n_samples if votes.weights is None else votes.weights.sum()
    return max(1 - merged.n_samples / total, 0.0)


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy along the last axis in units of the logarithm of its length, which may be 1."""
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return -(p * logs).sum(-1) / max(np.log(p.shape[-1]), np.log(2))


def _entropies(cells: _Cells) -> dict[str, float]:
    k = cells.counts.shape[1]
    mass = cells.weight[cells.row] * cells.value
    place = cells.classifier * k + cells.label
    labels = np.bincount(place, mass, cells.n_classifiers * k).reshape(-1, k)
    labels = labels[labels.any(1)]
    everything = labels.sum(0) / labels.sum()
    return {
        "vote_entropy": cells.mean(_entropy(cells.counts / cells.counts.sum(1, keepdims=True))),
        "label_entropy": float(_entropy(everything)),
        "classifier_entropy": float(_entropy(labels / labels.sum(1, keepdims=True)).mean()),
    }


def _agreements(cells: _Cells) -> dict[str, float]:
    found = cells.by_classifier(cells.shares[cells.row, cells.label])[cells.classifier]
    mass = cells.weight[cells.row] * cells.value
    mean = float(np.average(found, weights=mass))
    # Two different votes p and q on a sample agree with probability p . q.
    alone = np.bincount(cells.row, cells.value**2, len(cells.weight))
    m = cells.counts.sum(1)
    pairs = m * (m - 1)
    both = (cells.counts**2).sum(1) - alone
    agree = cells.mean(np.divide(both, pairs, out=np.full(len(m), np.nan), where=m > 1.5))
    labels = cells.weight @ cells.counts
    chance = float(((labels / labels.sum()) ** 2).sum())
    return {
        "agreement": mean,
        "agreement_spread": np.sqrt(np.average((found - mean) ** 2, weights=mass)),
        "best_agreement": found.max(),
        "pair_agreement": agree,
        "kappa": 0.0 if 1 - chance < 1e-9 else (agree - chance) / (1 - chance),
    }


def _margins(cells: _Cells) -> dict[str, float]:
    fractions = cells.counts / cells.counts.sum(1, keepdims=True)
    top = np.sort(np.pad(fractions, ((0, 0), (1, 0))), axis=1)
    classes = cells.weight @ cells.shares
    return {
        "margin": cells.mean(top[:, -1] - top[:, -2]),
        "ties": cells.mean((cells.shares.max(1) < 1).astype(np.float64)),
        "unanimity": cells.mean((fractions.max(1) > 1 - 1e-9).astype(np.float64)),
        "largest_class": classes.max(),
        "smallest_class": classes.min() * len(classes),
    }


def _effective_rank(cells: _Cells) -> float:
    activity = np.bincount(cells.classifier, cells.weight[cells.row], cells.n_classifiers)
    active = np.argsort(-activity, kind="stable")[:_MOST_CLASSIFIERS]
    agree = cells.shares[cells.row, cells.label]
    surprise = (agree - cells.by_classifier(agree)[cells.classifier]) * cells.value
    scaled = surprise * np.sqrt(cells.weight[cells.row])
    shape = (len(cells.weight), cells.n_classifiers)
    matrix = sparse.csr_array((scaled, (cells.row, cells.classifier)), shape=shape)[:, active]
    covariance = (matrix.T @ matrix).toarray()
    scale = np.sqrt(covariance.diagonal())
    varies = scale > 1e-9
    if not varies.any():
        return 1.0
    scale = scale[varies]
    correlation = covariance[np.ix_(varies, varies)] / np.outer(scale, scale)
    share = np.linalg.eigvalsh(correlation).clip(min=0) / len(scale)
    entropy = -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum()
    return float(np.exp(entropy) / len(scale))
