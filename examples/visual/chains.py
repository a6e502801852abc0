"""Watch two samplers train the same model, and chains of the trained one; save the figures.

Usage: python chains.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch

from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.datasets import conditionally_independent
from deem.models import SoftIRBM
from deem.samplers.dlp import DiscreteLangevin
from deem.samplers.gwg import GibbsWithGradients
from deem.visual import plot_chains, plot_traces


def trace(sampler, model, v, steps, generator):
    """Free energies (steps, chains) along chains that start at v."""
    state = sampler.init(model, v)
    energies = []
    for _ in range(steps):
        state = sampler.step(model, state, generator)
        energies.append(state.free_energy)
    return torch.stack(energies)


def main(folder):
    data = conditionally_independent(200, 10, 3, accuracy=(0.5, 0.7), random_state=0)
    votes = read_votes(data.votes, n_classes=3)
    langevin = DiscreteLangevin()
    histories = {}
    for sampler in (GibbsWithGradients(), langevin):
        solver = ContrastiveDivergence(
            5, optimizer="adam", learning_rate=0.05, persistent=True, sampler=sampler
        )
        model = SoftIRBM(votes.n_classifiers, votes.n_classes)
        model.fit(votes, solver=solver, epochs=20, random_state=0)
        histories[type(sampler).__name__] = model.history
        share = model.history["effective_share"][-1]
        print(f"{type(sampler).__name__}: {share:.3f} of the draws of training are independent")

    axes = plot_chains(histories, target=langevin.target_acceptance)
    axes[0].figure.savefig(Path(folder) / "chains.png")
    print("panels:", [panel.get_title() for panel in axes])

    generator = torch.Generator().manual_seed(0)
    start = votes.one_hot(dtype=model.dtype)
    tuned = langevin.tune(model, start, generator)
    axes = plot_traces(trace(tuned, model, start, 100, generator), warm_up=25)
    axes[0].figure.savefig(Path(folder) / "traces.png")
    print("saved", sorted(path.name for path in Path(folder).glob("*.png")))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
