"""Hyperparameters of a training, predicted from what the votes look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deem.core.votes import Votes
from deem.selection.meta_features import META_FEATURES, meta_features
from deem.selection.runs import CHOICES, SOLVERS, TABLE, Runs, read_runs, shipped_runs
from deem.utils.exception import ArgumentError, ModelFileError, check_choice

__all__ = ["HyperparameterPredictor", "shipped_predictor"]

_NEAR = 0.1
"""Percentage points of accuracy below which two predictions count as equal."""
_MARGIN = 0.25
"""Percentage points that leaving the default must be expected to bring."""
_SPECIAL = 0.25
"""Share of what the second forest predicts that is believed."""
_TREES = 60
_NUMBERS = ("batch_size", "epochs", "learning_rate", "momentum", "preprocessing_layers")


class HyperparameterPredictor:
    """Choose hyperparameters for votes by what measured trainings on other votes brought.

    What counts is by how much a training lies above the mean of the trainings on the same votes.
    For each solver a forest of randomised trees [1]_ learns that from the hyperparameters alone,
    and a second one what is left from them and the `meta_features` of the votes together. Every
    combination that the table holds is scored by the first plus a quarter of the second, because
    a table of some dozen sets says little of what is special about a new one. Among the
    combinations within 0.1 percentage points of the best the fastest is taken. The forests are
    grown on first use, with fixed seeds: equal tables and votes give equal hyperparameters.

    Attributes
    ----------
    runs_ : Runs
        The table it was fitted to.

    References
    ----------
    .. [1] Geurts, Ernst, Wehenkel (2006), Extremely randomized trees.

    Examples
    --------
    >>> from deem.core.reading import read_votes
    >>> predictor = HyperparameterPredictor().fit()
    >>> votes = read_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0], [0, 0, 0]])
    >>> sorted(predictor.predict(votes, solver="exact"))
    ['init_method', 'preprocessing_activation', 'preprocessing_layers']
    """

    def fit(
        self, runs: Runs | str | Path | Iterable[Mapping[str, Any]] | None = None
    ) -> HyperparameterPredictor:
        """Take a table of measured trainings.

        Parameters
        ----------
        runs : Runs, path or iterable of mapping, optional
            A table, its file, or its rows by column name, see `deem.selection.runs.COLUMNS`;
            by default the table that comes with the library. The same combinations should be
            measured on all votes, as only trainings on the same votes are compared.

        Returns
        -------
        self

        Raises
        ------
        ModelFileError
            If the table has other columns, no row, or a value of another type.
        """
        if runs is None:
            runs = shipped_runs()
        elif isinstance(runs, (str, Path)):
            runs = read_runs(runs)
        elif not isinstance(runs, Runs):
            runs = Runs.from_rows(runs)
        self.runs_ = runs
        self._scorers: dict[str, _Scorer] = {}
        return self

    def predict(
        self,
        votes: Votes | Mapping[str, float],
        solver: str = "exact",
        fixed: Mapping[str, Any] | None = None,
        default: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Hyperparameters for votes.

        Parameters
        ----------
        votes : Votes or mapping
            The votes, or their `meta_features` by name.
        solver : {"exact", "cd", "pcd", "deep"}
            What trains; "deep" is contrastive divergence of a model with layers.
        fixed : mapping, optional
            Hyperparameters that are settled; the others are chosen to go with them.
        default : mapping, optional
            What is taken, if the table holds it, unless another combination is expected to bring
            more than 0.25 percentage points.

        Returns
        -------
        dict
            Those of `deem.selection.runs.SETTINGS` that the solver uses, settled ones included.

        Raises
        ------
        ArgumentError
            If the predictor is not fitted, the table has no run of the solver, or a
            meta-feature is missing.
        """
        check_choice("solver", solver, SOLVERS)
        scorer = self._scorer(solver)
        features = _feature_row(votes)
        settled = {name: value for name, value in (fixed or {}).items() if name in scorer.used}
        candidates, seconds = scorer.candidates(settled)
        scores = scorer.predict(features, candidates)
        near = np.flatnonzero(scores >= scores.max() - _NEAR)
        best = candidates[near[np.lexsort((-scores[near], seconds[near]))[0]]]
        kept = {name: value for name, value in (default or {}).items() if name in scorer.used}
        if kept in candidates and scores.max() - scores[candidates.index(kept)] <= _MARGIN:
            best = kept
        return dict(best)

    def save(self, folder: str | Path) -> None:
        """Write the table into a folder, which is made if need be; `DEEM` takes it as `model_dir`.

        Parameters
        ----------
        folder : path
            The file there is called runs.csv.
        """
        self._check_fitted()
        Path(folder).mkdir(parents=True, exist_ok=True)
        temporary = Path(folder) / f".{TABLE}.tmp"
        temporary.write_text(self.runs_.to_csv(), encoding="utf-8")
        temporary.replace(Path(folder) / TABLE)

    @classmethod
    def load(cls, folder: str | Path) -> HyperparameterPredictor:
        """Predictor of the table that ``save`` wrote, or one of your own, in a folder.

        Raises
        ------
        ArgumentError
            If there is no such folder.
        ModelFileError
            If it holds no table of runs.
        """
        if not (isinstance(folder, (str, Path)) and Path(folder).is_dir()):
            raise ArgumentError(
                f"model_dir={str(folder)!r} is no folder; pass one that "
                "HyperparameterPredictor.save wrote."
            )
        if not (Path(folder) / TABLE).is_file():
            found = sorted(path.name for path in Path(folder).iterdir())
            raise ModelFileError(
                f"{folder} holds no {TABLE}, but {', '.join(found[:5]) or 'nothing'}; pass a "
                "folder that HyperparameterPredictor.save wrote."
            )
        return cls().fit(Path(folder) / TABLE)

    def _check_fitted(self) -> None:
        if not hasattr(self, "runs_"):
            raise ArgumentError("the predictor has no table of runs yet; call fit() first.")

    def _scorer(self, solver: str) -> _Scorer:
        self._check_fitted()
        if solver not in self._scorers:
            part = self.runs_.take(self.runs_.solvers == solver)
            if not len(part):
                held = ", ".join(sorted(set(self.runs_.solvers.tolist())))
                raise ArgumentError(
                    f"solver={solver!r}, but the table holds runs of {held} only; add runs of "
                    "this solver, or pass no model_dir."
                )
            self._scorers[solver] = _Scorer(part)
        return self._scorers[solver]


