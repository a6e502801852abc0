"""Train a residual deep belief network on digits beside a plain one, and read its codes."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from deem.models import DBN, ResidualDBN

LONG = "--long" in sys.argv

digits = load_digits()
pixels = torch.tensor(digits.data / 16, dtype=torch.float32)
train, test = pixels[:1200], pixels[1200:]
sizes, epochs = ([200, 100, 50], 60) if LONG else ([48, 32], 4)

for cls in (DBN, ResidualDBN):
    model = cls.of("RBM", 64, sizes)
    model.fit(train, epochs=epochs, batch_size=16, learning_rate=0.5, random_state=0)
    by_one = model.decode(model.encode(test, 1), 1)
    error = (test - by_one).square().sum(1).mean()
    print(f"{cls.__name__}: squared error of new digits {error:.2f} by the first layer")
    codes = [model.encode(x, 1).detach() for x in (train, test)]
    reader = LogisticRegression(max_iter=200).fit(codes[0], digits.target[:1200])
    score = reader.score(codes[1], digits.target[1200:])
    print(f"  linear reader of the first layer: accuracy {score:.3f}")
    print(f"  largest code {codes[1].max():.3f}")
mean = (test - train.mean(0)).square().sum(1).mean()
print(f"by the mean digit: squared error of new digits {mean:.2f}")
