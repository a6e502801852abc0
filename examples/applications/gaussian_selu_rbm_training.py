"""Learn SELU features of digits without labels, then classify by them."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deem.core.solvers import ContrastiveDivergence
from deem.models import GaussianSeluRBM

LONG = "--long" in sys.argv


def main():
    pixels, digit = load_digits(return_X_y=True)
    pixels = torch.tensor(pixels, dtype=torch.float32)
    train, test = slice(0, 800), slice(800, None)
    n_hidden, epochs = (300, 100) if LONG else (12, 3)

    for n_epochs in (0, epochs):
        model = GaussianSeluRBM(n_visible=64, n_hidden=n_hidden, random_state=0)
        solver = ContrastiveDivergence(1, 0.01, weight_decay=0.01)
        model.fit(pixels[train], epochs=n_epochs, batch_size=20, solver=solver, random_state=0)
        with torch.no_grad():
            features = model(pixels)
        head = make_pipeline(StandardScaler(), LogisticRegression())
        head.fit(features[train], digit[train])
        print(f"after {n_epochs} epochs: accuracy {head.score(features[test], digit[test]):.3f}")

    error = model.history["reconstruction_error"]
    print(f"error of an epoch {error[0]:.0f}, in the last {error[-1]:.0f}")
    print(f"features from {features.min():.2f} to {features.max():.2f}")
    # above 1 features are as good, but long chains of the model may run away
    print(f"gain {model.gain():.2f}")


if __name__ == "__main__":
    main()
