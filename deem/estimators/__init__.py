"""scikit-learn estimators on top of the models."""

from deem.estimators.baselines import GLAD, DawidSkene, MajorityVote, OneCoin
from deem.estimators.classifiers import RBMClassifier
from deem.estimators.consensus import DEEM
from deem.estimators.transformers import DBNTransformer, RBMTransformer

__all__ = [
    "DEEM",
    "GLAD",
    "DBNTransformer",
    "DawidSkene",
    "MajorityVote",
    "OneCoin",
    "RBMClassifier",
    "RBMTransformer",
]
