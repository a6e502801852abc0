"""Kernels that move chains of votes, one a file, and the one dictionary of their names."""

from deem.core.sampler import Sampler
from deem.samplers.gibbs import Gibbs

__all__ = ["SAMPLERS", "Gibbs"]

SAMPLERS: dict[str, type[Sampler]] = {"Gibbs": Gibbs}
"""Samplers by name, for files and for the contract tests."""
