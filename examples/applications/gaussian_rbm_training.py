"""Train a Gaussian RBM on raw pixels, constant ones too, and get pixels back."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.core.solvers import ContrastiveDivergence
from deem.models import GaussianRBM

LONG = "--long" in sys.argv


def main():
    # pixels of 0 to 16 as they are, and three that never change
    pixels = torch.tensor(load_digits().data, dtype=torch.float32)
    train, test = pixels[:1400], pixels[1400:]
    model = GaussianRBM(n_visible=64, n_hidden=500 if LONG else 60, random_state=0)

    # many units together need smaller steps
    rate = 0.005 if LONG else 0.02
    solver = ContrastiveDivergence(1, rate, momentum=0.5, deterministic=True)
    model.fit(train, epochs=200 if LONG else 8, batch_size=20, solver=solver, random_state=0)
    constant = model.scale[train.std(0) == 0]
    error = model.history["reconstruction_error"]
    print(f"{len(constant)} constant pixels have scales {sorted(set(constant.tolist()))}")
    print(f"error of an epoch {error[0]:.0f}, in the last {error[-1]:.0f}")

    # the error of reconstructions is that of the history: nothing changes its units
    with torch.no_grad():
        found = (model.reconstruct(train) - train).square().sum(1).mean()
        print(f"after training {found:.0f}, of samples that were held out", end=" ")
        print(f"{(model.reconstruct(test) - test).square().sum(1).mean():.0f}")


if __name__ == "__main__":
    main()
