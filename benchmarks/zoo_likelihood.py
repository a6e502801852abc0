"""Exact log-likelihood of held-out digits: the zoo against Learnergy and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import mean
from types import MappingProxyType
from typing import Any

import torch
from sklearn.neural_network import BernoulliRBM
from torch import Tensor
from zoo_data import (
    SEEDS,
    Parameters,
    binary_digits,
    exact_log_likelihood,
    independent_pixels,
    verdict,
)
from zoo_peers import learnergy_version, trained

import deem.models
from deem.core.solvers import (
    Centring,
    ContrastiveDivergence,
    ExactGradient,
    FastWeights,
    Solver,
)
from deem.samplers.tempered_gibbs import TemperedGibbs

N_HIDDEN, BATCH, EPOCHS = 16, 20, 60

Contender = Callable[[Tensor, int], Parameters]
"""From training rows and a seed to parameters."""

cd = partial(ContrastiveDivergence, learning_rate=0.1, monitor=False)
"""Our contrastive divergence, with Learnergy's learning rate and nothing recorded."""
pcd = partial(cd, persistent=True, fresh=0.0, learning_rate=0.4, scheduler="cosine")
"""Persistent chains, whose noise a falling learning rate averages away."""


def ours(name: str, solver: Callable[[], Solver] = cd, **options: Any) -> Contender:
    """A model of ours; that of a dropout model is the mean network."""

    def fit(data: Tensor, seed: int) -> Parameters:
        cls = getattr(deem.models, name)
        model = cls(data.shape[1], N_HIDDEN, random_state=seed, **options)
        model.fit(data, epochs=EPOCHS, batch_size=BATCH, solver=solver(), random_state=seed)
        return model.eval().coupling(), model.visible_bias, model.hidden_bias

    return fit


def theirs(name: str, scale: float = 1.0, **options: Any) -> Contender:
    """A model of Learnergy."""
    return lambda data, seed: trained(name, data, seed, scale, **options)


def scikit_learn(data: Tensor, seed: int) -> Parameters:
    """PCD-1 of scikit-learn."""
    model = BernoulliRBM(
        N_HIDDEN, learning_rate=0.1, batch_size=BATCH, n_iter=EPOCHS, random_state=seed
    ).fit(data.numpy())
    arrays = (model.components_.T, model.intercept_visible_, model.intercept_hidden_)
    weight, visible, hidden = (torch.from_numpy(x.copy()) for x in arrays)
    return weight, visible, hidden


OTHERS: dict[str, Contender] = {
    "independent pixels": lambda data, seed: independent_pixels(data),
    "scikit-learn BernoulliRBM, PCD-1": scikit_learn,
}

LEARNERGY: dict[str, Contender] = {
    "Learnergy RBM, CD-1": theirs("RBM"),
    "Learnergy RBM, CD-10": theirs("RBM", steps=10),
    "Learnergy DropoutRBM, p=.2": theirs("DropoutRBM", dropout=0.2),
    "Learnergy DropoutRBM, p=.2, W scaled": theirs("DropoutRBM", 0.8, dropout=0.2),
    "Learnergy DropoutRBM, p=.5": theirs("DropoutRBM", dropout=0.5),
    "Learnergy DropoutRBM, p=.5, W scaled": theirs("DropoutRBM", 0.5, dropout=0.5),
    "Learnergy DropConnectRBM, p=.5": theirs("DropConnectRBM", dropout=0.5),
    "Learnergy DropConnectRBM, p=.5, W scaled": theirs("DropConnectRBM", 0.5, dropout=0.5),
    "Learnergy EDropoutRBM": theirs("EDropoutRBM"),
    "Learnergy SigmoidRBM": theirs("SigmoidRBM"),
}

SOLVERS: dict[str, Callable[[], Solver]] = {
    "CD-1": cd,
    "CD-1, Adam": partial(cd, optimizer="adam", learning_rate=0.01),
    "CD-1, centred": lambda: cd(centring=Centring()),
    "CD-10, cosine": partial(cd, steps=10, learning_rate=0.4, scheduler="cosine"),
    "PCD-1, constant rate": partial(pcd, learning_rate=0.1, scheduler=None),
    "PCD-1, cosine": pcd,
    "PCD-1, cosine, centred": lambda: pcd(centring=Centring()),
    "fast-weight PCD-1, cosine": lambda: pcd(fast_weights=FastWeights(0.05)),
    "parallel tempering, cosine": lambda: pcd(sampler=TemperedGibbs()),
    "exact gradient": partial(ExactGradient, tolerance=0.0),
}

OURS: dict[str, Contender] = {
    **{f"RBM, {name}": ours("RBM", solver) for name, solver in SOLVERS.items()},
    "DropoutRBM, p=.2": ours("DropoutRBM", dropout=0.2),
    "DropoutRBM, p=.5": ours("DropoutRBM", dropout=0.5),
    "DropConnectRBM, p=.5": ours("DropConnectRBM", dropout=0.5),
    "EDropoutRBM": ours("EDropoutRBM"),
    "RBM, CD-1, means passed down": ours("RBM", partial(cd, deterministic=True)),
}

TARGETS = {
    "RBM, PCD-1, cosine": -18.6,
    "DropoutRBM, p=.2": -20.3,
    "DropoutRBM, p=.5": -23.0,
    "DropConnectRBM, p=.5": -21.1,
    "EDropoutRBM": -20.5,
}
"""What a model must reach, in nats a digit."""


def measure(
    contenders: dict[str, Contender],
    targets: Mapping[str, float] = MappingProxyType({}),
    *,
    flipped: bool = False,
) -> dict[str, Any]:
    """Test and training log-likelihood of contenders, means over the seeds, in nats a digit."""
    train, test = binary_digits(flipped)
    result = {}
    for name, fit in contenders.items():
        runs = [fit(train, seed) for seed in SEEDS]
        scores = [exact_log_likelihood(run, test) for run in runs]
        result[name] = {
            "test": mean(scores),
            "lowest": min(scores),
            "highest": max(scores),
            "train": mean(exact_log_likelihood(run, train) for run in runs),
        }
        target = targets.get(name)
        told = f" (wanted {target}, {verdict(mean(scores), target)})" if target else ""
        print(
            "  {0:42s} test {test:7.2f} ({lowest:.2f} to {highest:.2f}), training "
            "{train:7.2f}".format(name, **result[name])
            + told,
            flush=True,
        )
    return result


def measure_likelihood() -> dict[str, Any]:
    """Everybody: 16 hidden units, 60 epochs, batches of 20, learning rate .1 if none is named."""
    peers = LEARNERGY if learnergy_version() else {}
    return measure({**OTHERS, **peers, **OURS}, TARGETS)


def measure_flipped() -> dict[str, Any]:
    """Centred and ordinary gradient on digits and on digits whose 0 and 1 are swapped.

    Both begin with visible biases of 0; the centred gradient should not care which is called 1.
    """
    names = ("CD-1", "CD-1, centred", "PCD-1, cosine", "PCD-1, cosine, centred")
    chosen = {f"RBM, {name}": OURS[f"RBM, {name}"] for name in names}
    result = {}
    for flipped, said in ((False, "digits"), (True, "flipped digits")):
        print(f"  {said}:")
        result[said] = measure(chosen, flipped=flipped)
    return result
