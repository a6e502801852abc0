"""Compare consensus methods in one loop, on annotators who label few samples each."""

from deem import DEEM
from deem.datasets import sparse_annotators
from deem.estimators import GLAD, DawidSkene, MajorityVote, OneCoin


def main():
    crowd = sparse_annotators(500, 80, 5, 4, accuracy=(0.3, 0.9), random_state=0)
    for method in (MajorityVote, DawidSkene, OneCoin, GLAD, DEEM):
        fitted = method(n_classes=4).fit(crowd.votes)
        accuracy = fitted.score(crowd.votes, crowd.truth)
        print(f"{method.__name__}: accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
