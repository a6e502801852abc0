"""Published models, one a file, and the one dictionary of their names."""

from deem.core.model import Model
from deem.models.context import ContextIRBM
from deem.models.irbm import BinaryIRBM, SoftIRBM
from deem.models.subclass import SubclassIRBM

__all__ = ["MODELS", "BinaryIRBM", "ContextIRBM", "SoftIRBM", "SubclassIRBM"]

MODELS: dict[str, type[Model]] = {
    "BinaryIRBM": BinaryIRBM,
    "SoftIRBM": SoftIRBM,
    "ContextIRBM": ContextIRBM,
    "SubclassIRBM": SubclassIRBM,
}
"""Models by name, for the estimator, for files and for the contract tests."""
