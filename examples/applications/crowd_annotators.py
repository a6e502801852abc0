"""Labels of crowd workers in a long data frame: whom to trust, and which answers to check."""

import numpy as np
import pandas as pd

from deem import DEEM

ANIMALS = np.array(["cat", "dog", "fox"])
WORKERS = {"ann": 0.95, "bob": 0.9, "cem": 0.7, "dia": 0.6, "eve": 0.5, "fay": 0.34}


def make_answers(n_tasks, rng):
    """Each worker answers about two thirds of the tasks, right as often as given above."""
    names = [f"t{task:03}" for task in range(n_tasks)]
    truth = pd.Series(ANIMALS[rng.integers(3, size=n_tasks)], names)
    rows = []
    for task, animal in truth.items():
        for worker, skill in WORKERS.items():
            if rng.random() < 2 / 3:
                wrong = rng.choice(ANIMALS[animal != ANIMALS])
                rows.append((task, worker, animal if rng.random() < skill else wrong))
    return pd.DataFrame(rows, columns=["task", "worker", "label"]), truth


def main():
    answers, truth = make_answers(300, np.random.default_rng(0))
    model = DEEM().fit(answers)

    labels = model.predict(answers)
    right = (labels == truth[labels.index]).mean()
    print(f"{len(answers)} answers on {len(labels)} tasks, {right:.3f} of the consensus is right")
    for worker, skill in zip(model.classifiers_, model.skills_, strict=True):
        print(f"{worker}: estimated {skill:.2f}, true {WORKERS[worker]:.2f}")

    sure = model.predict_proba(answers).max(axis=1)
    print("tasks to ask again:", sorted(sure.nsmallest(5).index))


if __name__ == "__main__":
    main()
