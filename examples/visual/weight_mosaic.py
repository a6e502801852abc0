"""Draw what each hidden unit of an RBM has learnt of digits, all units in one picture.

Usage: python weight_mosaic.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from deem.models import RBM
from deem.visual import plot_mosaic


def main(folder):
    pixels = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    model = RBM(n_visible=64, n_hidden=40, random_state=0)
    model.fit(pixels, epochs=8, batch_size=20, learning_rate=0.5, random_state=0)

    # one scale for all shows which units are strong, one for each tile what the weak ones see
    for scale in ("shared", "tile"):
        axes = plot_mosaic(model.weight, image_shape=(8, 8), scale=scale, columns=8)
        axes.figure.savefig(Path(folder) / f"weights_{scale}.png")
    print("mosaic of", axes.images[0].get_array().shape, "pixels")

    # pixels that are often inked together have weights that are alike
    alike = torch.corrcoef(model.weight.detach()).reshape(8, 8, 8, 8)
    middle = range(2, 6)
    for distance in (1, 3):
        pairs = [
            alike[row, column, row, column + distance] for row in middle for column in (1, 2, 3)
        ]
        print(f"weights of pixels {distance} apart: correlation {torch.stack(pairs).mean():.2f}")
    print("saved", sorted(path.name for path in Path(folder).glob("*.png")))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
