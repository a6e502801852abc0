"""Fuse twelve classifiers of handwritten digits without labels, and compare with the vote."""

from deem import DEEM
from deem.core.reading import read_votes
from deem.datasets import digits_votes


def main():
    digits = digits_votes()
    model = DEEM(n_classes=10).fit(digits.votes)

    # The truth judges the result; nothing was learned from it. Ties of the vote count in parts.
    shares = read_votes(digits.votes, n_classes=10).vote_shares()
    vote = shares[range(len(shares)), digits.truth].mean()
    print(f"majority vote: accuracy {vote:.3f}")
    print(f"consensus: accuracy {model.score(digits.votes, digits.truth):.3f}")

    order = model.probas_.max(axis=1).argsort()
    right = model.labels_ == digits.truth
    half = len(order) // 2
    print(f"surer half: accuracy {right[order[half:]].mean():.3f}")
    print(f"other half: accuracy {right[order[:half]].mean():.3f}")

    print("estimated and true accuracy of the classifiers:")
    for name, skill, votes in zip(digits.classifiers, model.skills_, digits.votes.T, strict=True):
        true_skill = (votes == digits.truth)[votes >= 0].mean()
        print(f"  {skill:.2f}  {true_skill:.2f}  {name}")


if __name__ == "__main__":
    main()
