"""Consensus without ground truth, by energy-based models."""

from importlib.metadata import version

from deem.estimators.consensus import DEEM, load

__all__ = ["DEEM", "__version__", "load"]

__version__ = version("deem")
