"""Independent against joint training for several architectures, a row each.

With --long: larger networks, all digits and three seeds.
"""

import sys

from deem.datasets import load_task
from deem.ensembles import DeepEnsembleClassifier, independent_vs_joint

LONG = "--long" in sys.argv


def main():
    architectures = {
        "linear": ("mlp", {"hidden": []}),
        "mlp": ("mlp", {"hidden": [32]}),
        "cnn": ("cnn", {"channels": [8, 16], "hidden": 32} if LONG else {"channels": [4]}),
    }
    if LONG:
        architectures |= {"vgg_small": "vgg_small", "resnet_small": "resnet_small"}
    settings = DeepEnsembleClassifier(n_learners=4, epochs=20 if LONG else 5, learning_rate=0.003)
    table = independent_vs_joint(
        architectures,
        lambda seed: load_task("digits_images", seed, n_train=1200 if LONG else 300),
        estimator=settings,
        seeds=3 if LONG else 1,
        top_k=2,
    )
    print("learner       parameters  single  independent  joint  top 2 independent, joint")
    for row in table.rows:
        print(
            f"{row['learner']:12}{row['n_parameters']:12}{row['single']:8.3f}"
            f"{row['independent']:13.3f}{row['joint']:7.3f}"
            f"{row['independent_top_k']:19.3f}{row['joint_top_k']:7.3f}"
        )


if __name__ == "__main__":
    main()
