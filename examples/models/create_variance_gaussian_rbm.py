"""Build a Gaussian RBM that knows how noisy each of its visible units is."""

import torch

from deem.models import VarianceGaussianRBM


def main():
    model = VarianceGaussianRBM(n_visible=3, n_hidden=2, random_state=0)
    for name, parameter in model.named_parameters():
        print(f"{name}: {tuple(parameter.shape)}")

    # the parameters are logarithms, so no variance reaches 0
    with torch.no_grad():
        model.log_variance.copy_(torch.tensor([0.01, 1.0, 25.0]).log())
    print("noise:", [f"{x:.2f}" for x in model.noise_variance().sqrt().tolist()])

    # hidden units at 0 leave visible units at their bias, each with its own noise
    generator = torch.Generator().manual_seed(0)
    drawn = model.sample_v(torch.zeros(5000, 2), generator)
    for wanted, found in zip(model.noise_variance().sqrt(), drawn.std(0), strict=True):
        print(f"noise drawn {found:.3f}, set {wanted:.3f}")

    # a precise unit tells hidden ones more than a noisy one of the same weight
    with torch.no_grad():
        model.weight.fill_(1.0)
    for unit in range(3):
        told = model.hidden_field(torch.eye(3)[unit : unit + 1])[0, 0]
        print(f"unit {unit} adds {told:.2f} nats to a hidden unit")


if __name__ == "__main__":
    main()
