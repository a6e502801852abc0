"""Train the same inverse RBM exactly and by contrastive divergence, and compare."""

import warnings

from deem import DEEM
from deem.datasets import digits_votes
from deem.utils.exception import DeadClassWarning


def main():
    digits = digits_votes()
    ways = {
        "exact": DEEM(n_classes=10),
        "cd": DEEM(n_classes=10, solver="cd", cd_k=1, epochs=6, learning_rate=0.1),
        "pcd": DEEM(n_classes=10, solver="pcd", cd_k=3, epochs=6, learning_rate=0.04),
    }
    for name, model in ways.items():
        with warnings.catch_warnings():
            # printed below: so short a training by chains loses a class
            warnings.simplefilter("ignore", DeadClassWarning)
            model.set_params(random_state=0).fit(digits.votes)
        likelihood = model.score(digits.votes)
        accuracy = model.score(digits.votes, digits.truth)
        lost = [found["class"] for found in model.health_["swallowed_classes"]]
        print(f"{name}: {likelihood:.2f} nats a sample, accuracy {accuracy:.3f}, lost {lost}")


if __name__ == "__main__":
    main()
