"""Build a Gaussian RBM: real units in the units of the data, with their noise."""

import torch

from deem.models import GaussianRBM


def main():
    generator = torch.Generator().manual_seed(0)
    data = torch.tensor([1000.0, 0.5]) + torch.tensor([20.0, 0.01]) * torch.randn(
        500, 2, generator=generator
    )
    model = GaussianRBM(n_visible=2, n_hidden=3, random_state=0)
    print("weight:", tuple(model.weight.shape), "biases:", model.n_visible, "and", model.n_hidden)

    # the first training keeps means and spreads of the columns in the model
    model.fit(data, epochs=3, random_state=0)
    print("scale:", [f"{x:.3f}" for x in model.scale.tolist()])
    print("energies:", tuple(model.free_energy(data[:4]).shape))

    # a code depends on no other sample, and draws have noise: that of the data
    alone, among = model(data[:1])[0], model(data)[0]
    print("same code alone and among others:", torch.allclose(alone, among))
    drawn = model.gibbs_step(data, generator)
    for column, (found, true) in enumerate(zip(drawn.std(0), data.std(0), strict=True)):
        print(f"column {column}: spread of draws {found:.4f}, of data {true:.4f}")

    # densities in the units of the data: those of independent normal columns, about
    log_density = model.score_samples(data).mean().item()
    normal = torch.distributions.Normal(data.mean(0), data.std(0)).log_prob(data).sum(1).mean()
    print(f"log-density {log_density:.2f} nats, of normal columns {normal:.2f}")


if __name__ == "__main__":
    main()
