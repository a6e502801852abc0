"""Build models of real-valued sequences, look at them, and check a likelihood by integration."""

import torch

from deem.models import RTGaussianRBM, RTVarianceGaussianRBM

# two units that go up and down by turns, one in hundreds, one in thousandths
turn = torch.tensor([[300.0, 0.002], [100.0, 0.004]]).repeat(2, 1)
noise = torch.randn(50, 4, 2, generator=torch.Generator().manual_seed(0))
v = turn + torch.tensor([20.0, 0.0002]) * noise

for kind in (RTGaussianRBM, RTVarianceGaussianRBM):
    model = kind(n_visible=2, n_hidden=3, random_state=0)
    model.fit(v, epochs=30, batch_size=25, learning_rate=0.1, random_state=0)
    print(f"{kind.__name__}: {', '.join(name for name, _ in model.named_parameters())}")
    scale = [f"{x:.4g}" for x in model.frame.scale.tolist()]
    print(f"  scales of the units, from the data: {scale}")

    # all in the units of the data
    new = model.extend(v[:1, :3], n_steps=1, deterministic=True)[0, 0]
    came = v[0, 3]
    print(
        f"  after three frames: {new[0]:.0f} came {came[0]:.0f}, {new[1]:.4f} came {came[1]:.4f}"
    )

    # the density of the second frame given the first one, summed over a fine grid
    line = torch.linspace(-6, 6, 101)
    grid = model.frame.location + model.frame.scale * torch.cartesian_prod(line, line)
    first = v[:1, :1].expand(len(grid), 1, 2)
    with torch.no_grad():
        both = model.score_samples(torch.cat([first, grid[:, None]], 1))
        density = (both - model.score_samples(first)).exp()
    cell = (0.12 * model.frame.scale).prod()
    print(f"  the density of the second frame integrates to {density.sum() * cell:.4f}")
