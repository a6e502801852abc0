"""Let every class have subclasses, so that classifiers who err together count for less."""

import numpy as np

from deem.core.reading import read_votes
from deem.models import SoftIRBM, SubclassIRBM
from deem.models.initialization import initialise


def main():
    # On every third sample three of ten classifiers are mostly wrong, all at once.
    rng = np.random.default_rng(0)
    truth, hard = rng.integers(0, 2, 2000), rng.random(2000) < 1 / 3
    accuracy = np.where(hard[:, None] & (np.arange(10) < 3), 0.1, 0.8)
    right = rng.random((2000, 10)) < accuracy
    votes = read_votes(np.where(right, truth[:, None], 1 - truth[:, None]))

    for model in (SoftIRBM(10, 2), SubclassIRBM(10, 2, n_subclasses=2)):
        initialise(model.double(), votes, "shares", random_state=0).fit(votes)
        likelihood = float(model.score_samples(votes).mean().detach())
        accuracy = (model.predict_classes(votes).argmax(1).numpy() == truth).mean()
        name = type(model).__name__
        print(f"{name}: {likelihood:.2f} nats a sample, accuracy {accuracy:.3f}")

    _, table = model.log_tables()
    print("the first classifier votes 0 in the subclasses of 0 and 1 with probability")
    print(table[0, 0].detach().exp().numpy().round(2))


if __name__ == "__main__":
    main()
