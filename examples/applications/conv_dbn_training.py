"""Train a convolutional deep belief network on digits and reconstruct them from its codes."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.models import ConvDBN

LONG = "--long" in sys.argv

pixels = torch.tensor(load_digits().images / 16, dtype=torch.float32).unsqueeze(1)
n_train = 1400 if LONG else 300
train, test = pixels[:n_train], pixels[-300:]

model = ConvDBN.of(
    "ConvRBM",
    (8, 8),
    n_filters=[24, 40] if LONG else [8, 8],
    filter_shape=[(3, 3), (2, 2)],
    pooling=[2, None],
)
epochs = (60, 30) if LONG else (3, 2)
model.fit(train, epochs=epochs, batch_size=20, random_state=0)
for i, history in enumerate(model.histories):
    error = history["reconstruction_error"]
    print(f"layer {i}: squared error of its own data from {error[0]:.2f} to {error[-1]:.2f}")

grey = (test - train.mean()).square().sum((1, 2, 3)).mean()
print(f"new digits by their mean grey: squared error {grey:.2f}")
for n_layers in (2, 1):
    made = model.decode(model.encode(test, n_layers), n_layers).detach()
    error = (test - made).square().sum((1, 2, 3)).mean()
    print(f"new digits by {n_layers} layers: squared error {error:.2f}")
print(f"codes of {model.n_outputs} numbers, draws {tuple(model.sample(4, steps=5).shape)}")
