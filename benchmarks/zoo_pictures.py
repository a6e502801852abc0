"""Pictures of the pages on RBMs: filters, draws, reconstructions and a sequence.

    python benchmarks/zoo_pictures.py [FOLDER]

Trains small models on scikit-learn's digits, on textures and on bouncing balls, about a minute on
one core, and writes one PNG a page into FOLDER, docs/_static unless given.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import Tensor

from deem.core.solvers import ContrastiveDivergence
from deem.models import DBN, RBM, RTRBM, GaussianConvRBM, GaussianRBM
from deem.visual import plot_mosaic, plot_reconstructions, plot_samples, plot_tensor

N_TRAIN = 1400


def panels(*titles: str, height: float = 3.2) -> tuple[Figure, list[plt.Axes]]:
    """A row of square panels."""
    size = (height * len(titles), height)
    figure, axes = plt.subplots(1, len(titles), figsize=size, squeeze=False, layout="constrained")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=9)
    return figure, list(axes[0])


def binary() -> Figure:
    """An RBM of digits: digits, weights of hidden units, draws."""
    v = torch.tensor(load_digits().data > 7, dtype=torch.float32)[:N_TRAIN]
    solver = ContrastiveDivergence(learning_rate=0.3, persistent=True, scheduler="cosine")
    model = RBM(64, 36).fit(v, epochs=100, batch_size=20, solver=solver, random_state=0)
    figure, axes = panels("digits", "weights of 36 hidden units", "draws after 2000 sweeps")
    plot_samples(v[:36], columns=6, ax=axes[0])
    plot_mosaic(model.weight.detach(), scale="tile", columns=6, ax=axes[1])
    plot_samples(model.sample(36, steps=2000, random_state=0), columns=6, ax=axes[2])
    return figure


def textures(n: int, side: int, generator: torch.Generator) -> Tensor:
    """Images (n, 1, side, side) whose power falls with the square of the frequency."""
    f = torch.fft.fftfreq(side).square()
    amplitude = 1 / ((f[:, None] + f).sqrt() + 1 / side)
    noise = torch.randn(n, 1, side, side, generator=generator)
    return torch.fft.ifft2(torch.fft.fft2(noise) * amplitude).real


def real() -> Figure:
    """Real units: a Gaussian RBM of digits, means beside draws, and filters of textures."""
    generator = torch.Generator().manual_seed(0)
    v = torch.tensor(load_digits().data, dtype=torch.float32)[:N_TRAIN]
    solver = ContrastiveDivergence(learning_rate=0.02, momentum=0.5)
    model = GaussianRBM(64, 100).fit(v, epochs=100, batch_size=20, solver=solver, random_state=0)
    images = textures(600, 16, generator)
    conv = GaussianConvRBM((16, 16), (5, 5), n_filters=16)
    conv.fit(images, epochs=40, batch_size=20, random_state=0)
    titles = ("GaussianRBM: means given the code", "draws given the code", "filters of textures")
    figure, axes = panels(*titles)
    plot_samples(model.reconstruct(v[:36]), columns=6, ax=axes[0])
    draws = model.sample_v(model(v[:36]), generator).detach()
    plot_samples(draws, columns=6, ax=axes[1])
    plot_mosaic(conv.weight.detach(), scale="tile", columns=4, ax=axes[2])
    return figure


def stack() -> Figure:
    """A deep belief network: new digits, their reconstructions through two layers, draws."""
    v = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    model = DBN.of("RBM", 64, [100, 60])
    solver = ContrastiveDivergence(learning_rate=0.2, persistent=True, scheduler="cosine")
    model.fit(v[:N_TRAIN], epochs=60, batch_size=20, solver=[solver, solver], random_state=0)
    new = v[N_TRAIN : N_TRAIN + 10]
    figure = plt.figure(figsize=(8, 4), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(5, 2))
    plot_reconstructions(new, model.reconstruct(new).detach(), ax=top.subplots(3, 1))
    ax = bottom.subplots()
    ax.set_title("draws", fontsize=9)
    draws = model.sample(40, steps=1000, random_state=0, means=True)
    plot_samples(draws, columns=20, ax=ax)
    return figure


def temporal() -> Figure:
    """Balls between two walls: sequences, and beginnings that an RTRBM goes on with."""
    length, ball, time, known = 12, 3, 24, 6
    places = length - ball + 1
    generator = torch.Generator().manual_seed(0)
    turn = 2 * places - 2
    phase = torch.randint(turn, (300, 1), generator=generator) + torch.arange(time)
    place = torch.minimum(phase % turn, turn - phase % turn)
    v = sum(torch.eye(length)[place + i] for i in range(ball))
    solver = ContrastiveDivergence(3, 0.03, optimizer="adam", scheduler="cosine", monitor=False)
    model = RTRBM(length, 30).fit(v, epochs=60, batch_size=20, solver=solver, random_state=0)
    start = v[:3, :known]
    new = model.extend(start, n_steps=time - known, random_state=0)
    figure, axes = panels(*["a sequence"] * 3, height=2.4)
    for ax, true, drawn in zip(axes, v, torch.cat([start, new], 1), strict=False):
        rows = torch.cat([true.t(), torch.full((1, time), 0.5), drawn.t()])
        plot_tensor(rows, ax=ax)
        ax.axvline(known - 0.5, color="tab:red", linewidth=1)
        ax.set_title("above: a ball; below: 6 frames and 18 drawn", fontsize=6)
    return figure


def main() -> None:
    """Draw all pictures."""
    torch.set_num_threads(1)
    home = Path(__file__).resolve().parents[1] / "docs" / "_static"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else home
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (binary, real, stack, temporal):
        path = folder / f"zoo_{draw.__name__}.png"
        draw().savefig(path, dpi=80)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
