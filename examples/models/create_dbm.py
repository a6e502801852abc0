"""Build a deep Boltzmann machine and compare its bound with the exact likelihood."""

import torch

from deem.models import DBM

model = DBM(n_visible=6, n_hidden=(4, 3), random_state=0)
for name, p in model.named_parameters():
    print(f"{name}: {tuple(p.shape)}")

v = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]).repeat(50, 1)
with torch.no_grad():
    print(f"untrained: log-likelihood {model.score_samples(v).mean():.2f} nats")
    model.pretrain(v, epochs=5, batch_size=10, learning_rate=0.3, random_state=0)
    print(f"layer by layer: log-likelihood {model.score_samples(v).mean():.2f} nats")
    model.fit(v, epochs=5, batch_size=10, random_state=0)
    exact = model.score_samples(v).mean()
    print(f"as one machine: log-likelihood {exact:.2f} nats")
    gap = exact - model.log_likelihood_bound(v).mean()
    print(f"the mean-field bound lies {gap:.4f} nats below")

# units of all layers: even ones beside each other, then odd ones
h1, h2 = model.mean_field(v[:1])
print(f"posterior means: {tuple(h1.shape)} and {tuple(h2.shape)}")
print(f"energy of the means: {model.energy(v[:1], h1, h2).item():.2f} nats")
print(f"drawn: {model.sample(3, steps=50, random_state=0).int().tolist()}")
