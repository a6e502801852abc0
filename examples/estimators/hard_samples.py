"""Find the hard samples without labels: the difficulty that the votes show, against the errors."""

from deem.datasets import digits_votes
from deem.estimators import GLAD


def main():
    digits = digits_votes()
    model = GLAD(n_classes=10).fit(digits.votes)
    wrong = (digits.votes != digits.truth[:, None]).mean(axis=1)

    order = model.difficulty(digits.votes).argsort()
    quarter = len(order) // 4
    for name, part in (("easiest", order[:quarter]), ("hardest", order[-quarter:])):
        print(f"{name} quarter: share of wrong votes {wrong[part].mean():.3f}")


if __name__ == "__main__":
    main()
