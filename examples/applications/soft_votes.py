"""Fuse classifiers that give probabilities, exactly and with a layer."""

import numpy as np

from deem import DEEM
from deem.datasets import class_experts


def main():
    data = class_experts(400, 3, experts_per_class=2, random_state=0)
    rng = np.random.default_rng(0)
    # (n_samples, n_classes, n_classifiers): 0.6 to 1 on the vote, the rest on the other classes.
    sure = rng.uniform(0.6, 1.0, data.votes.shape)
    votes = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
    np.put_along_axis(votes, data.votes[:, None], sure[:, None], axis=1)

    average = votes.mean(2).argmax(1)
    print(f"average of the probabilities: accuracy {(average == data.truth).mean():.3f}")
    for name, settings in (
        ("exact", {"selection": None}),
        ("with a layer", {"use_preprocessing": True, "epochs": 10, "random_state": 0}),
    ):
        model = DEEM(n_classes=3, **settings).fit(votes)
        used = ", ".join(f"{x:.2f}" for x in model.health_["class_use"])
        print(f"{name}: accuracy {(model.labels_ == data.truth).mean():.3f}, classes used {used}")


if __name__ == "__main__":
    main()
