"""Votes with a known truth, real and simulated, and labelled data that learners train on."""

from deem.datasets.classifiers import (
    ClassifierVotes,
    breast_cancer_votes,
    digits_votes,
    wine_votes,
)
from deem.datasets.generators import (
    SimulatedVotes,
    class_experts,
    conditionally_independent,
    copying_groups,
    sparse_annotators,
)
from deem.datasets.images import ImageFiles, augment, load_images
from deem.datasets.tasks import Task, flip_labels, load_task

__all__ = [
    "ClassifierVotes",
    "ImageFiles",
    "SimulatedVotes",
    "Task",
    "augment",
    "breast_cancer_votes",
    "class_experts",
    "conditionally_independent",
    "copying_groups",
    "digits_votes",
    "flip_labels",
    "load_images",
    "load_task",
    "sparse_annotators",
    "wine_votes",
]
