"""Vote matrices with a known truth: of real classifiers made on the spot, and simulated ones."""

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

__all__ = [
    "ClassifierVotes",
    "SimulatedVotes",
    "breast_cancer_votes",
    "class_experts",
    "conditionally_independent",
    "copying_groups",
    "digits_votes",
    "sparse_annotators",
    "wine_votes",
]
