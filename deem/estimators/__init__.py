"""scikit-learn estimators on top of the models."""

from deem.estimators.baselines import GLAD, DawidSkene, MajorityVote, OneCoin
from deem.estimators.consensus import DEEM
from deem.estimators.transformers import RBMTransformer

__all__ = ["DEEM", "GLAD", "DawidSkene", "MajorityVote", "OneCoin", "RBMTransformer"]
