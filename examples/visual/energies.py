"""Ask a trained model whether it believes in its data: free energies of data and of chains.

Usage: python energies.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from matplotlib.figure import Figure

from deem.core.reading import read_votes
from deem.datasets import conditionally_independent, copying_groups
from deem.models import SoftIRBM
from deem.samplers.dlp import DiscreteLangevin
from deem.visual import plot_energies


def main(folder):
    sets = {
        "independent": conditionally_independent(1000, 12, 3, random_state=0),
        "copying": copying_groups(1000, 3, groups=(5, 4, 3), random_state=0),
    }
    figure = Figure((9, 3.4), layout="constrained")
    for panel, (name, data) in zip(figure.subplots(1, 2), sets.items(), strict=True):
        votes = read_votes(data.votes, n_classes=3)
        model = SoftIRBM(votes.n_classifiers, votes.n_classes).fit(votes)
        start = votes.one_hot(dtype=model.dtype)
        generator = torch.Generator().manual_seed(0)
        sampler = DiscreteLangevin().tune(model, start, generator)
        chains, _ = sampler.run(model, start, 200, generator)
        with torch.no_grad():
            energies = model.free_energy(start), model.free_energy(chains)
        plot_energies(*energies, ax=panel)
        panel.set_xlabel(f"free energy (nats), {name} classifiers")
        gap = float(energies[1].median() - energies[0].median())
        spread = float(energies[0].std() / energies[1].std())
        print(f"{name} classifiers: median of the chains minus that of the data {gap:.2f} nats,")
        print(f"  deviation of the data {spread:.2f} times that of the chains")
    figure.savefig(Path(folder) / "energies.png")
    print("saved energies.png")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
