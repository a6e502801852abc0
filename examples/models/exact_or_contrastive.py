"""Train the same inverse RBM exactly and by contrastive divergence, and compare."""

from deem import DEEM
from deem.datasets import digits_votes


def main():
    digits = digits_votes()
    ways = {
        "exact": DEEM(n_classes=10),
        "cd": DEEM(n_classes=10, solver="cd", cd_k=1, epochs=30, learning_rate=0.05),
        "pcd": DEEM(n_classes=10, solver="pcd", cd_k=5, epochs=30, learning_rate=0.02),
    }
    for name, model in ways.items():
        model.set_params(random_state=0).fit(digits.votes)
        likelihood = model.score(digits.votes)
        accuracy = model.score(digits.votes, digits.truth)
        print(f"{name}: {likelihood:.2f} nats a sample, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
