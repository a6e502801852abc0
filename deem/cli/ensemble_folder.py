"""From a request on the command line to settings, data and a folder for the results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from deem.cli.ensemble_data import Source, check_data
from deem.cli.results import check_folder
from deem.core.devices import as_device
from deem.core.splits import Splits
from deem.core.training import Callback
from deem.ensembles.base import DeepEnsemble, learner_factory
from deem.ensembles.config import EnsembleConfig, read_config
from deem.utils.exception import ArgumentError, UnusedParameterWarning
from deem.utils.warning import warn

__all__ = ["KeepConfig", "Prepared", "Request", "prepare"]

_FILE = "config.json"

_FREE = {
    *("betas", "beta", "seeds", "learners", "n_dropped", "aggregators", "top_k", "selection"),
    *("n_jobs", "n_workers", "device", "checkpoint_every"),
}
"""Settings that results in one folder may differ in."""


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Parameters
    ----------
    config : Path, optional
        File of settings.
    settings : tuple of str
        Assignments that win over the file.
    tag : str, optional
        Name of the folder of the results.
    out : Path
        Where that folder lies.
    verbose : bool
        Whether a progress bar is shown.
    """

    config: Path | None = None
    settings: tuple[str, ...] = ()
    tag: str | None = None
    out: Path = Path("results")
    verbose: bool = False


@dataclass(frozen=True)
class Prepared:
    """What a command works with.

    Parameters
    ----------
    config : EnsembleConfig
        Checked settings.
    source : Source
        From a seed to its data.
    splits : Splits
        Data of the first seed.
    estimator : DeepEnsemble
        Of the settings.
    folder : Path
        For the results; not made yet.
    """

    config: EnsembleConfig
    source: Source
    splits: Splits
    estimator: DeepEnsemble
    folder: Path

    @property
    def loss(self) -> str:
        """What the learners are trained for, "ce" or "mse"."""
        return "mse" if self.splits.classes is None else "ce"

    def save_config(self) -> None:
        """Write the settings, with all betas and seeds that the folder has had so far."""
        path = self.folder / _FILE
        config = self.config
        if path.is_file():
            before = EnsembleConfig.load(path)
            betas = tuple(sorted({*before.betas, *config.betas}))
            if set(before.seed_list) > set(config.seed_list):
                config = replace(config, seeds=before.seeds)
            elif not set(before.seed_list) <= set(config.seed_list):
                seeds = tuple(sorted({*before.seed_list, *config.seed_list}))
                config = replace(config, seeds=seeds)
            config = replace(config, betas=betas)
        config.save(path)


class KeepConfig(Callback):
    """Write the settings as soon as the folder of a sweep is there.

    Parameters
    ----------
    prepared : Prepared
        They are its settings.
    """

    def __init__(self, prepared: Prepared):
        self.prepared = prepared

    def on_start(self, training: Any) -> None:
        self.prepared.save_config()


def prepare(
    request: Request,
    tag: str,
    unused: Sequence[str],
    needs_classes: bool = False,
    learners: bool = False,
    **defaults: Any,
) -> Prepared:
    """Check everything that can be checked before a training starts.

    Parameters
    ----------
    request : Request
        Of the user.
    tag : str
        First word of the folder unless it has a name.
    unused : sequence of str
        Settings that the command does not use.
    needs_classes : bool
        Whether the command is about classifiers.
    learners : bool
        Whether the command compares several architectures.
    **defaults
        Of the settings.

    Raises
    ------
    ArgumentError
        If settings are wrong, or the folder holds something else.
    OSError
        If a file cannot be read, or the folder cannot be written to.
    """
    config = read_config(request.config, request.settings, **defaults)
    _warn_about_unused(config, EnsembleConfig(**defaults), unused)
    check_data(config)
    as_device(config.device)
    named = _default_tag(tag, config, learners) if request.tag is None else request.tag
    folder = request.out / _checked_tag(named)
    check_folder(folder)
    _check_settings(folder, config)
    source = Source(config)
    splits = source(config.seed_list[0])
    if needs_classes and splits.classes is None:
        raise ArgumentError(f"data='{config.data}' is a regression; choose data with classes.")
    estimator = config.estimator(regression=splits.classes is None)
    for learner in config.learners if learners else [config.learner]:
        _check_learner(learner, None if learners else config.learner_params, splits)
    return Prepared(config, source, splits, estimator, folder)


def _warn_about_unused(
    config: EnsembleConfig, base: EnsembleConfig, unused: Sequence[str]
) -> None:
    names = [name for name in unused if getattr(config, name) != getattr(base, name)]
    if names:
        text = f"{', '.join(names)} set, but this command does not use it; leave it out."
        warn(text, UnusedParameterWarning)


def _default_tag(first: str, config: EnsembleConfig, learners: bool) -> str:
    names = [config.learner] if isinstance(config.learner, str) else sorted(set(config.learner))
    return "_".join([first, config.data, *([] if learners else names)])


def _checked_tag(tag: str) -> str:
    if not re.fullmatch(r"\w[\w.,=+ -]*", tag):
        raise ArgumentError(
            f"tag={tag!r}; expected a name of letters, digits and the signs . , = + - _, which "
            "does not begin with one of them."
        )
    return tag


def _check_settings(folder: Path, config: EnsembleConfig) -> None:
    """Raise if a folder has results of settings that are not free."""
    path = folder / _FILE
    if not path.is_file():
        return
    before, now = EnsembleConfig.load(path).to_dict(), config.to_dict()
    unlike = [name for name in now if name not in _FREE and now[name] != before[name]]
    if unlike:
        listed = ", ".join(f"{name} ({before[name]!r})" for name in unlike)
        raise ArgumentError(
            f"folder='{folder}' holds results of other {listed}; set what it has, or choose "
            "another --tag."
        )


def _check_learner(learner: Any, params: Any, splits: Splits) -> None:
    """Build a network of every name, so that its errors come before the training."""
    shape = splits.sample_shape
    n_outputs = splits.target_size if splits.classes is None else len(splits.classes)
    names = [learner] if isinstance(learner, str) else list(learner)
    with torch.random.fork_rng(devices=[]):
        for make in learner_factory(names, shape, n_outputs, params):
            make()
