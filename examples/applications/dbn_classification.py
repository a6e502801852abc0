"""Classify digits by a deep belief network that is trained further through all its layers."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deem.models import DBN, DBNClassifier

LONG = "--long" in sys.argv

digits = load_digits()
pixels = torch.tensor(digits.data / 16, dtype=torch.float32)
train, test, labels, truth = train_test_split(
    pixels, torch.tensor(digits.target), test_size=0.4, stratify=digits.target, random_state=0
)

sizes, epochs = ([256, 128], 20) if LONG else ([64, 32], 4)
dbn = DBN.of("RBM", 64, sizes)
# wide layers over many epochs bear smaller steps
rate = 0.2 if LONG else 0.5
dbn.fit(train, epochs=epochs, batch_size=16, learning_rate=rate, random_state=0)

linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(train, labels)
print(f"logistic regression on pixels: accuracy {linear.score(test, truth):.3f}")
# codes may differ little from sample to sample, so their scale matters
score = linear.fit(dbn.transform(train), labels).score(dbn.transform(test), truth)
print(f"logistic regression on the codes of the network: accuracy {score:.3f}")

model = DBNClassifier(dbn, n_classes=10, dropout=0.2 if LONG else 0.0)
options = {"epochs": 60 if LONG else 12}
model.fit(train, labels, random_state=0, **options)
accuracy = (model.predict(test) == truth).float().mean()
print(f"trained through all layers: accuracy {accuracy:.3f}")

sure = model.predict_proba(test).amax(1)
right = model.predict(test) == truth
print(f"surer where it is right: {sure[right].mean() > sure[~right].mean()}")
