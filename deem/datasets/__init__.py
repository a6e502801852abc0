"""Vote matrices with a known truth: of real classifiers made on the spot, and generated ones."""

from deem.datasets.classifiers import (
    ClassifierVotes,
    breast_cancer_votes,
    digits_votes,
    wine_votes,
)

__all__ = ["ClassifierVotes", "breast_cancer_votes", "digits_votes", "wine_votes"]
