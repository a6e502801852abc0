"""Settings of runs of ensembles, from files and from single assignments."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deem.core.optimizers import OPTIMIZERS, SCHEDULERS
from deem.ensembles import _config_checks as check
from deem.ensembles._given import given_settings
from deem.ensembles.base import DeepEnsemble
from deem.ensembles.classifier import DeepEnsembleClassifier
from deem.ensembles.consensus import AGGREGATORS
from deem.ensembles.joint import MONITORS
from deem.ensembles.learners import LEARNERS
from deem.ensembles.regressor import DeepEnsembleRegressor
from deem.ensembles.schedules import SCHEDULES, named_schedule
from deem.utils.exception import ArgumentError, UnusedParameterWarning
from deem.utils.warning import warn

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["EnsembleConfig", "read_config"]

_HEADLINE_NOISE = 0.3
_DIGITS = ("digits", "digits_images")

_UNIT = check.number("in [0, 1]", lambda x: 0 <= x <= 1)
_BELOW_ONE = check.number("in [0, 1)", lambda x: 0 <= x < 1)
_FACTOR = check.number("in (0, 1]", lambda x: 0 < x <= 1)
_LEARNER = check.choice(LEARNERS)

_CHECKS: dict[str, check.Check] = {
    "data": check.text,
    "data_dir": check.optional(check.text),
    "image_size": check.optional(check.whole(1)),
    "n_train": check.optional(check.size),
    "n_validation": check.optional(check.size),
    "n_test": check.optional(check.size),
    "label_noise": _BELOW_ONE,
    "standardise": check.flag,
    "augment": check.flag,
    "n_workers": check.whole(0),
    "learner": check.one_or_several(_LEARNER),
    "learner_params": check.optional(check.mapping),
    "learners": check.several(_LEARNER),
    "n_learners": check.whole(1),
    "aggregate": check.choice(("score", "prob")),
    "betas": check.several(_UNIT),
    "beta": _UNIT,
    "seeds": check.seeds,
    "reduction": check.choice(("sum", "mean")),
    "learner_dropout": _BELOW_ONE,
    "bootstrap": check.flag,
    "class_weight": check.optional(check.class_weights),
    "optimizer": check.choice(OPTIMIZERS),
    "learning_rate": check.number("above 0", lambda x: x > 0),
    "momentum": _BELOW_ONE,
    "weight_decay": check.number("of at least 0", lambda x: x >= 0),
    "scheduler": check.choice((*SCHEDULERS, *SCHEDULES)),
    "scheduler_gamma": _FACTOR,
    "scheduler_epochs": check.several(check.whole(1), lowest=0),
    "scheduler_patience": check.whole(1),
    "scheduler_factor": _FACTOR,
    "epochs": check.whole(1),
    "batch_size": check.whole(1),
    "early_stopping": check.flag,
    "patience": check.whole(1),
    "monitor": check.choice(MONITORS),
    "device": check.text,
    "n_jobs": check.optional(check.whole(1)),
    "top_k": check.optional(check.whole(1)),
    "n_dropped": check.several(check.whole(0)),
    "aggregators": check.optional(check.several(check.choice(AGGREGATORS))),
    "selection": check.choice(("last", "best")),
    "checkpoint_every": check.whole(1),
}

_OF_ESTIMATOR = (
    *("n_learners", "learner", "learner_params", "reduction", "optimizer", "learning_rate"),
    *("weight_decay", "momentum", "epochs", "batch_size", "learner_dropout", "bootstrap"),
    *("early_stopping", "patience", "monitor", "device"),
)

_OF_CLASSIFIER = ("aggregate", "class_weight")


@dataclass(frozen=True)
class EnsembleConfig:
    """Settings of a run of ensembles between independent and joint training.

    The defaults are a sweep over handwritten digits of which 30 % have wrong training labels.

    Parameters
    ----------
    data : str
        Name of a task or of a layout of images in `deem.datasets`.
    data_dir : str, optional
        Folder of the files of a layout.
    image_size : int, optional
        Height and width in pixels that files of images are scaled to.
    n_train, n_validation, n_test : int or float, optional
        Samples of a part, or fraction of all; by default as the data have it.
    label_noise : float, optional
        Share of the training labels, in [0, 1), that are turned into another class; by default
        0.3 for the digits, and else 0.
    standardise : bool
        Whether features are standardised by the training part.
    augment : bool
        Whether training images are shifted, cropped or mirrored at random.
    n_workers : int
        Processes that read files of images.
    learner : str or list of str
        Names of `deem.ensembles.learners.LEARNERS`; of a list one a learner.
    learner_params : dict, optional
        Further arguments of the learner.
    learners : list of str
        Architectures of a table.
    n_learners : int
        Number of networks.
    aggregate, reduction, learner_dropout, bootstrap
        As in `deem.ensembles.DeepEnsembleClassifier`.
    betas : list of float
        Degrees of joint training of a sweep, in [0, 1].
    beta : float
        The degree that a diagnosis compares with independent training.
    seeds : int or list of int
        An int n stands for 0, ..., n - 1.
    class_weight : "balanced" or dict, optional
        How often samples count, by the codes of the classes, from 0.
    optimizer, learning_rate, momentum, weight_decay
        As in `deem.core.optimizers.make_optimizer`.
    scheduler : str
        A name of `deem.core.optimizers.SCHEDULERS` or of
        `deem.ensembles.schedules.SCHEDULES`.
    scheduler_gamma, scheduler_epochs, scheduler_patience, scheduler_factor
        See `deem.ensembles.schedules.SCHEDULES`.
    epochs, batch_size : int
        Length of the training, and samples a step.
    early_stopping : bool
        Whether a training stops once `monitor` has not improved for `patience` epochs.
    patience : int
        In epochs.
    monitor : str
        Series of the validation samples by which the best epoch is chosen.
    device : str
        "auto", "cpu", "cuda", ...
    n_jobs : int, optional
        Processes that train seeds side by side.
    top_k : int, optional
        For a table: also how often the true class is among the k most probable ones.
    n_dropped : list of int
        For a consensus: numbers of learners that are left out.
    aggregators : list of str, optional
        For a consensus: names of `deem.ensembles.consensus.AGGREGATORS`, by default all.
    selection : {"last", "best"}
        Parameters that are reported: after the last epoch, or where the validation samples were
        best.
    checkpoint_every : int
        Epochs between two states of a running training on the disk.

    Raises
    ------
    ArgumentError
        If a value is out of its range, or two of them do not go together.

    References
    ----------
    .. [1] Jeffares, Liu, Crabbé, van der Schaar (2023), Joint training of deep ensembles fails due
       to learner collusion, NeurIPS.

    Examples
    --------
    >>> EnsembleConfig(n_learners=4).estimator()
    DeepEnsembleClassifier(n_learners=4)
    >>> EnsembleConfig(data="wine").label_noise
    0.0
    """

    data: str = "digits"
    data_dir: str | None = None
    image_size: int | None = None
    n_train: float | None = None
    n_validation: float | None = None
    n_test: float | None = None
    label_noise: float | None = None
    standardise: bool = True
    augment: bool = False
    n_workers: int = 0
    learner: str | tuple[str, ...] = "mlp"
    learner_params: dict[str, Any] | None = None
    learners: tuple[str, ...] = ("mlp", "cnn", "vgg_small", "resnet_small")
    n_learners: int = 8
    aggregate: str = "score"
    betas: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
    beta: float = 1.0
    seeds: int | tuple[int, ...] = 5
    reduction: str = "sum"
    learner_dropout: float = 0.0
    bootstrap: bool = False
    class_weight: str | dict[int, float] | None = None
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    scheduler: str = "none"
    scheduler_gamma: float = 0.2
    scheduler_epochs: tuple[int, ...] = ()
    scheduler_patience: int = 5
    scheduler_factor: float = 0.02
    epochs: int = 60
    batch_size: int = 64
    early_stopping: bool = False
    patience: int = 10
    monitor: str = "val_ensemble_loss"
    device: str = "auto"
    n_jobs: int | None = None
    top_k: int | None = None
    n_dropped: tuple[int, ...] = (0,)
    aggregators: tuple[str, ...] | None = None
    selection: str = "last"
    checkpoint_every: int = 10

    def __post_init__(self) -> None:
        if self.label_noise is None:
            noise = _HEADLINE_NOISE if self.data in _DIGITS else 0.0
            object.__setattr__(self, "label_noise", noise)
        for name, checked in _CHECKS.items():
            object.__setattr__(self, name, checked(name, getattr(self, name)))
        self._check_together()

    def _check_together(self) -> None:
        if not isinstance(self.learner, str) and len(self.learner) != self.n_learners:
            raise ArgumentError(
                f"learner has {len(self.learner)} names, but n_learners={self.n_learners}; name "
                "one a learner, or a single one for all."
            )
        if self.scheduler == "multistep" and not self.scheduler_epochs:
            raise ArgumentError(
                "scheduler='multistep' needs scheduler_epochs, after which the rate falls; pass "
                "some, such as [30, 50]."
            )
        needs = {
            "early_stopping=true": self.early_stopping,
            "scheduler='plateau'": self.scheduler == "plateau",
            "selection='best'": self.selection == "best",
        }
        for setting, holds in needs.items():
            if holds and self.n_validation == 0:
                raise ArgumentError(
                    f"{setting} needs validation samples, but n_validation=0; ask for some."
                )

    @property
    def seed_list(self) -> list[int]:
        """All seeds."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    def estimator(self, regression: bool = False) -> DeepEnsemble:
        """Ensemble of these settings, independently trained and without a seed.

        Parameters
        ----------
        regression : bool
            Whether the targets are real numbers.

        Returns
        -------
        DeepEnsembleClassifier or DeepEnsembleRegressor
        """
        params = {name: getattr(self, name) for name in _OF_ESTIMATOR}
        params["scheduler"] = self._scheduler()
        if not isinstance(self.learner, str):
            params["learner"] = list(self.learner)
        if not regression:
            params |= {name: getattr(self, name) for name in _OF_CLASSIFIER}
            return DeepEnsembleClassifier(**params)
        names = [name for name in _OF_CLASSIFIER if getattr(self, name) != _default(name)]
        _warn(names, "it is for classes, and the targets are real numbers", "leave it out")
        return DeepEnsembleRegressor(**params)

    def _scheduler(self) -> Any:
        if self.scheduler not in SCHEDULES:
            return None if self.scheduler == "none" else self.scheduler
        taken = SCHEDULES[self.scheduler][1]
        values = {name: getattr(self, f"scheduler_{name}") for name in taken}
        if self.scheduler == "plateau":
            values["mode"] = "max" if MONITORS[self.monitor] else "min"
        return named_schedule(self.scheduler, **values)

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON has them."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        plain: dict[str, Any] = json.loads(json.dumps(found))
        return plain

    def save(self, path: str | Path) -> None:
        """Write all settings as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; see `read_config` for settings that a person wrote."""
        return cls(**given_settings(_CHECKS, Path(path)))


