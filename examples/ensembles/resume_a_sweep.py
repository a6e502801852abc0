"""Interrupt a sweep, go on where it was, add to it, and read its rows without the library."""

import csv
import tempfile
from pathlib import Path

from deem.core.training import Callback
from deem.datasets import load_task
from deem.ensembles import BetaSweep, DeepEnsembleClassifier, SweepResult


class Interrupt(Callback):
    """Stands for a power cut."""

    def on_epoch_end(self, training):
        if training.epoch == 6:
            raise KeyboardInterrupt


def main():
    estimator = DeepEnsembleClassifier(n_learners=3, epochs=8)
    data = {seed: load_task("wine", seed) for seed in range(2)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "wine"
        sweep = BetaSweep(estimator, betas=(0, 1), seeds=1)
        try:
            sweep.run(data.get, folder, checkpoint_every=2, callbacks=[Interrupt()])
        except KeyboardInterrupt:
            print("interrupted, kept:", len([*folder.glob(".running*")]), "running training")
        resumed, whole = sweep.run(data.get, folder), sweep.run(data.get)
        print("same as in one go:", resumed.rows == whole.rows)

        BetaSweep(estimator, betas=(0, 0.5, 1), seeds=2).run(data.get, folder)
        result = SweepResult.load(folder)  # cells that were there were not trained again
        print("cells:", [(cell.seed, cell.beta) for cell in result.cells])
        with (folder / "rows.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["metric"] == "diversity"]
        print("rows of the diversity:", len(rows), "with", ", ".join(rows[0]))


if __name__ == "__main__":
    main()
