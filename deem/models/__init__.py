"""Published models, one a file, and the one dictionary of their names."""

from deem.core.model import Model
from deem.models.irbm import BinaryIRBM, SoftIRBM

__all__ = ["MODELS", "BinaryIRBM", "SoftIRBM"]

MODELS: dict[str, type[Model]] = {
    "BinaryIRBM": BinaryIRBM,
    "SoftIRBM": SoftIRBM,
}
"""Models by name, for the estimator, for files and for the contract tests."""
