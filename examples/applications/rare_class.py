"""Tell the model how frequent a rare class is, where few votes cannot."""

from deem import DEEM
from deem.datasets import sparse_annotators

FREQUENCIES = [0.9, 0.1]


def main():
    crowd = sparse_annotators(
        300, 10, 3, 2, accuracy=(0.6, 0.9), prior=FREQUENCIES, random_state=3
    )
    for name, known in {"votes alone": None, "known frequencies": FREQUENCIES}.items():
        model = DEEM(n_classes=2, class_prior=known).fit(crowd.votes)
        accuracy, rare = model.score(crowd.votes, crowd.truth), model.health_["class_use"][1]
        print(f"{name}: accuracy {accuracy:.3f}, share of the rare class {rare:.2f}")


if __name__ == "__main__":
    main()
