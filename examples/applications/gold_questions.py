"""Put in what is known: some true labels, class frequencies, classifiers seen before."""

import numpy as np

from deem import DEEM
from deem.datasets import digits_votes


def main():
    earlier, today = digits_votes(1), digits_votes(0)
    few, truth = today.votes[:100], today.truth[:100]
    gold = np.where(np.arange(100) < 30, truth, -1)
    asked = gold < 0
    before = DEEM(n_classes=10, selection=None).fit(earlier.votes)

    ways = {
        "votes alone": {},
        "30 gold labels": {"gold": gold},
        "confusions seen before": {"confusion_prior": 20 * before.confusion_},
    }
    for name, known in ways.items():
        model = DEEM(n_classes=10).fit(few, **known)
        accuracy = (model.labels_ == truth)[asked].mean()
        print(f"{name}: accuracy {accuracy:.3f} on the other {asked.sum()} samples")


if __name__ == "__main__":
    main()
