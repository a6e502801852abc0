"""Train a deep Boltzmann machine on binary digits and fill in the lower half of new ones."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.models import DBM

LONG = "--long" in sys.argv

ink = torch.tensor(load_digits().data > 7, dtype=torch.float32)
train, test = ink[:1400], ink[1400:1600]
mean = (train.sum(0) + 1) / (len(train) + 2)
apart = (test * mean.log() + (1 - test) * (1 - mean).log()).sum(1).mean()
print(f"independent pixels: log-likelihood of new digits {apart:.2f} nats")

model = DBM(64, (16, 12) if LONG else (12, 8))
model.pretrain(train, epochs=30 if LONG else 2, batch_size=20, learning_rate=0.2, random_state=0)
with torch.no_grad():
    before = model.score_samples(test).mean()
    print(f"layer by layer: log-likelihood of new digits {before:.2f} nats")
    model.fit(train, epochs=60 if LONG else 1, batch_size=20, random_state=0)
    after = model.score_samples(test).mean()
    print(f"as one machine: log-likelihood of new digits {after:.2f} nats")
    bound = model.log_likelihood_bound(test).mean()
    print(f"the mean-field bound lies {after - bound:.2f} nats below")

# the lower half is drawn given the upper one, again and again, and averaged
missing = torch.arange(64) >= 32
filled = model.impute(test, missing, steps=100 if LONG else 30, burn_in=10, random_state=0)
error = (filled - test)[:, 32:].square().sum(1).mean()
guess = (mean - test)[:, 32:].square().sum(1).mean()
print(f"lower half by the mean digit: squared error {guess:.2f}")
print(f"lower half given the upper one: squared error {error:.2f}")
