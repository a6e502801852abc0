"""scikit-learn estimators on top of the models."""

from deem.estimators.consensus import DEEM

__all__ = ["DEEM"]
