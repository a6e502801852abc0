"""Fill the missing half of digits, and clean noisy ones, with an RBM; save the pictures.

Usage: python impute_and_denoise.py [FOLDER] [--long]; the default is a temporary folder.
"""

import sys
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from deem.core.solvers import ContrastiveDivergence
from deem.models import RBM
from deem.visual import plot_samples

LONG = "--long" in sys.argv
UNITS, EPOCHS, RATE, SWEEPS = (128, 200, 0.1, 500) if LONG else (40, 14, 0.3, 30)


def error(found, true):
    """Share of the pixels that are wrong after rounding."""
    return float(((found > 0.5).float() != true).float().mean())


def main(folder):
    digits = torch.from_numpy(load_digits().data > 7).float()
    train, test = digits[:1400], digits[1400:]
    solver = ContrastiveDivergence(learning_rate=RATE, momentum=0.5, monitor=False)
    model = RBM(64, UNITS).fit(train, epochs=EPOCHS, batch_size=20, solver=solver, random_state=0)

    # The lower half of each picture is not there; NaN marks it.
    missing = torch.arange(64) >= 32
    v = test.clone()
    v[:, missing] = torch.nan
    filled = model.impute(v, v.isnan(), steps=SWEEPS, burn_in=20, random_state=0)
    gone, mean = test[:, missing], train.mean(0).expand_as(test)
    print(f"missing pixels wrong, by the mean of the others: {error(mean[:, missing], gone):.3f}")
    print(f"missing pixels wrong, by the RBM: {error(filled[:, missing], gone):.3f}")
    kept = torch.equal(filled[:, ~missing], test[:, ~missing])
    print("known pixels are kept:", kept)

    # One draw in place of the means: every run fills in another way.
    draws = [model.clamp(v[:1], missing, SWEEPS, random_state=seed) for seed in range(20)]
    varied = torch.cat(draws).std(0)
    print(f"spread of draws: known {varied[:32].mean():.2f}, missing {varied[32:].mean():.2f}")

    flips = torch.rand(test.shape, generator=torch.Generator().manual_seed(0)) < 0.1
    noisy = (test.bool() ^ flips).float()
    print(f"noisy pixels wrong: {error(noisy, test):.3f}")
    print(f"noisy pixels wrong, after denoising: {error(model.denoise(noisy), test):.3f}")

    pictures = torch.stack([test[:8], v[:8].nan_to_num(0.5), filled[:8]], 0).flatten(0, 1)
    axes = plot_samples(pictures, image_shape=(8, 8), columns=8)
    axes.figure.savefig(Path(folder) / "imputed.png")
    print("saved imputed.png")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 + LONG else temporary)
