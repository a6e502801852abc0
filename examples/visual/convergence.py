"""Plot two trainings side by side and save the figure.

Usage: python convergence.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

from deem import DEEM
from deem.datasets import digits_votes
from deem.visual import plot_convergence


def main(folder):
    digits = digits_votes()
    histories = {}
    for rate in (0.05, 0.2):
        model = DEEM(n_classes=10, solver="cd", cd_k=1, learning_rate=rate, random_state=0)
        model.fit(digits.votes, y=digits.truth, epochs=20)
        histories[f"learning rate {rate}"] = model.history_

    axes = plot_convergence(histories, series=["free_energy", "accuracy"])
    path = Path(folder) / "convergence.png"
    axes[0].figure.savefig(path)
    print("panels:", [panel.get_title() for panel in axes])
    print("saved", path.name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
