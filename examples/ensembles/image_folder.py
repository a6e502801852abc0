"""Train on a folder of image files, one folder a class; the files are read batch by batch."""

import tempfile
from pathlib import Path

from sklearn.datasets import load_digits

from deem.datasets import load_images
from deem.ensembles import BetaSweep, DeepEnsembleClassifier
from deem.visual import save_tensor


def write_images(folder, n_train=120, n_test=60):
    """Digits 0 to 2 as PNG files in train/<class> and test/<class>."""
    pixels, labels = load_digits(n_class=3, return_X_y=True)
    for place in range(n_train + n_test):
        part = "train" if place < n_train else "test"
        path = Path(folder) / part / f"digit {labels[place]}" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensor(pixels[place].reshape(8, 8) / 16, path)


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_images(folder)
        splits = load_images("folder", folder, size=8, n_validation=0.25)
        print("classes:", ", ".join(splits.classes))
        print("images:", len(splits.train), len(splits.validation), len(splits.test))

        learner = {"learner": "cnn", "learner_params": {"channels": [8], "hidden": 16}}
        estimator = DeepEnsembleClassifier(2, epochs=4, learning_rate=0.01, **learner)
        result = BetaSweep(estimator, betas=(0, 1), seeds=1).run(splits)
        for beta, accuracy in zip(result.betas, result.values()[0], strict=True):
            print(f"beta {beta:g}: accuracy {accuracy:.3f}")
        print("scores that are kept:", tuple(result[0, 1.0].scores["best"].shape))


if __name__ == "__main__":
    main()
