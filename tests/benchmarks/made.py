"""A vote file for the tests of the benchmarks."""

from pathlib import Path

import numpy as np
from plain_em import make_votes


def vote_file(folder: Path) -> Path:
    """Write 300 items, of which the last has no votes and the first no known truth."""
    votes, truth = make_votes(300, 6, 3)
    votes[-1], truth[0] = -1, -1
    item, worker = np.nonzero(votes >= 0)
    label = votes[item, worker]
    sizes = {"n_items": 300, "n_workers": 6, "n_classes": 3}
    target = folder / "crowd-made.npz"
    np.savez(target, item=item, worker=worker, label=label, gold=truth, **sizes)
    return target
