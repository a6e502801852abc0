"""How likely an RBM finds digits it has not seen: exact, enclosed, and by pseudo-likelihood."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.models import RBM
from deem.samplers.ais import bracket
from deem.samplers.gibbs_path import IndependentUnits
from deem.samplers.likelihood import log_likelihood_of

LONG = "--long" in sys.argv
EPOCHS, RATE, STEPS, CHAINS = (60, 0.1, 1000, 256) if LONG else (3, 0.3, 100, 100)


def main():
    digits = torch.from_numpy(load_digits().data > 7).float()
    train, test = digits[:1400], digits[1400:]
    settings = {"epochs": EPOCHS, "learning_rate": RATE, "batch_size": 20, "random_state": 0}
    model = RBM(64, 16).fit(train, **settings)

    # Sixteen hidden units have 65536 states, which are summed over.
    exact = log_likelihood_of(model, test)
    print(f"exact: {exact.mean:.3f} nats a digit")

    base = IndependentUnits.of(model, train)
    alone = float((-base.free_energy(test)).mean())
    print(f"independent pixels: {alone:.3f} nats a digit")

    # Larger models are enclosed by chains that go both ways between the base and the model.
    generator = torch.Generator().manual_seed(0)
    found = bracket(model, base, generator=generator, n_steps=STEPS, n_chains=CHAINS)
    free_energy = float(model.free_energy(test).detach().mean())
    low, high = (-free_energy - z for z in (found.upper, found.lower))
    print(f"enclosed by {STEPS} steps: between {low:.3f} and {high:.3f}")
    print(f"share of the chains that count: {found.forward.effective_share:.2f}")

    large = RBM(64, 40).fit(train, **settings)
    inside = log_likelihood_of(large, test, n_steps=STEPS, n_chains=CHAINS, random_state=0)
    print(f"40 hidden units: {inside.mean:.3f}, between {inside.lower:.3f} and {inside.upper:.3f}")

    # The pseudo-likelihood needs no sum over states, but is another measure.
    one = model.pseudo_likelihood(test).mean()
    rough = model.stochastic_pseudo_likelihood(test, generator).detach().mean()
    print(f"pseudo-likelihood: all flips {one:.2f}, one random flip a digit {rough:.2f}")


if __name__ == "__main__":
    main()
