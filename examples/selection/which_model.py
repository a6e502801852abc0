"""See which model the votes speak for, and why, without a label."""

from deem import DEEM
from deem.datasets import conditionally_independent, copying_groups
from deem.selection.report import table


def main():
    kinds = {
        "independent classifiers": conditionally_independent(1000, 6, 3, random_state=0),
        "copying classifiers": copying_groups(2000, 4, groups=(3, 3, 2, 1, 1, 1), random_state=0),
    }
    for name, data in kinds.items():
        chosen = DEEM().fit(data.votes)
        plain = DEEM(selection=None).fit(data.votes)
        found = chosen.selection_
        print(f"{name}: {found['chosen']}, {found['reason']}")
        # The truth only judges the result; the choice has not seen it.
        print(f"  inverse RBM: accuracy {plain.score(data.votes, data.truth):.3f}")
        print(f"  chosen: accuracy {chosen.score(data.votes, data.truth):.3f}")
    print("the evidence on the last ones:")
    print(table(found))


if __name__ == "__main__":
    main()