@lru_cache(maxsize=1)
def shipped_predictor() -> HyperparameterPredictor:
    """Predictor of the table that comes with the library, read once a process."""
    return HyperparameterPredictor().fit()


class _Scorer:
    """Expected gain of combinations of hyperparameters with one solver.

    Parameters
    ----------
    runs : Runs
        Of this solver alone, at least one.
    """

    def __init__(self, runs: Runs):
        from sklearn.ensemble import ExtraTreesRegressor

        self.used = frozenset(name for settings in runs.settings for name in settings)
        _, place = np.unique(runs.sets, return_inverse=True)
        mean = np.bincount(place, runs.scores) / np.bincount(place)
        gain = runs.scores - mean[place]
        own = np.array([_encoded(settings) for settings in runs.settings])
        # Sets weigh the same, however many trainings they have.
        weight = 1 / np.bincount(place)[place]
        trees = {"n_estimators": _TREES, "random_state": 0}
        # Equal rows cannot be split, so this gives the mean of every combination.
        self._common = ExtraTreesRegressor(**trees).fit(own, gain, weight)
        rest = gain - self._common.predict(own)
        both = _with_features(own, runs.settings, runs.features)
        self._special = ExtraTreesRegressor(**trees, min_samples_leaf=5, max_features=0.5)
        self._special.fit(both, rest, weight)
        seconds: dict[tuple, list[float]] = {}
        for settings, spent in zip(runs.settings, runs.seconds, strict=True):
            seconds.setdefault(tuple(settings.items()), []).append(float(spent))
        self._seconds = {key: float(np.mean(spent)) for key, spent in seconds.items()}

    def candidates(
        self, settled: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
        """Combinations with the settled values put in, and the mean seconds of each."""
        found = [dict(key) | dict(settled) for key in self._seconds]
        return found, np.array(list(self._seconds.values()))

    def predict(
        self, features: NDArray[np.float64], candidates: list[dict[str, Any]]
    ) -> NDArray[np.float64]:
        """Expected gain of every candidate, in percentage points of accuracy."""
        own = np.array([_encoded(settings) for settings in candidates])
        both = _with_features(own, candidates, np.tile(features, (len(own), 1)))
        return self._common.predict(own) + _SPECIAL * self._special.predict(both)


def _feature_row(votes: Votes | Mapping[str, float]) -> NDArray[np.float64]:
    found = meta_features(votes) if isinstance(votes, Votes) else votes
    absent = [name for name in META_FEATURES if name not in found]
    if absent:
        raise ArgumentError(
            f"the meta-features lack {', '.join(absent)}; pass what meta_features(votes) returns."
        )
    return np.array([float(found[name]) for name in META_FEATURES])


def _encoded(settings: Mapping[str, Any]) -> list[float]:
    """Hyperparameters as numbers; those not in use, and objects, are zero."""
    numbers = [float(settings.get(name) or 0) for name in _NUMBERS]
    chosen = [
        float(settings.get(name) == choice)
        for name, choices in CHOICES.items()
        for choice in choices
    ]
    return numbers + chosen


def _with_features(
    own: NDArray[np.float64], settings: Sequence[Mapping[str, Any]], features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Encoded hyperparameters, meta-features, and what follows from both, a row each."""
    lengths = [_lengths(s, f) for s, f in zip(settings, features, strict=True)]
    return np.hstack([own, features, np.array(lengths)])


def _lengths(settings: Mapping[str, Any], features: NDArray[np.float64]) -> tuple[float, float]:
    """Logarithms of the updates of a training and of the way it can go."""
    if any(settings.get(name) is None for name in ("batch_size", "epochs", "learning_rate")):
        return 0.0, 0.0
    n_samples = np.expm1(features[META_FEATURES.index("log_samples")])
    batches = max(np.ceil(n_samples / settings["batch_size"]), 1)
    updates = max(settings["epochs"] * batches, 1)
    speed = settings["learning_rate"] / (1 - (settings.get("momentum") or 0))
    return float(np.log(updates)), float(np.log(max(updates * speed, 1e-12)))
