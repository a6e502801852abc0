"""Classify digits by an RBM trained on the probability of the class, beside a linear model."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from deem.core.dataset import Dataset
from deem.models import DiscriminativeRBM

LONG = "--long" in sys.argv
N_HIDDEN, EPOCHS = (200, 60) if LONG else (40, 6)

digits = load_digits()
data = torch.tensor(digits.data / 16, dtype=torch.float32)
labels = torch.tensor(digits.target)
train, test = map(torch.tensor, train_test_split(range(len(data)), random_state=0))

model = DiscriminativeRBM(n_visible=64, n_hidden=N_HIDDEN, n_classes=10, random_state=0)
model.fit(Dataset(data[train], labels[train]), epochs=EPOCHS, batch_size=32, random_state=0)
for epoch in (1, EPOCHS // 2, EPOCHS):
    loss, accuracy = (model.history[name][epoch - 1] for name in ("loss", "accuracy"))
    print(f"epoch {epoch}: loss {loss:.3f} nats, accuracy {accuracy:.3f}")

linear = LogisticRegression(max_iter=300 if LONG else 30, tol=1e-2)
linear.fit(data[train].numpy(), labels[train].numpy())
wrong = linear.predict(data[test].numpy()) != labels[test].numpy()
print(f"logistic regression: test error {100 * wrong.mean():.1f} %")
wrong = model.predict(data[test]) != labels[test]
print(f"discriminative RBM: test error {100 * wrong.float().mean():.1f} %")

sure = model.predict_proba(data[test]).max(1).values
print(f"it gives its answers a mean probability of {sure[~wrong].mean():.2f} where they are right")
print(f"and of {sure[wrong].mean():.2f} where they are wrong")
