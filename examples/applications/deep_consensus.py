"""Put layers between the votes of digit classifiers and the class, and see what they learn."""

import numpy as np

from deem import DEEM
from deem.datasets import digits_votes


def main():
    digits = digits_votes()
    votes, truth = np.asarray(digits.votes)[:250], np.asarray(digits.truth)[:250]

    exact = DEEM(selection=None).fit(votes)
    deep = DEEM(use_preprocessing=True, epochs=10, random_state=0).fit(votes)
    stacked = DEEM(model="StackedIRBM", epochs=10, random_state=0).fit(votes)
    named = {"exact inverse RBM": exact, "with a layer": deep, "stack of inverse RBMs": stacked}
    for name, model in named.items():
        print(f"{name}: accuracy {(model.labels_ == truth).mean():.4f}")

    depth, chains = deep.health_["depth"], deep.health_["chains"]
    print(f"estimated log-likelihood: {depth['log_likelihood_gain']:+.3f} nats a sample")
    print(f"accepted moves: {chains['acceptance']:.2f}, stuck chains: {chains['stuck']:.2f}")

    weight = deep.model_.layers[0].weight.detach().numpy()
    identity = np.einsum("ij,lm->iljm", np.eye(len(weight)), np.eye(weight.shape[1]))
    moved = np.linalg.norm(weight - identity) / np.linalg.norm(identity)
    print(f"the layer moved from the identity by {moved:.3f} of its length")


if __name__ == "__main__":
    main()
