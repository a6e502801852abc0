"""Errors of classifiers of digits on five folds: discriminative RBMs and fine-tuned nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From training rows, their labels and test rows to labels of these."""


def logistic_regression(data: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The yardstick: scikit-learn's defaults on pixels in [0, 1]."""
    return LogisticRegression(max_iter=1000).fit(data, labels).predict(test)


LEARNERS: dict[str, Learner] = {"logistic regression": logistic_regression}

TARGETS: dict[str, float] = {}
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
        print(f"  {name:42s} error {found:5.2f} %", flush=True)
    return result
