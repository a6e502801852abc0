"""Draw from an RBM whose modes lie far apart: plain Gibbs sweeps and sweeps with replicas."""

import sys

import torch

from deem.models import RBM
from deem.samplers import Gibbs, TemperedGibbs

LONG = "--long" in sys.argv
CHAINS, STEPS = (2000, 400) if LONG else (500, 120)


def two_modes(n_visible=8, pull=4.0):
    """All units on, or all of them off, with little in between."""
    model = RBM(n_visible, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[pull, -pull]]).expand(n_visible, 2))
        model.hidden_bias.copy_(torch.tensor([-pull, pull]) * n_visible / 2)
        model.visible_bias.fill_(-0.05)
    return model


def main():
    model = two_modes()
    generator = torch.Generator().manual_seed(0)
    on = model.exact_draws(20_000, generator).mean(1) > 0.5
    print(f"mostly on, of exact draws: {on.float().mean():.2f}")

    start = torch.zeros(CHAINS, model.n_visible)
    for sampler in (Gibbs(), TemperedGibbs((1, 1.5, 2.5, 5))):
        chains = sampler.start(start, generator)
        chains, metrics = sampler.run(model, chains, STEPS, generator)
        share = (sampler.draws(chains).mean(1) > 0.5).float().mean()
        swaps = f", {metrics['swap_rate']:.2f} of the swaps made" if metrics else ""
        name = type(sampler).__name__
        print(f"{name}: {share:.2f} after {STEPS} sweeps from all units off{swaps}")

    # Fewer temperatures are needed the nearer they are; the swap rate tells.
    for temperatures in ((1, 5), (1, 1.5, 2.5, 5)):
        sampler = TemperedGibbs(temperatures)
        chains = sampler.start(start, generator)
        _, metrics = sampler.run(model, chains, 20, generator)
        print(f"{len(temperatures)} temperatures: swap rate {metrics['swap_rate']:.2f}")


if __name__ == "__main__":
    main()
