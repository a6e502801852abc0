"""Model the grey of digits: the likelihood of units in [0, 1], exact with few hidden units."""

import sys

import torch
from sklearn.datasets import load_digits

from deem.core.solvers import ContrastiveDivergence
from deem.models import SigmoidRBM

LONG = "--long" in sys.argv


def main():
    # pixels of 0 to 16, with noise that fills the steps between them
    generator = torch.Generator().manual_seed(0)
    pixels = torch.tensor(load_digits().data, dtype=torch.float32)
    pixels = (pixels + torch.rand(pixels.shape, generator=generator)) / 17
    train, test = pixels[:1400], pixels[1400:]

    model = SigmoidRBM(n_visible=64, n_hidden=18 if LONG else 8, random_state=0)
    with torch.no_grad():
        print(f"before training: {model.score_samples(test).mean():.1f} nats of a held-out digit")
        for epochs in (2, 100 if LONG else 10):
            solver = ContrastiveDivergence(1, 0.1, momentum=0.5)
            model.fit(train, epochs=epochs, batch_size=20, solver=solver, random_state=0)
            print(f"{epochs} epochs more: {model.score_samples(test).mean():.1f} nats")

        # draws are grey as the data are
        for name, v in (("data", test), ("draws", model.gibbs_step(test, generator))):
            grey = ((v > 0.1) & (v < 0.9)).float().mean()
            print(f"share of grey pixels in {name} {grey:.2f}")


if __name__ == "__main__":
    main()
