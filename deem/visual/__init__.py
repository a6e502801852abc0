"""Plots of arrays and histories; each draws into given axes or a figure of its own."""

from deem.visual.chains import plot_chains
from deem.visual.confusion import plot_confusions
from deem.visual.convergence import plot_convergence
from deem.visual.dependence import plot_dependence
from deem.visual.energies import plot_energies, plot_traces
from deem.visual.layers import plot_layer
from deem.visual.skills import plot_skills
from deem.visual.weights import plot_weights

__all__ = [
    "plot_chains",
    "plot_confusions",
    "plot_convergence",
    "plot_dependence",
    "plot_energies",
    "plot_layer",
    "plot_skills",
    "plot_traces",
    "plot_weights",
]
