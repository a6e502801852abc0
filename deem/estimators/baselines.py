"""Baselines under the contract of `DEEM`: majority vote, Dawid-Skene, one-coin and GLAD."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from deem.core.dataset import Dataset
from deem.core.solvers import ExactEM
from deem.core.votes import Votes
from deem.estimators.alignment import Reference
from deem.estimators.base import ConsensusEstimator
from deem.estimators.building import as_numbers
from deem.estimators.fitting import trained_state, training_votes
from deem.estimators.likelihood import mean_log_likelihood
from deem.estimators.plan import Plan
from deem.estimators.state import fitted_state, read_known
from deem.estimators.truth import gold_codes, truth_codes
from deem.math.random import as_generator
from deem.math.vote import break_ties, vote_shares
from deem.models.consensus import ConsensusModel
from deem.models.difficulty import DifficultyIRBM
from deem.models.irbm import SoftIRBM
from deem.models.one_coin import OneCoinIRBM
from deem.models.pseudo_counts import PseudoCounts
from deem.utils.exception import ArgumentError, check_choice

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GLAD", "Baseline", "DawidSkene", "MajorityVote", "OneCoin"]

_SMOOTHING = 0.01
"""Votes added to every cell of a confusion, so that none is impossible."""


class Baseline(ConsensusEstimator):
    """What the baselines share: how they are fitted, and what ``fit`` leaves behind.

    Attributes
    ----------
    classes_, classifiers_, labels_, probas_, skills_, confusion_, class_map_, model_, history_, \
