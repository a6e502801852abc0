"""Classify digits that are moved about, by an RBM that has never seen a label."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from deem.core.solvers import ContrastiveDivergence
from deem.models import RBM

LONG = "--long" in sys.argv
UNITS, EPOCHS, RATE = (256, 30, 0.1) if LONG else (100, 4, 0.3)


def moved(images):
    """Every picture where it is, and moved by one pixel to each side."""
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    return torch.cat([images.roll(move, (1, 2)).flatten(1) for move in moves])


def main():
    data = load_digits()
    order = torch.randperm(len(data.data), generator=torch.Generator().manual_seed(0))
    images = torch.from_numpy(data.images / 16).float()[order]
    labels = torch.from_numpy(data.target)[order]
    train, test = moved(images[:1400]), moved(images[1400:])
    train_labels, test_labels = labels[:1400].repeat(5), labels[1400:].repeat(5)

    solver = ContrastiveDivergence(learning_rate=RATE, momentum=0.5, monitor=False)
    model = RBM(64, UNITS)
    model.fit(train, epochs=EPOCHS, batch_size=20, solver=solver, random_state=0)
    with torch.no_grad():
        hidden = model(train), model(test)
    print(f"{len(train)} pictures, {hidden[0].shape[1]} hidden units")

    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(1))
    for n in (500, 2000):
        for name, (seen, unseen) in {"pixels": (train, test), "hidden units": hidden}.items():
            classifier = LogisticRegression(C=10, tol=1e-3, max_iter=1000)
            classifier.fit(seen[chosen[:n]].numpy(), train_labels[chosen[:n]])
            accuracy = classifier.score(unseen.numpy(), test_labels)
            print(f"{n} labels, {name}: accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
