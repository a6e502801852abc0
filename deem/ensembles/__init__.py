"""Ensembles of neural learners, trained independently, jointly or in between."""

from deem.ensembles.bank import LearnerBank
from deem.ensembles.cells import train_cells
from deem.ensembles.classifier import DeepEnsembleClassifier
from deem.ensembles.joint import JointTraining
from deem.ensembles.learners import LEARNERS, make_learner, register_learner
from deem.ensembles.regressor import DeepEnsembleRegressor

__all__ = [
    "LEARNERS",
    "DeepEnsembleClassifier",
    "DeepEnsembleRegressor",
    "JointTraining",
    "LearnerBank",
    "make_learner",
    "register_learner",
    "train_cells",
]
