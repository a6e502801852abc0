"""Build a Gaussian RBM of rectified hidden units, with the noise that its energy says."""

import torch

from deem.models import GaussianReluRBM


def main():
    model = GaussianReluRBM(n_visible=4, n_hidden=3, random_state=0)
    print("weight:", tuple(model.weight.shape))
    with torch.no_grad():
        model.hidden_bias.copy_(torch.tensor([-2.0, 0.0, 3.0]))

    # draws are a normal distribution cut at 0, and features are its mean, a smooth rectifier
    v = torch.zeros(20000, 4)
    drawn = model.sample_h(v, torch.Generator().manual_seed(0))
    print(f"smallest draw is at least 0: {bool(drawn.min() >= 0)}")
    for bias, found, mean in zip(model.hidden_bias, drawn.mean(0), model(v)[0], strict=True):
        print(f"field {bias:+.0f}: mean of draws {found:.3f}, expected {mean:.3f}")

    # the free energy is the energy summed over all hidden states: by a fine grid of one unit
    with torch.no_grad():
        single = GaussianReluRBM(n_visible=4, n_hidden=1, random_state=0)
        line = torch.linspace(0, 12, 12001)[:, None]
        energy = single.energy(torch.ones(12001, 4), line)
        summed = -(torch.trapezoid((-energy).exp(), line[:, 0])).log()
        print(
            f"free energy {single.free_energy(torch.ones(1, 4)).item():.4f}, summed {summed:.4f}"
        )

    # there is a distribution where this is below 1
    print(f"gain: {model.gain():.4f}")


if __name__ == "__main__":
    main()
