"""Train RBMs of digits that leave out connections, with a mask a batch and a mask a sample."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.models import DropConnectRBM

LONG = "--long" in sys.argv
EPOCHS, BATCH, RATE = (60, 20, 0.1) if LONG else (5, 50, 0.5)

pixels = torch.tensor(load_digits().data > 7, dtype=torch.float32)
train, test = pixels[:1400], pixels[1400:]

for mask in ("batch", "sample"):
    model = DropConnectRBM(64, 16, dropout=0.2, mask=mask, random_state=0)
    model.fit(train, epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, random_state=0)
    errors = model.history["reconstruction_error"]
    model.eval()
    with torch.no_grad():
        likelihood = model.score_samples(test).mean()
    mean_field = (model.reconstruct(test) - test).square().sum(1).mean()
    print(f"one mask a {mask}:")
    print(f"  squared error of a chain of one sweep, first epoch {errors[0]:.2f}")
    print(f"  squared error of a chain of one sweep, last epoch {errors[-1]:.2f}")
    print(f"  squared error of the mean network on test digits {mean_field:.2f}")
    print(f"  test log-likelihood {likelihood:.2f} nats")
