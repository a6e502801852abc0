"""What the pictures of reconstructions and of draws show."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_reconstructions, plot_samples

RNG = np.random.default_rng(0)
DATA, MADE = RNG.random((2, 30, 12))


def values(panel):
    return np.ma.filled(panel.images[0].get_array(), np.nan)


def test_rows_are_data_reconstruction_and_difference():
    axes = plot_reconstructions(DATA, torch.tensor(MADE), image_shape=(3, 4), n_images=4)
    assert [panel.get_ylabel() for panel in axes] == ["data", "reconstruction", "difference"]
    for panel, expected in zip(axes, (DATA, MADE, MADE - DATA), strict=True):
        assert values(panel).shape == (3, 4 * 5 - 1)
        np.testing.assert_allclose(values(panel)[:, 5:9], expected[1].reshape(3, 4))
    assert [panel.images[0].get_clim() for panel in axes[:2]] == [(0, 1), (0, 1)]
    low, high = axes[2].images[0].get_clim()
    assert high == -low == np.abs(MADE - DATA)[:4].max()


def test_the_error_stands_below_each():
    axes = plot_reconstructions(DATA, MADE, image_shape=(3, 4), n_images=3)
    errors = ((MADE - DATA)[:3] ** 2).mean(1)
    assert [text.get_text() for text in axes[2].get_xticklabels()] == [f"{x:.2g}" for x in errors]
    assert axes[2].get_xticks().tolist() == [1.5, 6.5, 11.5]
    assert axes[2].get_xlabel() == "mean squared error"


def test_values_outside_the_unit_interval_share_a_scale():
    axes = plot_reconstructions(DATA[:2, :4] * 16, MADE[:2, :4] - 1)
    clims = {panel.images[0].get_clim() for panel in axes[:2]}
    assert clims == {((MADE[:2, :4] - 1).min(), (DATA[:2, :4] * 16).max())}


def test_colours():
    data = RNG.random((5, 3, 4, 6))
    axes = plot_reconstructions(data, data)
    np.testing.assert_allclose(axes[1].images[0].get_array()[:, 7:13], data[1].transpose(1, 2, 0))
    np.testing.assert_allclose(axes[2].images[0].get_array()[:, 7:13], 0.5)


def test_given_axes_with_little_room_name_some_errors():
    panels = Figure((2, 2)).subplots(3, 1)
    axes = plot_reconstructions(DATA, MADE, image_shape=(3, 4), n_images=30, ax=panels)
    assert axes.tolist() == panels.tolist()
    assert len(axes[2].get_xticks()) < 30
    assert axes[2].get_xticklabels()[0].get_rotation() == 90


def test_what_does_not_fit_is_named():
    with pytest.raises(
        ShapeError, match=r"reconstructed has shape \(3, 9\), expected that of dat"
    ):
        plot_reconstructions(np.zeros((4, 9)), np.zeros((3, 9)))
    with pytest.raises(ArgumentError, match="n_images=0, expected at least 1"):
        plot_reconstructions(DATA, MADE, image_shape=(3, 4), n_images=0)
    with pytest.raises(ArgumentError, match="ax has 1 axes, but there are 3 panels"):
        plot_reconstructions(DATA, MADE, image_shape=(3, 4), ax=Figure().add_subplot())


def test_samples_stand_in_a_grid():
    axes = plot_samples(DATA[:7], image_shape=(3, 4), columns=3)
    image = values(axes)
    assert image.shape == (3 * 4 - 1, 3 * 5 - 1)
    np.testing.assert_array_equal(image[4:7, 5:9], DATA[4].reshape(3, 4))
    assert np.isnan(image[8:, 5:]).all()
    assert axes.images[0].get_clim() == (0, 1)


def test_chains_are_columns_and_time_runs_down():
    draws = torch.tensor(DATA.reshape(5, 6, 12))
    image = values(plot_samples(draws, image_shape=(3, 4)))
    assert image.shape == (5 * 4 - 1, 6 * 5 - 1)
    np.testing.assert_array_equal(image[8:11, 20:24], draws[2, 4].reshape(3, 4))


def test_samples_of_real_values_and_colours():
    panel = Figure().add_subplot()
    assert plot_samples(DATA[:, :9] * 4 - 2, ax=panel) is panel
    low, high = panel.images[0].get_clim()
    assert (low, high) == (DATA[:, :9].min() * 4 - 2, DATA[:, :9].max() * 4 - 2)
    assert plot_samples(np.zeros((2, 3, 5, 5)), columns=2).images[0].get_array().shape == (
        5,
        11,
        3,
    )
