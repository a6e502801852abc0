"""What the mosaic of weights shows: every unit in its tile, colours around 0."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_mosaic

RNG = np.random.default_rng(0)


def values(axes):
    return np.ma.filled(axes.images[0].get_array(), np.nan)


def test_tiles_stand_row_by_row_with_blank_gaps():
    weight = RNG.normal(size=(12, 5))
    axes = plot_mosaic(weight, image_shape=(3, 4), columns=3)
    drawn = values(axes)
    assert drawn.shape == (3 + 1 + 3, 4 + 1 + 4 + 1 + 4)
    for unit in range(5):
        row, column = divmod(unit, 3)
        found = drawn[4 * row : 4 * row + 3, 5 * column : 5 * column + 4]
        np.testing.assert_array_equal(found, weight[:, unit].reshape(3, 4))
    assert np.isnan(drawn[3]).all()
    assert np.isnan(drawn[:, 4]).all()
    assert np.isnan(drawn[4:, 10:]).all()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "3"]
    assert axes.get_yticks().tolist() == [1, 5]


def test_colours_have_their_middle_at_0_and_read_in_grey():
    axes = plot_mosaic(np.array([[[-3.0, 1.0], [0.0, 2.0]]]))
    (drawn,) = axes.images
    assert drawn.get_clim() == (-3, 3)
    colours = drawn.to_rgba(np.linspace(-3, 3, 31))[:, :3]
    np.testing.assert_allclose(colours[15], colours[15].mean(), atol=0.02)
    assert (np.diff(colours @ [0.299, 0.587, 0.114]) > 0).all()
    # what is blank is none of the colours
    assert (drawn.to_rgba(np.ma.masked_all((1, 1)))[0, 0] == 1).all()


def test_each_tile_may_have_its_own_scale():
    weight = np.stack([np.full((2, 2), 10.0), np.diag([0.1, -0.2]), np.zeros((2, 2))])
    axes = plot_mosaic(weight, scale="tile", columns=3)
    assert axes.images[0].get_clim() == (-1, 1)
    assert values(axes)[:, 0].tolist() == [1, 1]
    np.testing.assert_allclose(values(axes)[:, 3:5], np.diag([0.5, -1]))
    assert (values(axes)[:, 6:] == 0).all()


@pytest.mark.parametrize("shape", [(6, 5, 7), (6, 1, 5, 7)])
def test_filters_of_one_channel_are_grey(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    axes = plot_mosaic(weight, columns=2)
    np.testing.assert_allclose(values(axes)[:5, 8:], weight[1].detach().reshape(5, 7))


def test_filters_of_three_channels_are_coloured_around_grey():
    weight = RNG.normal(size=(4, 3, 5, 6))
    weight[0, :, 0, 0] = 0
    weight[0, :, 0, 1] = [-1, 2, np.nan]
    axes = plot_mosaic(weight.reshape(4, -1).T, image_shape=(3, 5, 6), columns=2)
    drawn = axes.images[0].get_array()
    assert drawn.shape == (11, 13, 3)
    np.testing.assert_allclose(drawn[0, 0], 0.5)
    assert (drawn[0, 1] == 1).all()
    assert (drawn[5] == 1).all()
    largest = np.nanmax(np.abs(weight))
    np.testing.assert_allclose(drawn[6, 7], 0.5 + weight[3, :, 0, 0] / largest / 2)


def test_given_axes_are_drawn_into():
    panel = Figure().add_subplot()
    assert plot_mosaic(np.zeros((4, 2)), ax=panel) is panel
    assert panel.images[0].get_clim() == (-1, 1)


def test_what_does_not_fit_is_named():
    with pytest.raises(ShapeError, match=r"weight has shape \(12, 5\), and 12 pixels are no squ"):
        plot_mosaic(np.zeros((12, 5)))
    with pytest.raises(ShapeError, match=r"\(12, 5\), whose pictures are not of \(3, 5\); pass"):
        plot_mosaic(np.zeros((12, 5)), image_shape=(3, 5))
    with pytest.raises(ShapeError, match=r"has pictures of 5 channels, expected 1 or 3"):
        plot_mosaic(np.zeros((2, 5, 4, 4)))
    with pytest.raises(ShapeError, match=r"image_shape is \(28,\) where weight has shape"):
        plot_mosaic(np.zeros((28, 2)), image_shape=28)
    with pytest.raises(ShapeError, match=r"weight has shape \(4,\), expected \(n_visible"):
        plot_mosaic(np.zeros(4))
    with pytest.raises(ArgumentError, match="scale='each' is unknown; choose one of: shared, til"):
        plot_mosaic(np.zeros((4, 2)), scale="each")
    with pytest.raises(ArgumentError, match="columns=0, expected at least 1"):
        plot_mosaic(np.zeros((4, 2)), columns=0)
