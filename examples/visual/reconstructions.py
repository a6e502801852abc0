"""Draw digits beside their reconstructions by an RBM, and chains of its own draws.

Usage: python reconstructions.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from deem.models import RBM
from deem.samplers import Gibbs
from deem.visual import plot_reconstructions, plot_samples


def main(folder):
    pixels = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    train, test = pixels[:1400], pixels[1400:]
    model = RBM(n_visible=64, n_hidden=40, random_state=0)
    for epochs in (1, 6):
        model.fit(train, epochs=epochs, batch_size=20, learning_rate=0.5, random_state=0)
        error = (model.reconstruct(test) - test).square().mean()
        print(f"after {epochs} epochs more: mean squared error {error:.4f}")

    axes = plot_reconstructions(test, model.reconstruct(test), image_shape=(8, 8))
    axes[0].figure.savefig(Path(folder) / "reconstructions.png")

    # six chains that start at digits, drawn every 20 steps
    generator = torch.Generator().manual_seed(0)
    chains = [test[:6].bernoulli(generator=generator)]
    for _ in range(5):
        chains.append(Gibbs().run(model, chains[-1], 20, generator)[0])
    grid = plot_samples(torch.stack(chains), image_shape=(8, 8))
    grid.figure.savefig(Path(folder) / "chains.png")
    print("saved", sorted(path.name for path in Path(folder).glob("*.png")))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
