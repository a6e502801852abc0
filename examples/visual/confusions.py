"""Plot the estimated confusions of all classifiers, and the weights behind them.

Usage: python confusions.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

from deem import DEEM
from deem.datasets import wine_votes
from deem.visual import plot_confusions, plot_weights


def main(folder):
    wine = wine_votes()
    votes, classifiers = wine.votes[:, :6], wine.classifiers[:6]
    model = DEEM(n_classes=3).fit(votes)
    names = {"class_names": wine.classes, "classifier_names": classifiers}

    confusions = plot_confusions(model.confusion_, accuracy=model.skills_, **names)
    confusions[0].figure.savefig(Path(folder) / "confusions.png")

    weights = plot_weights(model.model_.weight, **names)
    weights[0].figure.savefig(Path(folder) / "weights.png")
    print(f"{len(confusions)} confusions and {len(weights)} weights drawn")
    print("saved", sorted(path.name for path in Path(folder).glob("*.png")))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
