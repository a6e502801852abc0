"""Recover how noisy each of several sensors is, from their readings alone."""

import sys

import torch

from deem.core.solvers import ContrastiveDivergence
from deem.models import VarianceGaussianRBM

LONG = "--long" in sys.argv


def main():
    # a machine that is on or off, seen by sensors of different units and noise
    generator = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.1, 0.5, 1.0, 4.0, 30.0])
    effect = torch.tensor([0.5, -1.0, 3.0, 8.0, 0.0])
    n = 20000 if LONG else 2500
    on = torch.randint(0, 2, (n, 1), generator=generator)
    readings = 20 + effect * on + noise * torch.randn(n, 5, generator=generator)

    model = VarianceGaussianRBM(n_visible=5, n_hidden=1, random_state=1)
    solver = ContrastiveDivergence(1, 0.03, optimizer="adam", scheduler="cosine")
    model.fit(readings, epochs=60 if LONG else 10, batch_size=100, solver=solver, random_state=0)

    found = model.noise_variance().detach().sqrt()
    for sensor in range(5):
        spread = readings[:, sensor].std()
        print(f"sensor {sensor}: spread {spread:.2f}", end=" ")
        print(f"noise {found[sensor]:.3f}, true {noise[sensor]:.3f}", end=" ")
        print(f"ratio {found[sensor] / noise[sensor]:.3f}")
    state = (model(readings)[:, 0] > 0.5).long()
    right = (state == on[:, 0]).float().mean()
    print(f"state of the machine right for {max(right, 1 - right):.3f} of the readings")


if __name__ == "__main__":
    main()
