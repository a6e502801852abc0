"""Ensembles of neural learners, trained independently, jointly or in between."""

from deem.ensembles.bank import LearnerBank
from deem.ensembles.cells import train_cells
from deem.ensembles.classifier import DeepEnsembleClassifier
from deem.ensembles.collusion import CollusionReport, diagnose
from deem.ensembles.consensus import ConsensusResult, ConsensusSweep
from deem.ensembles.joint import JointTraining
from deem.ensembles.learners import make_learner, register_learner
from deem.ensembles.regressor import DeepEnsembleRegressor
from deem.ensembles.results import Cell, SweepResult
from deem.ensembles.sweep import BetaSweep
from deem.ensembles.table import ArchitectureTable, independent_vs_joint

__all__ = [
    "ArchitectureTable",
    "BetaSweep",
    "Cell",
    "CollusionReport",
    "ConsensusResult",
    "ConsensusSweep",
    "DeepEnsembleClassifier",
    "DeepEnsembleRegressor",
    "JointTraining",
    "LearnerBank",
    "SweepResult",
    "diagnose",
    "independent_vs_joint",
    "make_learner",
    "register_learner",
    "train_cells",
]
