"""Published models, one a file, and the one dictionary of their names."""

from deem.core.model import Model
from deem.models.binary.conv_rbm import ConvRBM
from deem.models.binary.discriminative_rbm import DiscriminativeRBM
from deem.models.binary.dropconnect_rbm import DropConnectRBM
from deem.models.binary.dropout_rbm import DropoutRBM
from deem.models.binary.edropout_rbm import EDropoutRBM
from deem.models.binary.hybrid_discriminative_rbm import HybridDiscriminativeRBM
from deem.models.binary.rbm import RBM
from deem.models.binary.sigmoid_rbm import SigmoidRBM
from deem.models.context import ContextIRBM
from deem.models.difficulty import DifficultyIRBM
from deem.models.group import GroupIRBM
from deem.models.irbm import BinaryIRBM, SoftIRBM
from deem.models.multinomial import MultinomialIRBM
from deem.models.one_coin import OneCoinIRBM
from deem.models.real.gaussian_conv_rbm import GaussianConvRBM
from deem.models.real.gaussian_rbm import GaussianRBM
from deem.models.real.gaussian_relu_rbm import GaussianReluRBM
from deem.models.real.gaussian_selu_rbm import GaussianSeluRBM
from deem.models.real.variance_gaussian_rbm import VarianceGaussianRBM
from deem.models.stack.conv_dbn import ConvDBN
from deem.models.stack.dbm import DBM
from deem.models.stack.dbn import DBN
from deem.models.stack.fine_tuning import DBNClassifier
from deem.models.stack.residual_dbn import ResidualDBN
from deem.models.stacked import StackedIRBM
from deem.models.subclass import SubclassIRBM
from deem.models.tempered import TemperedIRBM
from deem.models.temporal.rt_gaussian_rbm import RTGaussianRBM
from deem.models.temporal.rt_variance_gaussian_rbm import RTVarianceGaussianRBM
from deem.models.temporal.rtrbm import RTRBM

__all__ = [
    "MODELS",
    "STACKS",
    "TEMPORAL",
    "ZOO",
    "BinaryIRBM",
    "ContextIRBM",
    "ConvDBN",
    "ConvRBM",
    "DBM",
    "DBN",
    "DBNClassifier",
    "DifficultyIRBM",
    "DiscriminativeRBM",
    "DropConnectRBM",
    "DropoutRBM",
    "EDropoutRBM",
    "GaussianConvRBM",
    "GaussianRBM",
    "GaussianReluRBM",
    "GaussianSeluRBM",
    "GroupIRBM",
    "HybridDiscriminativeRBM",
    "MultinomialIRBM",
    "OneCoinIRBM",
    "RBM",
    "RTGaussianRBM",
    "RTRBM",
    "RTVarianceGaussianRBM",
    "ResidualDBN",
    "SigmoidRBM",
    "SoftIRBM",
    "StackedIRBM",
    "SubclassIRBM",
    "TemperedIRBM",
    "VarianceGaussianRBM",
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
    "SigmoidRBM": SigmoidRBM,
    "DropoutRBM": DropoutRBM,
    "DropConnectRBM": DropConnectRBM,
    "EDropoutRBM": EDropoutRBM,
    "DiscriminativeRBM": DiscriminativeRBM,
    "HybridDiscriminativeRBM": HybridDiscriminativeRBM,
    "ConvRBM": ConvRBM,
    "GaussianRBM": GaussianRBM,
    "VarianceGaussianRBM": VarianceGaussianRBM,
    "GaussianReluRBM": GaussianReluRBM,
    "GaussianSeluRBM": GaussianSeluRBM,
    "GaussianConvRBM": GaussianConvRBM,
    "DBM": DBM,
}
"""Models of other data by name, for stacks, for transformers and for the contract tests."""

TEMPORAL: dict[str, type[Model]] = {
    "RTRBM": RTRBM,
    "RTGaussianRBM": RTGaussianRBM,
    "RTVarianceGaussianRBM": RTVarianceGaussianRBM,
}
"""Models of sequences by name."""

STACKS: dict[str, type[DBN]] = {
    "DBN": DBN,
    "ResidualDBN": ResidualDBN,
    "ConvDBN": ConvDBN,
}
"""Deep belief networks by name; their layers are models of `ZOO`."""
