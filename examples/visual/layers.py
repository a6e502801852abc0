"""Plot the weights of a layer of votes, and what was learnt since its start.

The layer is linear and starts from the identity. Ridge regression on the majority vote finds in
one step the weights that mend two classifiers, which are broken on purpose.

Usage: python layers.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from deem.datasets import conditionally_independent
from deem.visual import plot_layer


def main(folder):
    n, k = 8, 3
    votes = conditionally_independent(2000, n, k, accuracy=(0.7, 0.9), random_state=0).votes
    # classifier 2 takes class 0 for 1 and 1 for 0, classifier 5 guesses
    votes[:, 2] = np.array([1, 0, 2])[votes[:, 2]]
    votes[:, 5] = np.random.default_rng(0).integers(k, size=len(votes))

    x = np.eye(k)[votes].reshape(len(votes), n * k)
    vote = np.eye(k)[x.reshape(-1, n, k).sum(1).argmax(1)]
    start = np.eye(n * k)
    gram = x.T @ x + 200 * np.eye(n * k)
    weight = start + np.linalg.solve(gram, x.T @ (np.tile(vote, n) - x @ start))
    for name, values in (("before", x), ("after", x @ weight)):
        right = values.reshape(-1, n, k).argmax(2) == vote.argmax(1)[:, np.newaxis]
        shares = ", ".join(f"{share:.2f}" for share in right.mean(0)[[0, 2, 5]])
        print(f"{name} the layer: classifiers 0, 2 and 5 agree with the vote: {shares}")

    shape = (n, k, n, k)
    axes = plot_layer(weight.reshape(shape), start=start.reshape(shape))
    axes[0].figure.savefig(Path(folder) / "layers.png")
    print("saved layers.png")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
