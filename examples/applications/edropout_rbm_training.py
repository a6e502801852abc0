"""Train RBMs of digits with dropout by energy and see how many units its masks keep."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.models import EDropoutRBM

LONG = "--long" in sys.argv
EPOCHS, BATCH, RATE = (60, 20, 0.1) if LONG else (8, 50, 0.5)

pixels = torch.tensor(load_digits().data > 7, dtype=torch.float32)
train, test = pixels[:1400], pixels[1400:]

for energy_change in ("batch", "sample"):
    model = EDropoutRBM(64, 16, energy_change=energy_change, random_state=0)
    model.redraw(train[:20], torch.Generator().manual_seed(0))
    first = model.held.double().mean()
    model.fit(train, epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, random_state=0)
    model.eval()
    with torch.no_grad():
        likelihood = model.score_samples(test).mean()
    print(f"energy change of a {energy_change}:")
    print(f"  kept before training {first:.2f}")
    print(f"  kept at its end {model.kept_share.mean():.2f}")
    print(f"  test log-likelihood {likelihood:.2f} nats")
