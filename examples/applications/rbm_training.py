"""Train an RBM on digits by several kinds of contrastive divergence, watching held-out digits."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.core.solvers import Centring, ContrastiveDivergence
from deem.core.validation import Validation
from deem.models import RBM
from deem.samplers import TemperedGibbs

LONG = "--long" in sys.argv
EPOCHS, RATE = (60, 0.1) if LONG else (3, 0.3)


def main():
    digits = torch.from_numpy(load_digits().data > 7).float()
    train, test = digits[:1400], digits[1400:]
    start = RBM(64, 16).fit(train, epochs=0)
    print(f"before training, exact: {start.score_samples(test).detach().mean():.2f} nats a digit")

    solvers = {
        "CD-1": ContrastiveDivergence(1, RATE),
        "CD-1, centred": ContrastiveDivergence(1, RATE, centring=Centring()),
        "tempered": ContrastiveDivergence(
            1,
            RATE,
            scheduler="cosine",
            persistent=True,
            fresh=0.0,
            sampler=TemperedGibbs((1, 1.4, 2)),
            monitor=False,
        ),
    }
    for name, solver in solvers.items():
        model = RBM(64, 16)
        model.fit(
            train,
            epochs=EPOCHS,
            batch_size=20,
            solver=solver,
            random_state=0,
            callbacks=[Validation(test)],
        )
        exact = model.score_samples(test).detach().mean()
        gap = model.history["validation_gap"][-1]
        print(
            f"{name}: exact {exact:.2f} nats a held-out digit, {gap:+.2f} above the trained ones"
        )
        for series in ("reconstruction_error", "pseudo_likelihood", "swap_rate"):
            if series in model.history:
                first, last = (model.history[series][i] for i in (0, -1))
                print(f"  {series}: from {first:.2f} to {last:.2f}")


if __name__ == "__main__":
    main()
