"""Stop a training, resume it from its checkpoint, and end where an unbroken one ends.

Usage: python checkpoint_and_resume.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch

from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.core.training import Checkpoint
from deem.datasets import wine_votes
from deem.models import SoftIRBM


def train(votes, epochs, **options):
    model = SoftIRBM(votes.n_classifiers, votes.n_classes).fit(votes)
    solver = ContrastiveDivergence(learning_rate=0.01, momentum=0.5, persistent=True)
    return model.fit(votes, epochs=epochs, solver=solver, random_state=0, **options)


def main(folder):
    votes = read_votes(wine_votes().votes, n_classes=3)
    path = Path(folder) / "training.ckpt"

    unbroken = train(votes, 10)
    train(votes, 4, callbacks=[Checkpoint(path)])
    resumed = train(votes, 10, resume=path)

    print(f"resumed at epoch 4, ended after {resumed.history.n_epochs} epochs")
    print("same weights:", torch.equal(resumed.weight, unbroken.weight))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
