"""Save a deep belief network, load it elsewhere, and train a classifier on top of it.

Usage: python load_pretrained_dbn.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from deem.models import DBN, DBNClassifier


def main(folder):
    digits = load_digits()
    pixels = torch.tensor(digits.data / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    path = Path(folder) / "dbn.deem"
    trained = DBN.of(["RBM", "DropoutRBM"], 64, [60, 40])
    trained.fit(pixels, epochs=2, batch_size=16, learning_rate=0.5, random_state=0)
    trained.save(path)

    dbn = DBN.load(path)
    print("layers:", [type(layer).__name__ for layer in dbn.layers])
    print("same codes:", torch.equal(dbn.transform(pixels), trained.transform(pixels)))
    print("epochs in its history:", dbn.history.n_epochs)

    model = DBNClassifier(dbn, n_classes=10)
    model.fit(pixels[:1400], labels[:1400], epochs=5, random_state=0)
    model.save(path)
    again = DBNClassifier.load(path)
    found = again.predict(pixels[1400:])
    print("same classes:", torch.equal(found, model.predict(pixels[1400:])))
    print(f"accuracy on new digits: {(found == labels[1400:]).float().mean():.3f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
