"""How parameters are found: exact EM, exact gradients, contrastive divergence."""

from deem.core.solvers.base import Solver, SteppedSolver, as_visible, shares_of, weighted_mean
from deem.core.solvers.centring import Centring
from deem.core.solvers.contrastive import ContrastiveDivergence
from deem.core.solvers.discriminative import ConditionalLikelihood, HybridDivergence
from deem.core.solvers.exact import ExactEM, ExactGradient
from deem.core.solvers.fast_weights import FastWeights
from deem.core.solvers.penalties import Penalty, SparsityTarget

__all__ = [
    "SOLVERS",
    "Centring",
    "ConditionalLikelihood",
    "ContrastiveDivergence",
    "ExactEM",
    "ExactGradient",
    "FastWeights",
    "HybridDivergence",
    "Penalty",
    "Solver",
    "SparsityTarget",
    "SteppedSolver",
    "as_visible",
    "shares_of",
    "weighted_mean",
]

SOLVERS = {cls.__name__: cls for cls in (ExactEM, ExactGradient, ContrastiveDivergence)}
"""Solvers that model files may name."""
