"""Build a restricted Boltzmann machine and look at it: shapes, energies, exact probabilities."""

import itertools
import sys

import torch

from deem.models import RBM

LONG = "--long" in sys.argv


def main():
    model = RBM(n_visible=12 if LONG else 6, n_hidden=3, random_state=0)
    print(model)
    for name, parameter in model.named_parameters():
        print(f"  {name}: {tuple(parameter.shape)}")

    with torch.no_grad():
        model.weight.normal_(0, 1, generator=torch.Generator().manual_seed(0))
        v = torch.tensor(list(itertools.product([0.0, 1.0], repeat=model.n_visible)))
        h = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)))

        # The free energy is what is left of the energy when the hidden units are summed out.
        energies = torch.stack([model.energy(v, state.expand(len(v), -1)) for state in h], 1)
        summed = -(-energies).logsumexp(1)
        print(
            f"free energy of the first state {model.free_energy(v)[0]:.4f}, "
            f"summed over {len(h)} hidden states {summed[0]:.4f}"
        )
        total = model.score_samples(v).exp().sum()
        print(f"probabilities of all {len(v)} visible states sum to {total:.4f}")

        # One Gibbs sweep by hand: hidden units given visible ones, and back.
        generator = torch.Generator().manual_seed(1)
        hidden = model.sample_h(v[-1:], generator)
        print("hidden units given all visible ones on:", hidden.int().tolist()[0])
        print("visible units given those:", model.sample_v(hidden, generator).int().tolist()[0])

        draws, steps = 20_000, 30
        found = model.sample(draws, steps, random_state=0).mean(0)
        exact = (model.score_samples(v).exp()[:, None] * v).sum(0)
    print(f"means of {draws} draws, and the exact ones:")
    for ours, true in zip(found.tolist(), exact.tolist(), strict=True):
        print(f"  found {ours:.3f}, exact {true:.3f}")


if __name__ == "__main__":
    main()