def read_config(
    path: str | Path | None = None, overrides: Iterable[str] = (), **defaults: Any
) -> EnsembleConfig:
    """Settings from a file and from single assignments.

    Settings that do nothing beside the others, such as the momentum of adam, give a warning.

    Parameters
    ----------
    path : str or Path, optional
        TOML or JSON, by its ending.
    overrides : iterable of str
        Assignments ``key=value`` that win over the file. Values are those of TOML, and bare words
        are texts, also in a list; ``learner_params.hidden=[32]`` sets one entry of a dict.
    **defaults
        Settings that the file and the assignments may change.

    Returns
    -------
    EnsembleConfig

    Raises
    ------
    ArgumentError
        If the file is damaged, a setting is unknown or has no such value.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> config = read_config(overrides=["learner_params.hidden=[32]", "aggregate=prob"])
    >>> config.learner_params, config.aggregate
    ({'hidden': [32]}, 'prob')
    >>> read_config(overrides=["num_learners=4"])
    Traceback (most recent call last):
    ...
    deem.utils.exception.ArgumentError: setting 'num_learners' is unknown; use n_learners.
    """
    given = given_settings(_CHECKS, None if path is None else Path(path), overrides)
    base = EnsembleConfig(**defaults)
    config = EnsembleConfig(**{**defaults, **given})
    _warn_about_unused(config, base)
    return config


def _default(name: str) -> Any:
    return getattr(EnsembleConfig, name)


def _warn_about_unused(config: EnsembleConfig, base: EnsembleConfig) -> None:
    """Warn of settings that were changed but do nothing beside the others."""
    changed = {name for name in _CHECKS if getattr(config, name) != getattr(base, name)}
    for name in ("gamma", "epochs", "patience", "factor"):
        users = [scheduler for scheduler, (_, taken) in SCHEDULES.items() if name in taken]
        if config.scheduler not in users:
            reason = f"scheduler {config.scheduler} does not use it"
            _warn({f"scheduler_{name}"} & changed, reason, f"choose {' or '.join(users)}")
    if config.optimizer not in ("sgd", "rmsprop"):
        _warn({"momentum"} & changed, f"{config.optimizer} has none", "choose sgd or rmsprop")
    if not config.early_stopping:
        _warn({"patience"} & changed, "nothing stops early", "set early_stopping as well")
    if config.n_validation == 0:
        _warn({"monitor"} & changed, "there are no validation samples", "ask for some")


def _warn(names: Iterable[str], reason: str, cure: str) -> None:
    listed = ", ".join(names)
    if listed:
        warn(f"{listed} set, but {reason}; {cure}.", UnusedParameterWarning)
