"""Classify digits by a hybrid RBM, then let it draw digits of each class."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from deem.core.dataset import Dataset
from deem.models import HybridDiscriminativeRBM

LONG = "--long" in sys.argv
N_HIDDEN, EPOCHS, N_DRAWS = (200, 60, 20) if LONG else (40, 8, 5)

digits = load_digits()
data = torch.tensor(digits.data / 16, dtype=torch.float32)
labels = torch.tensor(digits.target)
train, test = map(torch.tensor, train_test_split(range(len(data)), random_state=0))

for alpha in (0.01, 0.1):
    model = HybridDiscriminativeRBM(64, N_HIDDEN, 10, alpha=alpha, random_state=0)
    known = Dataset(data[train], labels[train])
    model.fit(known, epochs=EPOCHS, batch_size=32, random_state=0)
    last = {name: series[-1] for name, series in model.history.items()}
    error = 100 * (model.predict(data[test]) != labels[test]).float().mean()
    print(f"alpha {alpha}: test error {error:.1f} %")
    print(f"  discriminative loss {last['discriminative_loss']:.3f}", end=", ")
    print(f"generative loss {last['generative_loss']:.3f}")

# do draws of a class look like its digits? each goes to the class with the nearest mean
means = torch.stack([data[train][labels[train] == k].mean(0) for k in range(10)])
wanted = torch.arange(10).repeat_interleave(N_DRAWS)
draws = model.sample_class(wanted, steps=100, random_state=0)
right = (torch.cdist(draws, means).argmin(1) == wanted).float().mean()
print(f"draws that are nearest to the mean digit of their class: {right:.2f}")
for rows in draws[::N_DRAWS][:3].reshape(3, 8, 8).transpose(0, 1):
    print("  ".join("".join(".#"[int(x)] for x in row) for row in rows))
