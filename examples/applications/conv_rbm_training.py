"""Train a convolutional RBM with sparse filters on digits and draw the filters.

Usage: python conv_rbm_training.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from deem.core.solvers import ContrastiveDivergence, SparsityTarget
from deem.models import ConvRBM
from deem.visual import plot_mosaic

LONG = "--long" in sys.argv
FOLDERS = [name for name in sys.argv[1:2] if name != "--long"]
EPOCHS, N_DIGITS = (60, 1400) if LONG else (6, 400)


def main(folder):
    images = torch.tensor(load_digits().images / 16, dtype=torch.float32).unsqueeze(1)
    train, test = images[:N_DIGITS], images[1400:]
    for strength in (0, 30):
        model = ConvRBM((8, 8), (5, 5), n_filters=16, random_state=0)
        # A position counts once for each filter, so rates are small.
        solver = ContrastiveDivergence(
            learning_rate=0.03, momentum=0.5, penalties=[SparsityTarget(0.15, strength)]
        )
        model.fit(train, epochs=EPOCHS, batch_size=20, solver=solver, random_state=0)
        errors = model.history["reconstruction_error"]
        print(f"strength {strength}: activity of the filters {model.activity(test).mean():.2f}")
        print(f"  error of a digit, first epoch {errors[0]:.1f}")
        print(f"  error of a digit, last epoch {errors[-1]:.1f}")
        axes = plot_mosaic(model.weight, scale="tile")
        axes.figure.savefig(Path(folder) / f"filters_{strength}.png")
    print("saved", sorted(path.name for path in Path(folder).glob("*.png")))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if FOLDERS else temporary)
