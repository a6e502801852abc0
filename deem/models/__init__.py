"""Published models, one a file, and the one dictionary of their names."""

from deem.core.model import Model
from deem.models.binary.rbm import RBM
from deem.models.context import ContextIRBM
from deem.models.difficulty import DifficultyIRBM
from deem.models.group import GroupIRBM
from deem.models.irbm import BinaryIRBM, SoftIRBM
from deem.models.multinomial import MultinomialIRBM
from deem.models.one_coin import OneCoinIRBM
from deem.models.stacked import StackedIRBM
from deem.models.subclass import SubclassIRBM
from deem.models.tempered import TemperedIRBM

__all__ = [
    "MODELS",
    "RBM",
    "ZOO",
    "BinaryIRBM",
    "ContextIRBM",
    "DifficultyIRBM",
    "GroupIRBM",
    "MultinomialIRBM",
    "OneCoinIRBM",
    "SoftIRBM",
    "StackedIRBM",
    "SubclassIRBM",
    "TemperedIRBM",
]

MODELS: dict[str, type[Model]] = {
    "BinaryIRBM": BinaryIRBM,
    "SoftIRBM": SoftIRBM,
    "ContextIRBM": ContextIRBM,
    "SubclassIRBM": SubclassIRBM,
    "OneCoinIRBM": OneCoinIRBM,
    "DifficultyIRBM": DifficultyIRBM,
    "GroupIRBM": GroupIRBM,
    "TemperedIRBM": TemperedIRBM,
    "MultinomialIRBM": MultinomialIRBM,
    "StackedIRBM": StackedIRBM,
}
"""Consensus models by name, for the estimator, for files and for the contract tests."""

ZOO: dict[str, type[Model]] = {
    "RBM": RBM,
}
"""Models of other data by name, for stacks, for transformers and for the contract tests."""
