"""Structural similarity against its definition."""

import sys

import numpy as np
import pytest
import torch

from deem.math.ssim import structural_similarity
from deem.utils.exception import ArgumentError, ShapeError

RNG = np.random.default_rng(0)


def by_definition(x, y, window, data_range):
    """Wang et al. (2004), equation 13, over all windows inside one picture."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    found = []
    for row in range(x.shape[0] - window + 1):
        for column in range(x.shape[1] - window + 1):
            a = x[row : row + window, column : column + window].ravel()
            b = y[row : row + window, column : column + window].ravel()
            (aa, ab), (_, bb) = np.cov(a, b)
            upper = (2 * a.mean() * b.mean() + c1) * (2 * ab + c2)
            found.append(upper / ((a.mean() ** 2 + b.mean() ** 2 + c1) * (aa + bb + c2)))
    return np.mean(found)


@pytest.mark.parametrize(
    ("shape", "window"), [((12, 9), 7), ((7, 30), 7), ((6, 8), 5), ((3, 4), 3), ((4, 4), 3)]
)
@pytest.mark.parametrize("data_range", [1.0, 16.0])
def test_it_is_the_mean_of_the_definition(shape, window, data_range):
    x = RNG.random((2, *shape)) * data_range
    y = x + RNG.normal(0, 0.1 * data_range, x.shape)
    expected = np.mean(
        [by_definition(a, b, window, data_range) for a, b in zip(x, y, strict=True)]
    )
    assert structural_similarity(x, y, data_range=data_range) == pytest.approx(expected, abs=1e-12)
    # another range is another measure
    wrong = structural_similarity(x, y, data_range=3 * data_range)
    assert wrong != pytest.approx(expected, abs=1e-4)


def test_channels_are_averaged():
    x, y = RNG.random((2, 3, 4, 9, 9))
    each = [structural_similarity(x[:, k], y[:, k]) for k in range(4)]
    assert structural_similarity(x, y) == pytest.approx(np.mean(each))


def test_equal_pictures_are_alike_even_if_flat():
    x = np.stack([np.full((8, 8), 0.3), RNG.random((8, 8))])
    assert structural_similarity(x, x) == pytest.approx(1)
    # the range does not come from the picture, so flat ones that differ little stay alike
    assert structural_similarity(x[:1], x[:1] + 0.001) > 0.99
    assert structural_similarity(x[1:], 1 - x[1:]) < -0.5


def test_tensors_are_taken():
    x = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    y = (x * 0.5).requires_grad_()
    expected = structural_similarity(x.numpy(), y.detach().numpy())
    assert structural_similarity(x, y) == expected


@pytest.mark.parametrize("shape", [(10, 64), (4, 2, 9), (0, 8, 8), (1, 1, 1, 8, 8)])
def test_flat_and_tiny_pictures_are_refused(shape):
    with pytest.raises(ShapeError, match=r"x has shape .*, expected \(n, h, w\) or \(n, channels"):
        structural_similarity(np.zeros(shape), np.zeros(shape))


def test_what_does_not_fit_is_named():
    x = np.zeros((2, 8, 8))
    with pytest.raises(ShapeError, match=r"y has shape \(1, 1, 8, 8\), expected that of x"):
        structural_similarity(x, x[:1])
    for value in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ArgumentError, match=f"data_range={value}, expected a finite number"):
            structural_similarity(x, x, data_range=value)
    with pytest.raises(ArgumentError, match="y has 64 values that are not finite"):
        structural_similarity(x, np.where(np.arange(2)[:, None, None], x, np.nan))


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"run pip install 'deem\[images\]'"):
        structural_similarity(np.zeros((1, 8, 8)), np.zeros((1, 8, 8)))
