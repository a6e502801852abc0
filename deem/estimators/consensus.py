"""`DEEM`: consensus of votes as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deem.core.model import LatentModel
from deem.core.sampler import Sampler
from deem.core.solvers import Solver
from deem.core.votes import Votes
from deem.estimators.base import ConsensusEstimator
from deem.estimators.fitting import learn

__all__ = ["DEEM", "load"]


class DEEM(ConsensusEstimator):
    """True labels from the votes of classifiers, annotators or judges, without ground truth.

    An inverse RBM is fitted to the votes, or a relative of it that allows for what classifiers
    have in common: its hidden unit is the true class. Which one, the votes decide. With one hidden
    unit training is exact and takes milliseconds; contrastive divergence is there as well.

    ``None`` for a hyperparameter means the value named here.

    Parameters
    ----------
    n_classes : int, optional
        Number of classes, labels 0..n_classes-1; None takes the distinct labels, of any type.
    hidden_dim : int
        Hidden units; the class is the first.
    cd_k : int
        Gibbs sweeps between two updates of contrastive divergence.
    deterministic : bool
        Whether contrastive divergence propagates probabilities in place of draws; persistent
        chains, "gwg", "dlp" and a `sampler` object always draw.
    learning_rate, momentum, epochs, batch_size : optional
        With layers, which start at the exact inverse RBM, 30 epochs are the default.
        Of contrastive divergence: 0.001, 0.9, 100, 128.
    device : str
        "auto", or a torch device. "auto" takes a GPU for contrastive divergence only.
    random_state : None, int, numpy or torch generator
        Source of every draw; an int gives the same result each time.
    init_method : {"shares", "mv_rand", "mv_lo", "mv", "rand"}, optional
        Start of the training, see `deem.models.initialization.initialise`: "shares" for the exact
        solvers and for layers, "mv_rand" for contrastive divergence.
    use_weighted : bool
        Whether a start from the majority vote weighs classifiers by their agreement with it.
    auto_hyperparameters : bool
        Choose the start, and for contrastive divergence batch size, epochs, learning rate,
        momentum and schedule, by what the votes look like, where they are None.
    model_dir : path, optional
        Folder with a table of measured trainings of your own for that, see
        `deem.selection.hyperparameters`.
    use_preprocessing : bool
        Whether multinomial layers stand between the votes and the class, see
        `deem.models.MultinomialIRBM`. They learn what classifiers have in common.
    preprocessing_layers : int, optional
        How many layers, as wide as there are classifiers: 1.
    preprocessing_layer_widths : sequence of int, optional
        Outputs of each layer in their place.
    preprocessing_activation : str, optional
        "sparsemax" (the default), "entmax", "ultramax" or "softmax", which give probabilities, or
        "relu", "gelu" or "silu", which do not.
    preprocessing_init : {"identity", "rand", "mv", "default"}
        Start of the layers: "identity" copies, repeats or averages the nearest classifiers; "mv"
        counts votes; "rand" is N(0, 1); "default" that of `torch.nn.Linear`.
    preprocessing_one_hot : bool
        Whether layers give one class each: a Gumbel-softmax draw at temperature 0.1 in training,
        with straight-through gradients, and the most probable class afterwards.
    preprocessing_use_softmax : bool
        Whether there is an activation at all.
    preprocessing_jitter : float
        Standard deviation of the noise on "identity".
    sampler_steps : int
        Steps of "gwg", "dlp" or a `sampler` object between two updates.
    sampler_oh_mode : bool
        Whether their chains start at one-hot draws of the votes. Hard votes are one-hot as they
        are, and for soft votes it is set by itself.
    solver : {"auto", "exact", "cd", "pcd"} or Solver
        "auto" is exact wherever the sums are small, "cd" contrastive divergence, "pcd" its
        persistent form. With layers "auto" is "cd", with `sampler` "gwg" or "dlp" and none "pcd".
    sampler : {"auto", "gibbs", "gwg", "dlp"} or Sampler
        What moves the chains: Gibbs sweeps, `GibbsWithGradients`, `DiscreteLangevin`; "auto" is
        "dlp" behind layers and else "gibbs".
    optimizer, scheduler
        Of contrastive divergence, see `deem.core.optimizers`; no schedule by default, and
        "cosine" with layers.
    weight_decay : float
        Of contrastive divergence.
    class_prior : (n_classes,), optional
        Known class frequencies, in the order of ``classes_``.
    selection : {"auto", "deep"} or None
        "auto" chooses the model by label-free evidence, see `deem.selection.rule.decide`, where
        `model`, `model_params`, `hidden_dim`, `init_method` and `n_restarts` have their defaults
        and `solver` is exact. "deep" lets a model with layers compete as well, which takes
        seconds. None takes the inverse RBM.
    n_restarts : int, optional
        Trainings, those after the first from "mv_rand" where the start is "shares" or "mv"; the
        one with the best likelihood is kept: 1.
    n_jobs : int, optional
        Threads for the restarts and for the candidates of the selection: 1.
    model : str, LatentModel class or instance, optional
        A name of `deem.models.MODELS` or a model of one's own, in place of selection. A class is
        built as ``model(n_classifiers=, n_classes=, **model_params)``, an instance is copied and
        starts from its parameters unless `init_method` is set.
    model_params : dict, optional
        Further constructor arguments of `model`.
    verbose : bool
        Show a progress bar, and what was chosen for the votes.

    Attributes
    ----------
    classes_ : (n_classes,)
        Label names.
    classifiers_ : (n_classifiers,)
        Names of the classifiers, else 0..n_classifiers-1.
    labels_ : (n_samples,)
        Consensus of the training votes.
    probas_ : (n_samples, n_classes)
        Their probabilities.
    skills_ : (n_classifiers,)
        Estimated accuracy of each classifier, in [0, 1].
    confusion_ : (n_classifiers, n_classes, n_classes)
        Estimated probability of each vote (last axis) given the class (second axis).
    class_map_ : (n_classes,)
        Class of each hidden state, found once in ``fit``.
    model_ : LatentModel
        The trained model.
    history_ : History
        Its training.
    skills_std_, confusion_std_ : (n_classifiers,), (n_classifiers, n_classes, n_classes)
        Their standard deviations.
    expected_accuracy_ : float
        Mean probability of the consensus labels, in [0, 1].
    health_ : dict
        converged, n_iter, empty_samples, votes_per_classifier, class_use (share of the samples
        given to each class), warnings, and all else that is worth a look, see
        `deem.estimators.examination`.
    calibration_ : dict or None
        What tempers the posterior of the model, see `deem.selection.calibration.Calibration`.
    selection_ : dict or None
        The chosen model, the reason, and the scores of all candidates, which
        `deem.selection.report.table` prints; None without selection.
    n_classes_, n_classifiers_, n_features_in_ : int
        Sizes; ``n_features_in_`` is the number of classifiers.

    References
    ----------
    .. [1] Maymon, Buznah, Shaham (2026), Unsupervised ensemble learning through deep energy-based
       models, arXiv:2601.20556.
    .. [2] Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the
       EM algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> from deem import DEEM
    >>> votes = np.array([[0, 0, 1], [1, 1, 1], [2, 2, 0], [0, 0, 0], [1, -1, 1], [2, 2, 2]])
    >>> DEEM().fit_predict(votes)
    array([0, 1, 2, 0, 1, 2])
    """

    def __init__(
        self,
        n_classes: int | None = None,
        hidden_dim: int = 1,
        cd_k: int = 10,
        deterministic: bool = True,
        learning_rate: float | None = None,
        momentum: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        random_state: Any = None,
        init_method: str | None = None,
        use_weighted: bool = True,
        auto_hyperparameters: bool = False,
        model_dir: str | None = None,
        use_preprocessing: bool = False,
        preprocessing_layers: int | None = None,
        preprocessing_layer_widths: Sequence[int] | None = None,
        preprocessing_activation: str | None = None,
        preprocessing_init: str = "identity",
        preprocessing_one_hot: bool = False,
        preprocessing_use_softmax: bool = True,
        preprocessing_jitter: float = 0.005,
        sampler_steps: int = 5,
        sampler_oh_mode: bool = False,
        solver: str | Solver = "auto",
        sampler: str | Sampler = "auto",
        optimizer: str | Callable = "sgd",
        scheduler: str | Callable | None = None,
        weight_decay: float = 0.0,
        class_prior: Sequence[float] | None = None,
        selection: str | None = "auto",
        n_restarts: int | None = None,
        n_jobs: int | None = None,
        model: str | LatentModel | type[LatentModel] | None = None,
        model_params: dict[str, Any] | None = None,
        verbose: bool = False,
    ):
        self.n_classes = n_classes
        self.hidden_dim = hidden_dim
        self.cd_k = cd_k
        self.deterministic = deterministic
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.epochs = epochs
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state
        self.init_method = init_method
        self.use_weighted = use_weighted
        self.auto_hyperparameters = auto_hyperparameters
        self.model_dir = model_dir
        self.use_preprocessing = use_preprocessing
        self.preprocessing_layers = preprocessing_layers
        self.preprocessing_layer_widths = preprocessing_layer_widths
        self.preprocessing_activation = preprocessing_activation
        self.preprocessing_init = preprocessing_init
        self.preprocessing_one_hot = preprocessing_one_hot
        self.preprocessing_use_softmax = preprocessing_use_softmax
        self.preprocessing_jitter = preprocessing_jitter
        self.sampler_steps = sampler_steps
        self.sampler_oh_mode = sampler_oh_mode
        self.solver = solver
        self.sampler = sampler
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.weight_decay = weight_decay
        self.class_prior = class_prior
        self.selection = selection
        self.n_restarts = n_restarts
        self.n_jobs = n_jobs
        self.model = model
        self.model_params = model_params
        self.verbose = verbose

    def fit(
        self,
        predictions: Any,
        y: Any = None,
        *,
        labels: Any = None,
        sample_weight: Any = None,
        gold: Any = None,
        confusion_prior: Any = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        verbose: bool | None = None,
    ) -> DEEM:
        """Learn from votes.

        Parameters
        ----------
        predictions : votes in any form
            See `deem.core.reading.read_votes`: (n_samples, n_classifiers) labels with -1 or NaN
            for a missing vote, (n_samples, n_classes, n_classifiers) probabilities, data frames,
            sparse matrices, Votes.
        y, labels : (n_samples,), optional
            True labels, by either name, only to record the accuracy of each epoch in
            ``history_``; they never enter the training.
        sample_weight : (n_samples,), optional
            How often each sample counts, at least 0.
        gold : (n_samples,), optional
            Labels known for certain, -1, NaN or None where unknown; the exact solvers learn from
            them, and ``labels_`` and ``probas_`` hold them.
        confusion_prior : (n_classifiers, n_classes, n_classes), optional
            Votes of each classifier known beforehand, true class by vote, for example
            ``20 * earlier.confusion_``.
        epochs, learning_rate, batch_size, verbose : optional
            In place of the parameters of the same names, for this call.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError
            If the votes or a parameter are invalid; the estimator is left as it was.
        """
        given = {"sample_weight": sample_weight, "gold": gold, "confusion_prior": confusion_prior}
        given |= {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
        self._fit(predictions, y, labels, verbose=verbose, **given)
        return self

    def _learn(
        self, params: dict[str, Any], predictions: Any, truth: Any, **known: Any
    ) -> tuple[Votes, dict[str, Any]]:
        return learn(params, predictions, truth, **known)


def load(path: str | Path) -> DEEM:
    """Build a `DEEM` from a file that its ``save`` wrote."""
    return DEEM().load(path)
