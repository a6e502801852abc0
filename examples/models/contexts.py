"""Tell clear samples from unclear ones, so that a jury which guesses is not believed."""

import numpy as np

from deem.core.reading import read_votes
from deem.models import ContextIRBM, SoftIRBM
from deem.models.initialization import initialise


def main():
    # Three classes and ten classifiers. On 40 % of the samples all of them nearly guess.
    rng = np.random.default_rng(0)
    truth, unclear = rng.integers(0, 3, 3000), rng.random(3000) < 0.4
    accuracy = np.where(unclear[:, None], 0.4, rng.uniform(0.7, 0.9, 10))
    wrong = (truth[:, None] + rng.integers(1, 3, (3000, 10))) % 3
    codes = np.where(rng.random((3000, 10)) < accuracy, truth[:, None], wrong)
    votes = read_votes(codes)

    for model in (SoftIRBM(10, 3), ContextIRBM(10, 3, n_contexts=2)):
        initialise(model.double(), votes, "shares").fit(votes)
        probabilities = model.predict_classes(votes).numpy()
        right = (probabilities.argmax(1) == truth).mean()
        sure = probabilities.max(1).mean()
        name = type(model).__name__
        print(f"{name}: right on {right:.3f} of the samples, sure of {sure:.3f}")

    log_state, _ = model.log_tables()
    share = log_state.detach().exp().reshape(3, 2).sum(0)[1]
    print(f"votes of scale {float(model.scale[1].detach()):.2f} on {float(share):.2f}, true 0.40")


if __name__ == "__main__":
    main()
