"""Whom to trust and how sure: skills with error bars, and the votes behind one answer.

Usage: python skills_with_doubt.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from deem import DEEM
from deem.datasets import sparse_annotators
from deem.visual import plot_skills


def main(folder):
    data = sparse_annotators(600, 20, 4, 3, accuracy=(0.4, 0.95), random_state=0)
    model = DEEM(n_classes=3).fit(data.votes)
    true = np.einsum("k,dkk->d", data.prior, data.confusion)

    held = np.abs(model.skills_ - true) <= 2 * model.skills_std_
    print(f"{held.sum()} of {len(held)} true accuracies lie within two deviations")
    right = (model.labels_ == data.truth).mean()
    print(f"accuracy expected {model.expected_accuracy_:.3f}, found {right:.3f}")

    names = [f"annotator {place}" for place in range(20)]
    ax = plot_skills(model.skills_, model.skills_std_, names, reference=true)
    ax.figure.savefig(Path(folder) / "skills.png", dpi=120)

    doubtful = int(model.probas_.max(axis=1).argmin())
    for sentence in model.explain(data.votes, samples=[doubtful]).describe(doubtful):
        print(sentence)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
