"""Build a deep belief network, look at its layers, and bound the likelihood of data."""

import torch

from deem.models import DBN, RBM

model = DBN.of(["RBM", "RBM"], n_visible=6, n_hidden=[4, 3], temperature=[1.0, 1.5])
for name, p in model.named_parameters():
    print(f"{name}: {tuple(p.shape)}")

v = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]).repeat(50, 1)
model.fit(v, epochs=(15, 5), batch_size=10, learning_rate=1.0, random_state=0)
print(f"trained {model.n_layers} layers in {model.history.n_epochs} epochs")
print(f"code of a sample: {tuple(model.transform(v[:1]).shape)}")
print(f"reconstructed: {model.reconstruct(v[:2]).round().int().tolist()}")
print(f"drawn: {model.sample(2, steps=50, random_state=0).int().tolist()}")

# a layer on top that is the one below upside down changes nothing: the bound is the likelihood
bottom, top = model.layers[0], RBM(4, 6)
with torch.no_grad():
    top.weight.copy_(bottom.weight.t())
    top.visible_bias.copy_(bottom.hidden_bias)
    top.hidden_bias.copy_(bottom.visible_bias)
    tied = DBN([bottom, top]).log_likelihood_bound(v[:1], n_draws=1, random_state=0).item()
    print(f"two tied layers: bound {tied:.4f}, one layer {bottom.score_samples(v[:1]).item():.4f}")

try:
    DBN([RBM(6, 4), RBM(5, 3)])
except ValueError as error:
    print("refused:", error)
