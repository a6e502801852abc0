"""Plots of arrays and histories; each draws into given axes or a figure of its own."""

from deem.visual.chains import plot_chains
from deem.visual.confusion import plot_confusions
from deem.visual.convergence import plot_convergence
from deem.visual.dependence import plot_dependence
from deem.visual.energies import plot_energies, plot_traces
from deem.visual.ensemble_consensus import plot_consensus_of_fewer, plot_consensus_sweep
from deem.visual.ensemble_learners import plot_learner_drop, plot_training_curves
from deem.visual.ensemble_scores import plot_learner_scores_2d
from deem.visual.ensembles import (
    plot_beta_sweep,
    plot_collusion_panel,
    plot_train_test_diversity,
)
from deem.visual.layers import plot_layer
from deem.visual.mosaic import plot_mosaic
from deem.visual.reconstruction import plot_reconstructions
from deem.visual.samples import plot_samples
from deem.visual.skills import plot_skills
from deem.visual.tensor import plot_tensor, save_tensor
from deem.visual.weights import plot_weights

__all__ = [
    "plot_beta_sweep",
    "plot_chains",
    "plot_collusion_panel",
    "plot_confusions",
    "plot_consensus_of_fewer",
    "plot_consensus_sweep",
    "plot_convergence",
    "plot_dependence",
    "plot_energies",
    "plot_layer",
    "plot_learner_drop",
    "plot_learner_scores_2d",
    "plot_mosaic",
    "plot_reconstructions",
    "plot_samples",
    "plot_skills",
    "plot_tensor",
    "plot_traces",
    "plot_train_test_diversity",
    "plot_training_curves",
    "plot_weights",
    "save_tensor",
]
