"""Find classifiers that copy each other, plot who copies whom, and count copies once.

Usage: python dependence.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

from deem import DEEM
from deem.core.reading import read_votes
from deem.datasets import copying_groups
from deem.selection.dependence import dependence_map
from deem.visual import plot_dependence


def main(folder):
    data = copying_groups(2000, 3, groups=(3, 3, 2, 1, 1, 1), random_state=1)
    votes = read_votes(data.votes, n_classes=3)
    plain = DEEM(n_classes=3).fit(votes)
    found = dependence_map(votes, plain.probas_, plain.confusion_)
    print("\n".join(found.describe()))

    axes = plot_dependence(found.correlation, found.linkage, clusters=found.clusters)
    axes[0].figure.savefig(Path(folder) / "dependence.png")

    models = {
        "SoftIRBM": None,
        "TemperedIRBM": {"vote_weight": found.vote_weights},
        "GroupIRBM": {"groups": found.clusters},
    }
    for name, extra in models.items():
        model = DEEM(n_classes=3, model=name, model_params=extra).fit(votes)
        print(f"{name}: accuracy {(model.labels_ == data.truth).mean():.3f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
