"""Build a convolutional RBM of real pixels: noise, units of the data, density."""

import sys

import torch

from deem.models import GaussianConvRBM

LONG = "--long" in sys.argv


def main():
    generator = torch.Generator().manual_seed(0)
    # Colour pictures whose channels have scales of their own, one of them constant.
    images = torch.randn(400 if LONG else 100, 3, 6, 6, generator=generator)
    images = images * torch.tensor([40.0, 2.0, 0.0]).reshape(3, 1, 1) + 100

    model = GaussianConvRBM(visible_shape=(6, 6), filter_shape=(3, 3), n_filters=4, n_channels=3)
    print(f"hidden units {tuple(model(images).shape)}")
    model.fit(images, epochs=2, random_state=0)
    print(f"location {[round(x) for x in model.location.flatten().tolist()]}")
    print(f"scale {[round(x) for x in model.scale.flatten().tolist()]}")

    # Draws have the noise that the energy says, in the units of the data.
    one = images[:1].expand(2000, -1, -1, -1)
    noise = model.gibbs_step(one, generator).std(0).mean((1, 2))
    for channel in range(2):
        print(
            f"noise of channel {channel}: drawn {noise[channel]:.2f}, "
            f"expected {model.scale[channel].item():.2f}"
        )

    # The density of a model small enough to be integrated.
    small = GaussianConvRBM((1, 2), (1, 2), n_filters=3, standardise=False)
    with torch.no_grad():
        small.weight.normal_(0, 1, generator=generator)
        line = torch.linspace(-12, 12, 200)
        v = torch.cartesian_prod(line, line).reshape(-1, 1, 1, 2)
        mass = small.score_samples(v).exp().sum() * (line[1] - line[0]) ** 2
    print(f"density summed over a grid {mass:.4f}")


if __name__ == "__main__":
    main()
