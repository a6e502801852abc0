"""Show that the same votes come out, whichever form they come in."""

import numpy as np
import pandas as pd
from scipy import sparse

from deem.core.reading import read_votes
from deem.math.vote import hard_to_soft

HARD = np.array([[0, 0, 1], [1, -1, 1], [2, 2, -1]])
NAMES = np.array(["ant", "bee", "cat", None], dtype=object)


def main():
    task, worker = np.nonzero(HARD >= 0)
    long = pd.DataFrame({"task": task, "worker": worker, "label": HARD[task, worker]})
    forms = {
        "integers, -1 missing": HARD,
        "floats, NaN missing": np.where(HARD < 0, np.nan, HARD),
        "strings, None missing": NAMES[HARD],
        "sparse, label + 1": sparse.csr_array(HARD + 1),
        "wide data frame": pd.DataFrame(HARD, columns=["ann", "bob", "eve"]),
        "long data frame": long,
    }
    for name, form in forms.items():
        votes = read_votes(form)
        same = np.array_equal(votes.to_dense(), HARD)
        print(f"{name}: {votes.n_votes} votes, classes {votes.classes.tolist()}, same: {same}")

    soft = 0.9 * hard_to_soft(HARD[:, :1], n_classes=3) + 0.1 / 3
    votes = read_votes(soft)
    print(f"soft {soft.shape}: {votes.n_votes} votes, is_soft: {votes.is_soft}")


if __name__ == "__main__":
    main()
