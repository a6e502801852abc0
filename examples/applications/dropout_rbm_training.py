"""Train RBMs of digits with and without dropout and compare their exact likelihoods."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.models import RBM, DropoutRBM

LONG = "--long" in sys.argv
EPOCHS, BATCH, RATE = (60, 20, 0.1) if LONG else (8, 50, 0.5)

pixels = torch.tensor(load_digits().data > 7, dtype=torch.float32)
train, test = pixels[:1400], pixels[1400:]

models = {
    "no dropout": RBM(64, 16),
    "dropout 0.2": DropoutRBM(64, 16, dropout=0.2),
    "dropout 0.2, one mask a batch": DropoutRBM(64, 16, dropout=0.2, mask="batch"),
    "dropout 0.5": DropoutRBM(64, 16, dropout=0.5),
}
for name, model in models.items():
    model.fit(train, epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, random_state=0)
    model.eval()
    with torch.no_grad():
        likelihood = model.score_samples(test).mean()
    print(f"{name}: test log-likelihood {likelihood:.2f} nats")
