"""Build an RBM with dropout by energy and see what its masks follow."""

import torch

from deem.models import EDropoutRBM

generator = torch.Generator().manual_seed(0)
v = torch.randint(2, (500, 6), generator=generator).float()
# in half of the samples the first three units are on, which turns hidden unit 0 on
v[:250, :3] = 1.0

for energy_change in ("batch", "sample"):
    model = EDropoutRBM(n_visible=6, n_hidden=3, energy_change=energy_change, random_state=0)
    model.redraw(v, torch.Generator().manual_seed(0))
    print(f"masks by the change of energy of a {energy_change}: {tuple(model.held.shape)}")
    print(f"  without weights they keep {model.held.double().mean():.2f} of the units")

    # unit 0 follows the first three visible units, unit 1 is on and unit 2 off whatever they are
    with torch.no_grad():
        model.weight[:3, 0] = 4.0
        model.hidden_bias.copy_(torch.tensor([-6.0, 3.0, -3.0]))
    model.redraw(v, torch.Generator().manual_seed(0))
    shares = model.held.double().mean(0)
    print(f"  unit 0, which follows the data, is kept in {shares[0]:.2f} of them")
    print(f"  units 1 and 2, which do not, in {shares[1]:.2f} and {shares[2]:.2f}")

# in evaluation weights are multiplied by the roots of the shares that lately kept their unit
followed = ", ".join(f"{share:.4f}" for share in model.kept_share.tolist())
print(f"shares after two updates: {followed}")
same = torch.equal(model.eval().coupling(), model.weight * model.kept_share**0.5)
print(f"weights in evaluation are multiplied by their roots: {same}")
