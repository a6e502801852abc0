"""Scale pictures to [0, 1], where units of an RBM live: all by one range, or each by its own."""

import numpy as np
from sklearn.datasets import load_digits

from deem.math.scale import unitary_scale


def main():
    digits = load_digits().images[:5]
    print(f"before: from {digits.min():.0f} to {digits.max():.0f}")
    scaled = unitary_scale(digits)
    print(f"after: from {scaled.min():.0f} to {scaled.max():.0f}")

    # one range keeps a faint picture faint, a range of its own makes it as strong as the others
    faint = np.concatenate([digits, digits[:1] / 4])
    print(f"faint digit, one range: up to {unitary_scale(faint)[-1].max():.2f}")
    each = np.stack([unitary_scale(picture) for picture in faint])
    print(f"faint digit, its own range: up to {each[-1].max():.2f}")
    print("a constant picture becomes", unitary_scale(np.full((1, 3), 7.0)))


if __name__ == "__main__":
    main()
