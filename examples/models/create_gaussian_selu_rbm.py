"""Build a Gaussian RBM whose hidden units have the SELU of their field as most likely state."""

import torch

from deem.models import GaussianSeluRBM


def main():
    model = GaussianSeluRBM(n_visible=4, n_hidden=3, random_state=0)
    print("weight:", tuple(model.weight.shape))
    with torch.no_grad():
        model.hidden_bias.copy_(torch.tensor([-2.0, 0.0, 3.0]))

    # the energy of one configuration falls to the SELU of the field and rises after it
    v, line = torch.zeros(9001, 4), torch.linspace(-1.75, 7.25, 9001)
    for unit, field in enumerate(model.hidden_bias):
        h = torch.zeros(9001, 3)
        h[:, unit] = line
        lowest = line[model.energy(v, h).argmin()]
        print(f"field {field:+.0f}: most likely {lowest:.2f}, SELU {torch.selu(field):.2f}")

    # features are means, and draws have them
    v = torch.zeros(20000, 4)
    drawn = model.sample_h(v, torch.Generator().manual_seed(0))
    for found, mean in zip(drawn.mean(0), model(v)[0], strict=True):
        print(f"mean of draws {found:.3f}, expected {mean:.3f}")
    print(
        f"lowest draw {drawn.min():.2f}, and none can be below {model.hidden_units.bounds[0]:.2f}"
    )


if __name__ == "__main__":
    main()
