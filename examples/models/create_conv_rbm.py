"""Build a convolutional RBM with pooled units: shapes, energies and exact probabilities."""

import sys

import torch

from deem.models import ConvRBM

LONG = "--long" in sys.argv


def main():
    # 3 filters of 3 x 3 see 4 x 4 positions; blocks of 2 x 2 have at most one unit on.
    large = ConvRBM(visible_shape=(6, 6), filter_shape=(3, 3), n_filters=3, pooling=2)
    print(large)
    for name, parameter in large.named_parameters():
        print(f"  {name}: {tuple(parameter.shape)}")
    images = torch.zeros(5, 1, 6, 6)
    print(f"images {tuple(images.shape)}, hidden units {tuple(large(images).shape)}")
    print(f"pooled units for the next layer {tuple(large.pooled(images).shape)}")

    # A small one, whose pictures can all be listed.
    height = 4 if LONG else 3
    small = ConvRBM(
        visible_shape=(height, 3), filter_shape=(height - 1, 2), n_filters=1, pooling=2
    )
    with torch.no_grad():
        small.weight.normal_(0, 2, generator=torch.Generator().manual_seed(0))
        small.hidden_bias.fill_(-1)
        pixels = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * (3 * height))
        v = pixels.reshape(-1, 1, height, 3)

        # Five states of the block: all units off, or one of the four on.
        states = torch.cat([torch.zeros(1, 4), torch.eye(4)]).reshape(5, 1, 2, 2)
        energies = [small.energy(v, h.expand(len(v), -1, -1, -1)) for h in states]
        summed = -(-torch.stack(energies)).logsumexp(0)
        error = (small.free_energy(v) - summed).abs().max()
        print(f"free energy against its five energies: differs by at most {error:.5f}")
        print(
            f"energy of two units on in a block: {small.energy(v[:1], torch.ones(1, 1, 2, 2))[0]}"
        )
        probabilities = small.score_samples(v).exp()
        print(f"probabilities of all {len(v)} pictures sum to {probabilities.sum():.4f}")

        h = small.sample_h(v.repeat(4, 1, 1, 1), torch.Generator().manual_seed(1))
        print(f"most units on in a block of {len(h)} draws: {h.sum((1, 2, 3)).max():.0f}")
        found = small.sample(5000, 30, random_state=0).mean((0, 1))
        exact = torch.tensordot(probabilities, v, dims=1)[0]
    print("how often pixels are on:")
    for ours, true in zip(found.flatten().tolist(), exact.flatten().tolist(), strict=True):
        print(f"  found {ours:.3f}, exact {true:.3f}")


if __name__ == "__main__":
    main()
