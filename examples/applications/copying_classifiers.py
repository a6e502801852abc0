"""See what goes wrong when classifiers copy each other, which the model takes for agreement."""

import numpy as np

from deem import DEEM
from deem.datasets import copying_groups


def main():
    groups = (5, 1, 1, 1)
    simulated = copying_groups(
        2000, 3, groups=groups, copy_rate=0.9, accuracy=(0.6, 0.7), random_state=0
    )
    true_skills = (simulated.votes == simulated.truth[:, None]).mean(axis=0)
    first = np.cumsum((0, *groups[:-1]))

    for name, columns in {"all classifiers": slice(None), "one of each group": first}.items():
        model = DEEM(n_classes=3).fit(simulated.votes[:, columns])
        accuracy = (model.labels_ == simulated.truth).mean()
        sure = model.probas_.max(axis=1).mean()
        print(f"{name}: accuracy {accuracy:.3f}, believed {sure:.3f}")
        print("  estimated skills", model.skills_.round(2), "true", true_skills[columns].round(2))


if __name__ == "__main__":
    main()