health_, n_classes_, n_classifiers_, n_features_in_
        As in `deem.DEEM`.
    """

    def fit(
        self,
        predictions: Any,
        y: Any = None,
        *,
        labels: Any = None,
        sample_weight: Any = None,
        gold: Any = None,
    ) -> Self:
        """Learn from votes.

        Parameters
        ----------
        predictions : votes in any form
            See `deem.core.reading.read_votes`.
        y, labels : (n_samples,), optional
            True labels, by either name, only to record the accuracy in ``history_``.
        sample_weight : (n_samples,), optional
            How often each sample counts, at least 0.
        gold : (n_samples,), optional
            Labels known for certain, -1, NaN or None where unknown.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError
            If the votes or a parameter are invalid; the estimator is left as it was.
        """
        self._fit(predictions, y, labels, sample_weight=sample_weight, gold=gold)
        return self

    def _learn(
        self,
        params: dict[str, Any],
        predictions: Any,
        truth: Any,
        **known: Any,
    ) -> tuple[Votes, dict[str, Any]]:
        votes = training_votes(predictions, params["n_classes"], known.get("sample_weight"))
        gold = known.get("gold")
        codes = None if gold is None else gold_codes(votes, gold)
        return votes, self._state(params, votes, truth, codes)

    @abstractmethod
    def _state(
        self, params: dict[str, Any], votes: Votes, truth: Any, gold: NDArray[np.int64] | None
    ) -> dict[str, Any]:
        """Fitted attributes by name."""


class MajorityVote(Baseline):
    """The class with most votes; its probabilities are the fractions of the vote.

    A soft vote counts in parts. A sample without votes has the frequencies of the classes in the
    majority vote.

    ``labels_`` and ``fit_predict`` break ties by a seeded draw. ``predict``, which must give a
    row the same answer alone or among others, takes the first tied class of ``classes_``.

    ``model_`` holds the confusions counted against the vote, where Dawid and Skene start; it gives
    ``skills_``, ``confusion_`` and the log-likelihood of ``score``.

    Parameters
    ----------
    n_classes : int, optional
        Number of classes, labels 0..n_classes-1; None takes the distinct labels, of any type.
    random_state : None, int, numpy or torch generator
        Source of the draws among tied classes.

    Examples
    --------
    >>> from deem.estimators import MajorityVote
    >>> fitted = MajorityVote(random_state=0).fit([[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0]])
    >>> fitted.labels_
    array([0, 1, 1, 0])
    >>> fitted.probas_[0].round(2)
    array([0.67, 0.33])
    """

    def __init__(self, n_classes: int | None = None, random_state: Any = None):
        self.n_classes = n_classes
        self.random_state = random_state

    def _state(
        self, params: dict[str, Any], votes: Votes, truth: Any, gold: NDArray[np.int64] | None
    ) -> dict[str, Any]:
        reference = Reference.of(votes, gold, named=True)
        model = _counted(votes, reference.shares)
        model.history.append(log_likelihood=mean_log_likelihood(model, Dataset(votes)))
        fractions = _fractions(model, votes)
        state = fitted_state(model, votes, reference, gold=gold, probas=fractions)
        seed = as_generator(params["random_state"]).initial_seed()
        codes = break_ties(vote_shares(state["probas_"]), seed)
        if truth is not None:
            model.history.amend(accuracy=float((codes == truth_codes(votes, truth)).mean()))
        return state | {"labels_": votes.classes[codes]}

    def _posterior(self, votes: Votes) -> NDArray[np.float64]:
        return _fractions(self.model_, votes)


def _counted(votes: Votes, shares: NDArray[np.float64]) -> SoftIRBM:
    """Model whose confusions are the votes counted against shares (n_samples, n_classes)."""
    d, k = votes.n_classifiers, votes.n_classes
    model = SoftIRBM(d, k, pseudo_counts=_smoothing(k)).double()
    model.prepare(Dataset(votes))
    mass = shares if votes.weights is None else shares * votes.weights[:, None]
    counts = (votes.matrix().T @ mass).reshape(d, k, k)
    model.m_step(torch.from_numpy(counts), torch.from_numpy(mass.sum(0)))
    return model


def _fractions(model: Any, votes: Votes) -> NDArray[np.float64]:
    """Fractions of the vote (n_samples, n_classes); the prior of the model without votes."""
    counts = votes.vote_counts()
    counts[votes.empty_rows()] = model.class_tables()[0].cpu().numpy()
    return counts / counts.sum(1, keepdims=True)


def _smoothing(n_classes: int) -> PseudoCounts:
    return PseudoCounts(0, _SMOOTHING * n_classes, 0, 0, 0)


class _Trained(Baseline):
    """A baseline that is a model trained by EM from the shares of the vote."""

    _model_class: ClassVar[type[ConsensusModel]]

    def _arguments(self, params: dict[str, Any], n_classes: int) -> dict[str, Any]:
        """Further constructor arguments of the model."""
        return {}

    def _state(
        self, params: dict[str, Any], votes: Votes, truth: Any, gold: NDArray[np.int64] | None
    ) -> dict[str, Any]:
        passes, prior = params["max_passes"], params["class_prior"]
        if not isinstance(passes, Integral) or passes < 1:
            raise ArgumentError(f"max_passes={passes!r}; it must be an integer of at least 1.")
        model = self._model_class(
            votes.n_classifiers,
            votes.n_classes,
            class_prior=_class_prior(prior, votes.n_classes),
            **self._arguments(params, votes.n_classes),
        ).double()
        model.start_from_shares(votes, as_generator(0))
        # A prior other than the uniform one speaks of the classes by name.
        named = not (prior is None or isinstance(prior, str))
        plan = Plan(model, ExactEM(params["tolerance"]), None, int(passes), votes.n_samples)
        reference = Reference.of(votes, gold, named=named)
        return trained_state(plan, votes, reference, truth, gold=gold, random_state=0)


def _class_prior(given: Any, n_classes: int) -> Any:
    if isinstance(given, str):
        check_choice("class_prior", given, ("uniform",))
        return np.full(n_classes, 1 / n_classes)
    return None if given is None else as_numbers("class_prior", given)


class DawidSkene(_Trained):
    """The method of Dawid and Skene: a confusion of its own for each classifier, by plain EM.

    It starts from the fractions of the vote. Nothing but 0.01 votes in every cell of a confusion
    keeps it from the maximum of the likelihood; `deem.DEEM` is the same model with a prior.

    Parameters
    ----------
    n_classes : int, optional
        Number of classes, labels 0..n_classes-1; None takes the distinct labels, of any type.
    class_prior : (n_classes,), "uniform" or None
        Known class frequencies, in the order of ``classes_``; None estimates them.
    tolerance : float
        Stop when the objective changes by at most this much, in nats a sample.
    max_passes : int
        Passes over the votes at most.

    References
    ----------
    .. [1] Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the
       EM algorithm, Applied Statistics 28.

    Examples
    --------
    >>> from deem.estimators import DawidSkene
    >>> votes = [[0, 0, 1], [1, 1, 1], [2, 2, 0], [0, 0, 0], [1, -1, 1], [2, 2, 2]]
    >>> DawidSkene().fit_predict(votes)
    array([0, 1, 2, 0, 1, 2])
    """

    _model_class = SoftIRBM

    def __init__(
        self,
        n_classes: int | None = None,
        class_prior: Sequence[float] | str | None = None,
        tolerance: float = 1e-4,
        max_passes: int = 500,
    ):
        self.n_classes = n_classes
        self.class_prior = class_prior
        self.tolerance = tolerance
        self.max_passes = max_passes

    def _arguments(self, params: dict[str, Any], n_classes: int) -> dict[str, Any]:
        return {"pseudo_counts": _smoothing(n_classes)}


class OneCoin(_Trained):
    """One accuracy for each classifier, with errors spread evenly over the other classes.

    The model is `deem.models.one_coin.OneCoinIRBM`. With K classes it has K (K - 1) times fewer
    numbers than `DawidSkene`: the better choice for classifiers with few votes, and the worse one
    where errors have a direction.

    Parameters
    ----------
    n_classes : int, optional
        Number of classes, labels 0..n_classes-1; None takes the distinct labels, of any type.
    class_prior : (n_classes,), "uniform" or None
        Known class frequencies, in the order of ``classes_``; None estimates them, which pays
        where one class is far more frequent than the others.
    tolerance : float
        Stop when the objective changes by at most this much, in nats a sample.
    max_passes : int
        Passes over the votes at most.

    Examples
    --------
    >>> from deem.estimators import OneCoin
    >>> votes = [[0, 0, 1], [1, 1, 1], [2, 2, 0], [0, 0, 0], [1, -1, 1], [2, 2, 2]]
    >>> OneCoin().fit_predict(votes)
    array([0, 1, 2, 0, 1, 2])
    """

    _model_class = OneCoinIRBM

    def __init__(
        self,
        n_classes: int | None = None,
        class_prior: Sequence[float] | str | None = "uniform",
        tolerance: float = 1e-4,
        max_passes: int = 500,
    ):
        self.n_classes = n_classes
        self.class_prior = class_prior
        self.tolerance = tolerance
        self.max_passes = max_passes


class GLAD(_Trained):
    """One ability for each classifier and one difficulty for each sample.

    The model is `deem.models.difficulty.DifficultyIRBM`, whose description says what differs from
    the published method: the difficulty is summed out in place of being estimated.

    Parameters
    ----------
    n_classes : int, optional
        Number of classes, labels 0..n_classes-1; None takes the distinct labels, of any type.
    n_levels : int
        Levels of difficulty, at least 1.
    spread : float
        Standard deviation of the logarithm of the difficulty, at least 0.
    class_prior, tolerance, max_passes
        As in `OneCoin`.

    References
    ----------
    .. [1] Whitehill, Ruvolo, Wu, Bergsma, Movellan (2009), Whose vote should count more: optimal
       integration of labels from labelers of unknown expertise, NIPS.

    Examples
    --------
    >>> from deem.estimators import GLAD
    >>> votes = [[0, 0, 0], [1, 1, 1], [2, 0, 1], [0, 0, 0], [1, 1, 1], [2, 2, 2]]
    >>> fitted = GLAD().fit(votes)
    >>> int(fitted.difficulty(votes).argmax())
    2
    """

    _model_class = DifficultyIRBM

    def __init__(
        self,
        n_classes: int | None = None,
        n_levels: int = 5,
        spread: float = 1.0,
        class_prior: Sequence[float] | str | None = "uniform",
        tolerance: float = 1e-4,
        max_passes: int = 500,
    ):
        self.n_classes = n_classes
        self.n_levels = n_levels
        self.spread = spread
        self.class_prior = class_prior
        self.tolerance = tolerance
        self.max_passes = max_passes

    def _arguments(self, params: dict[str, Any], n_classes: int) -> dict[str, Any]:
        return {"n_levels": params["n_levels"], "spread": params["spread"]}

    def difficulty(self, predictions: Any) -> NDArray[np.float64]:
        """Difficulty of samples, found without labels.

        Parameters
        ----------
        predictions : votes in any form
            By the classifiers of ``fit``.

        Returns
        -------
        (n_samples,)
            Posterior mean of its logarithm; 0 is usual, above it is harder.
        """
        votes = read_known(self, predictions)
        model: Any = self.model_
        return model.difficulty(votes).cpu().numpy()
