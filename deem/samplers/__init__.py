"""Kernels that move chains of votes, one a file, and the one dictionary of their names."""

from deem.core.sampler import Sampler
from deem.samplers.dlp import DiscreteLangevin
from deem.samplers.gibbs import Gibbs
from deem.samplers.gwg import GibbsWithGradients
from deem.samplers.on_bits import OnBits
from deem.samplers.tempered_gibbs import TemperedGibbs
from deem.samplers.tempering import ParallelTempering

__all__ = [
    "SAMPLERS",
    "DiscreteLangevin",
    "Gibbs",
    "GibbsWithGradients",
    "OnBits",
    "ParallelTempering",
    "TemperedGibbs",
]

SAMPLERS: dict[str, type[Sampler]] = {
    cls.__name__: cls for cls in (Gibbs, GibbsWithGradients, DiscreteLangevin, ParallelTempering)
}
"""Samplers over votes by name, for files and for the contract tests."""
