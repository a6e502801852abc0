"""Save a trained consensus, load it elsewhere, and predict new votes.

Usage: python load_and_predict.py [FOLDER]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import deem
from deem.datasets import digits_votes
from deem.utils.exception import ModelFileError


def main(folder):
    digits = digits_votes()
    old, new = digits.votes[:1000], digits.votes[1000:]
    path = Path(folder) / "digits.deem"
    trained = deem.DEEM(n_classes=10).fit(old)
    trained.save(path)

    model = deem.load(path)
    print(f"loaded {model.n_classifiers_} classifiers, {model.n_classes_} classes")
    print("same predictions:", (model.predict(new) == trained.predict(new)).all())
    print(f"accuracy on new votes: {model.score(new, digits.truth[1000:]):.3f}")

    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.with_suffix(".damaged").write_bytes(damaged)
    try:
        deem.load(path.with_suffix(".damaged"))
    except ModelFileError as error:
        print("a damaged file is refused:", type(error).__name__)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else temporary)
