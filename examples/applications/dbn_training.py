"""Train a deep belief network on digits, layer by layer, and draw new ones.

Usage: python dbn_training.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from deem.models import DBN
from deem.visual import plot_tensor

LONG = "--long" in sys.argv


def main(folder):
    pixels = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    train, test = pixels[:1400], pixels[1400:]
    sizes, epochs = ([200, 100], (100, 50)) if LONG else ([48, 16], (5, 5))
    model = DBN.of("RBM", 64, sizes)
    model.fit(train, epochs=epochs, batch_size=16, learning_rate=0.5, random_state=0)

    for i, history in enumerate(model.histories):
        error = history["reconstruction_error"]
        print(f"layer {i}: squared error of its own data from {error[0]:.2f} to {error[-1]:.2f}")
    mean = (test - train.mean(0)).square().sum(1).mean()
    deep = (test - model.reconstruct(test)).square().sum(1).mean()
    print(f"new digits by the mean digit: squared error {mean:.2f}")
    print(f"new digits by {sizes[-1]} numbers each: squared error {deep:.2f}")

    drawn = model.sample(25, steps=1000 if LONG else 100, random_state=0, means=True)
    axes = plot_tensor(drawn.reshape(25, 8, 8))
    axes.figure.savefig(Path(folder) / "drawn.png")
    print(f"ink of a drawn digit {drawn.mean():.3f}, of a digit {train.mean():.3f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 and not LONG else temporary)
