"""Errors of classifiers of digits on five folds: discriminative RBMs and fine-tuned nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from zoo_data import verdict

import deem.models
from deem.core.dataset import Dataset
from deem.core.solvers import ConditionalLikelihood, HybridDivergence, Solver
from deem.models import DBN, DBNClassifier

Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From training rows, their labels and test rows to labels of these."""


def logistic_regression(data: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The yardstick: scikit-learn's defaults on pixels in [0, 1]."""
    return LogisticRegression(max_iter=1000).fit(data, labels).predict(test)


def joint_rbm(name: str, n_hidden: int, solver: Callable[[], Solver]) -> Learner:
    """An RBM over pixels and the class: 60 epochs of Adam in batches of 32, rate falling to 0."""

    def learn(data: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        model = getattr(deem.models, name)(data.shape[1], n_hidden, n_classes=10, random_state=0)
        rows = Dataset(torch.from_numpy(data), torch.from_numpy(labels))
        model.fit(rows, epochs=60, batch_size=32, solver=solver(), random_state=0)
        return model.predict(torch.from_numpy(test)).numpy()

    return learn


def fine_tuned(epochs: int) -> Learner:
    """A DBN of 256 - 128 units: so many epochs of CD-1 a layer, then its classifier."""

    def learn(data: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        rows, targets = torch.from_numpy(data), torch.from_numpy(labels)
        net = DBN.of("RBM", data.shape[1], [256, 128])
        net.fit(rows, epochs=epochs, batch_size=16, learning_rate=0.2, random_state=0)
        model = DBNClassifier(net, n_classes=10, dropout=0.2)
        model.fit(rows, targets, random_state=0)
        return model.predict(torch.from_numpy(test)).numpy()

    return learn


LEARNERS: dict[str, Learner] = {
    "logistic regression": logistic_regression,
    "DiscriminativeRBM, 200 hidden": joint_rbm(
        "DiscriminativeRBM", 200, lambda: ConditionalLikelihood(0.01, scheduler="cosine")
    ),
    "HybridDiscriminativeRBM, 100 hidden": joint_rbm(
        "HybridDiscriminativeRBM",
        100,
        lambda: HybridDivergence(0.01, learning_rate=0.01, scheduler="cosine"),
    ),
    "DBN, 256 - 128, fine-tuned": fine_tuned(20),
    "DBN, 256 - 128, not pre-trained": fine_tuned(0),
}

TARGETS = {
    "DiscriminativeRBM, 200 hidden": 3.0,
    "HybridDiscriminativeRBM, 100 hidden": 2.5,
    "DBN, 256 - 128, fine-tuned": 2.5,
}
"""Largest error in %."""


def error(learner: Learner, n_folds: int = 5) -> float:
    """Share of digits, in %, that are wrong when their fold is left out."""
    data, labels = load_digits(return_X_y=True)
    data = (data / 16).astype(np.float32)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(data, labels)
    wrong = sum(
        int((learner(data[train], labels[train], data[test]) != labels[test]).sum())
        for train, test in folds
    )
    return 100 * wrong / len(labels)


def measure_classify() -> dict[str, Any]:
    """Every learner on the same five shuffled, stratified folds."""
    result = {}
    for name, learner in LEARNERS.items():
        found = result[name] = error(learner)
        target = TARGETS.get(name)
        told = f" (wanted <= {target}, {verdict(found, target, False)})" if target else ""
        print(f"  {name:42s} error {found:5.2f} %{told}", flush=True)
    return result
