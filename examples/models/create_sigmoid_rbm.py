"""Build an RBM of grey pixels: visible units anywhere between 0 and 1."""

import torch

from deem.models import SigmoidRBM


def main():
    model = SigmoidRBM(n_visible=5, n_hidden=3, random_state=0)
    print("weight:", tuple(model.weight.shape))
    with torch.no_grad():
        model.visible_bias.copy_(torch.tensor([-20.0, -3.0, 0.0, 3.0, 20.0]))

    # draws are grey, not black or white
    generator = torch.Generator().manual_seed(0)
    drawn = model.sample_v(torch.zeros(20000, 3), generator)
    for bias, found in zip(model.visible_bias, drawn.T, strict=True):
        print(f"field {bias:+.0f}: mean {found.mean():.2f}, spread {found.std():.2f}")
    print("draws strictly between 0 and 1:", bool(((drawn > 0) & (drawn < 1)).all()))

    # densities over the unit cube integrate to one: their mean over uniform points
    with torch.no_grad():
        model.visible_bias.mul_(0.1)
        uniform = torch.rand(50000, 5, generator=generator)
        print(f"mean density {model.score_samples(uniform).exp().mean():.2f}")


if __name__ == "__main__":
    main()
