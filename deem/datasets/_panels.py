"""Which classifiers vote on each data set, and what each of them is denied."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

__all__ = ["Voter", "breast_cancer_panel", "digits_panel", "wine_panel"]

_PIXELS = np.arange(64).reshape(8, 8)


@dataclass(frozen=True)
class Voter:
    """A classifier that is not trained yet, and the restrictions it trains and votes under.

    Parameters
    ----------
    name : str
        Unique in its panel.
    learner : scikit-learn classifier
        Trained on what the restrictions leave, with a seed of its own.
    features : sequence of int, optional
        Columns that it sees; all by default.
    classes : sequence of int, optional
        Classes that it is trained on, the only ones it can vote for; all by default.
    n_train : int, optional
        Number of training samples, stratified; by default a random 60 % of those allowed.
    silent : float
        Probability of an abstention, whatever the sample.
    unsure : float
        Fraction of the samples, the least sure ones, on which it abstains.
    """

    name: str
    learner: Any
    features: Sequence[int] | NDArray[np.int64] | None = None
    classes: Sequence[int] | None = None
    n_train: int | None = None
    silent: float = 0.0
    unsure: float = 0.0


def digits_panel(rng: np.random.Generator) -> list[Voter]:
    """Twelve voters: few all-rounders, many with few pixels, few classes or few samples."""
    blurred = GaussianNB(var_smoothing=1e-2)
    return [
        Voter("tree of depth 3", _tree(3)),
        Voter("neighbours, 5 random pixels", KNeighborsClassifier(5), _some(rng, 64, 5)),
        Voter("neighbours, top 2 rows", KNeighborsClassifier(3), _PIXELS[:2].ravel()),
        Voter("neighbours, bottom 2 rows", KNeighborsClassifier(3), _PIXELS[6:].ravel()),
        Voter("naive Bayes, 30 % silent", BernoulliNB(binarize=8.0), silent=0.3),
        Voter("LDA, 12 pixels, often unsure", _discriminant(), _some(rng, 64, 12), unsure=0.4),
        Voter("SVM, 80 samples", SVC(gamma=0.001), n_train=80),
        Voter("SVM, only 0 to 4", SVC(gamma=0.001), classes=range(5)),
        Voter("ridge, only 1 2 3 7", RidgeClassifier(10.0), classes=(1, 2, 3, 7)),
        Voter("neighbour, only 4 6 8 9", KNeighborsClassifier(1), classes=(4, 6, 8, 9)),
        Voter("naive Bayes, only 0 1 8", blurred, classes=(0, 1, 8)),
        Voter("tree, only 0 1 2 3", _tree(None), classes=range(4)),
    ]


def breast_cancer_panel(rng: np.random.Generator) -> list[Voter]:
    """Twelve voters: a few good ones among stumps on the least telling measurements."""
    return [
        Voter("stump, texture", _tree(1), (1, 11, 21)),
        Voter("stump, smoothness", _tree(1), (4, 14, 24)),
        Voter("tree, symmetry", _tree(2), (8, 18, 28)),
        Voter("tree, fractal dimension", _tree(2), (9, 19, 29)),
        Voter("neighbour, 2 random features", _scaled(KNeighborsClassifier(1)), _some(rng, 30, 2)),
        Voter("neighbours, 15 samples", _scaled(KNeighborsClassifier(5)), n_train=15),
        Voter("naive Bayes, 3 random features", GaussianNB(), _some(rng, 30, 3)),
        Voter("naive Bayes, 30 % silent", GaussianNB(), range(10, 20), silent=0.3),
        Voter("logistic regression, 10 samples", _scaled(LogisticRegression()), n_train=10),
        Voter("LDA, often unsure", _discriminant(), range(10), unsure=0.4),
        Voter("forest, 30 samples", _forest(), n_train=30),
        Voter("SVM", _scaled(SVC())),
    ]


def wine_panel(rng: np.random.Generator) -> list[Voter]:
    """Twelve voters, of whom three know only two of the three classes."""
    return [
        Voter("stump", _tree(1)),
        Voter("tree, acid and ash", _tree(2), (1, 2, 3)),
        Voter("neighbour, 2 random features", _scaled(KNeighborsClassifier(1)), _some(rng, 13, 2)),
        Voter("neighbours, magnesium and hue", _scaled(KNeighborsClassifier(3)), (4, 10)),
        Voter("naive Bayes, 30 % silent", GaussianNB(), (5, 6, 7, 8), silent=0.3),
        Voter("naive Bayes, 2 random features", GaussianNB(), _some(rng, 13, 2)),
        Voter("logistic regression, 9 samples", _scaled(LogisticRegression()), n_train=9),
        Voter("LDA, often unsure", _discriminant(), (0, 9), unsure=0.4),
        Voter("SVM, only 0 and 1", _scaled(SVC()), classes=(0, 1)),
        Voter("SVM, only 1 and 2", _scaled(SVC()), classes=(1, 2)),
        Voter("ridge, only 0 and 2", _scaled(RidgeClassifier()), classes=(0, 2)),
        Voter("forest, 30 samples", _forest(), (0, 1, 2, 3), n_train=30),
    ]


def _some(rng: np.random.Generator, n_features: int, size: int) -> NDArray[np.int64]:
    return np.sort(rng.choice(n_features, size, replace=False))


def _tree(max_depth: int | None) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=max_depth)


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(20, max_depth=2)


def _discriminant() -> LinearDiscriminantAnalysis:
    # Shrinkage keeps the covariance of nearly constant pixels invertible.
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)


def _scaled(learner: Any) -> Any:  # noqa: ANN401
    return make_pipeline(StandardScaler(), learner)
