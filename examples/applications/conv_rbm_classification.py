"""Classify digits that stand anywhere by a linear model of convolutional features.

The RBM sees no label. A linear model of pixels must learn every place of a stroke anew; features
of a filter are the same everywhere, and a maximum over neighbours forgives small shifts. So much
does the arrangement bring by itself: filters drawn at random are printed beside.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import max_pool2d

from deem.core.solvers import ContrastiveDivergence
from deem.models import ConvRBM

LONG = "--long" in sys.argv
EPOCHS = 30 if LONG else 5
N_TRAIN = 800


def scattered(images):
    """Digits (n, 8, 8) at random places of larger images, (n, 1, 10, 10)."""
    places = torch.randint(3, (len(images), 2), generator=torch.Generator().manual_seed(0))
    large = torch.zeros(len(images), 1, 10, 10)
    for image, digit, (row, column) in zip(large, images, places.tolist(), strict=True):
        image[0, row : row + 8, column : column + 8] = digit
    return large


def accuracy(features, labels):
    """Of a linear model on images that it has not seen."""
    features = features.detach().flatten(1).numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-2))
    model.fit(features[:N_TRAIN], labels[:N_TRAIN])
    return model.score(features[N_TRAIN:], labels[N_TRAIN:])


def main():
    digits = load_digits()
    images = scattered(torch.tensor(digits.images / 16, dtype=torch.float32))
    print(f"pixels: accuracy {accuracy(images, digits.target):.3f}")

    model = ConvRBM((10, 10), (5, 5), n_filters=16, pooling=2, random_state=0)
    solver = ContrastiveDivergence(learning_rate=0.03, momentum=0.5, monitor=False)
    model.fit(images[:N_TRAIN], epochs=EPOCHS, batch_size=20, solver=solver, random_state=0)
    print(f"learned filters: accuracy {accuracy(max_pool2d(model(images), 2), digits.target):.3f}")

    with torch.no_grad():
        model.weight.normal_(generator=torch.Generator().manual_seed(0))
    print(f"random filters: accuracy {accuracy(max_pool2d(model(images), 2), digits.target):.3f}")


if __name__ == "__main__":
    main()
