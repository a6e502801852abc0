"""What the picture of a layer shows: blocks, colours around 0, names, what was learnt."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_layer

WEIGHT = np.arange(48.0).reshape(2, 3, 4, 2) - 10.0


def identity(n, k):
    return np.einsum("ij,lm->iljm", np.eye(n), np.eye(k))


def image(panel):
    return np.ma.filled(panel.images[0].get_array(), np.nan)


def test_rows_are_classifiers_before_by_votes():
    (panel,) = plot_layer(torch.tensor(WEIGHT, requires_grad=True))
    drawn = image(panel)
    assert drawn.shape == (6, 8)
    for i, k, j, m in ((0, 0, 0, 0), (1, 2, 3, 1), (1, 0, 2, 1)):
        assert drawn[i * 3 + k, j * 2 + m] == WEIGHT[i, k, j, m]
    assert panel.get_title() == "weight"
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("classifier after", "classifier before")


def test_colours_have_their_middle_at_0():
    (panel,) = plot_layer(WEIGHT)
    (drawn,) = panel.images
    assert drawn.get_clim() == (-37.0, 37.0)
    assert drawn.to_rgba(np.array([[0.0]]))[0, 0, :3] == pytest.approx(0.965, abs=0.02)
    red, _, blue, _ = drawn.to_rgba(np.array([[37.0]]))[0, 0]
    assert red > 3 * blue
    assert plot_layer(np.zeros((1, 2, 1, 2)))[0].images[0].get_clim() == (-1.0, 1.0)


def test_blocks_are_one_unit_wide_with_names_in_their_middles():
    (panel,) = plot_layer(WEIGHT, in_names=["Ann", "Bob"], out_names=list("wxyz"))
    assert panel.get_xlim() == (0, 4)
    assert panel.get_ylim() == (2, 0)
    assert panel.get_xticks().tolist() == [0.5, 1.5, 2.5, 3.5]
    assert panel.get_yticks().tolist() == [0.5, 1.5]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["Ann", "Bob"]
    assert [label.get_text() for label in panel.get_xticklabels()] == list("wxyz")
    # lines between the blocks
    assert panel.get_xticks(minor=True).tolist() == [0, 1, 2, 3, 4]


def test_with_a_start_a_second_panel_shows_what_was_learnt():
    start = identity(5, 3)
    weight = start.copy()
    weight[1, 2, 4, 0] = -0.25
    axes = plot_layer(weight, start=start)
    assert [panel.get_title() for panel in axes] == ["weight", "weight minus start"]
    learnt = image(axes[1])
    assert learnt[5, 12] == -0.25
    assert np.count_nonzero(learnt) == 1
    # its own colours
    assert axes[1].images[0].get_clim() == (-0.25, 0.25)


def test_clearly_negative_cells_carry_a_minus_sign():
    weight = np.zeros((2, 2, 2, 2))
    weight[0, 0, 0, 0], weight[0, 1, 1, 0], weight[1, 1, 0, 1], weight[1, 0, 1, 1] = (
        4,
        -4,
        -2,
        -0.1,
    )
    (panel,) = plot_layer(weight)
    marks = {
        (x, y): line.get_color()
        for line in panel.lines
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    }
    assert marks == {(1.25, 0.75): "white", (0.75, 1.75): "black"}
    assert {line.get_marker() for line in panel.lines} == {"_"}


def test_of_many_classifiers_each_block_is_its_largest_weight():
    weight = 0.01 * np.random.default_rng(0).random((100, 4, 90, 4))
    weight[3, 2, 7, 1], weight[99, 0, 89, 3], weight[5, 0, 5, 0] = -2.0, 1.0, np.nan
    (panel,) = plot_layer(weight)
    drawn = image(panel)
    assert drawn.shape == (100, 90)
    assert drawn[3, 7] == -2.0
    assert drawn[99, 89] == 1.0
    assert np.isnan(drawn[5, 5])
    assert np.isnan(drawn).sum() == 1
    assert panel.get_title() == "weight, the largest of each 4 x 4 block"
    assert (panel.get_xlim(), panel.get_ylim()) == ((0, 90), (100, 0))


def test_what_is_not_finite_is_grey():
    weight = WEIGHT.copy()
    weight[0, 0, 0], weight[1, 0, 0] = np.nan, np.inf
    (panel,) = plot_layer(weight)
    assert np.isnan(image(panel)).sum() == 4
    assert panel.images[0].get_clim() == (-37.0, 37.0)
    assert panel.get_facecolor() == pytest.approx((0.8, 0.8, 0.8, 1.0))
    assert plot_layer(np.full((1, 2, 1, 2), np.nan))[0].images[0].get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((1, 2, 1, 2), "a classifier of few features"),
        ((2, 2, 40, 2), "a classifier of few features"),
        ((30, 3, 1, 3), ""),
        ((60, 2, 60, 2), "a classifier of few features"),
    ],
)
def test_no_text_overlaps_or_is_cut(shape, name):
    names = [[f"{place} {name}" for place in range(shape[axis])] for axis in (0, 2)]
    weight = np.random.default_rng(0).normal(size=shape)
    axes = plot_layer(weight, start=weight / 2, in_names=names[0], out_names=names[1])
    figure = axes[0].figure
    FigureCanvasAgg(figure).draw()
    width, height = figure.get_size_inches() * figure.dpi
    for panel in axes:
        for group in (panel.get_xticklabels(), panel.get_yticklabels()):
            found = [text.get_window_extent() for text in group]
            for place, one in enumerate(found):
                assert not any(one.overlaps(other) for other in found[place + 1 :])
        for text in (panel.title, panel.xaxis.label, panel.yaxis.label, *panel.get_yticklabels()):
            box = text.get_window_extent()
            assert 0 <= box.x0 <= box.x1 <= width
            assert 0 <= box.y0 <= box.y1 <= height
    assert not axes[0].get_tightbbox().overlaps(axes[1].get_tightbbox())


def test_given_axes_are_used_and_pyplot_and_settings_are_left_alone():
    before = dict(mpl.rcParams)
    given = Figure(layout="constrained").subplots(1, 2)
    assert plot_layer(WEIGHT, start=WEIGHT, ax=given).tolist() == given.tolist()
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"weight": WEIGHT[0]}, ShapeError, r"weight has shape \(3, 4, 2\), expected \(n_in, K"),
        ({"weight": WEIGHT[:0]}, ShapeError, r"weight has shape \(0, 3, 4, 2\)"),
        ({"start": WEIGHT[:, :2]}, ShapeError, r"start has shape \(2, 2, 4, 2\), expected \(2, 3"),
        ({"in_names": ["Ann"]}, ShapeError, "in_names has 1 entries, expected 2"),
        ({"out_names": ["Ann"]}, ShapeError, "out_names has 1 entries, expected 4"),
        ({"start": WEIGHT, "ax": Figure().add_subplot()}, ArgumentError, "there are 2 panels"),
    ],
)
def test_bad_arguments_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_layer(**{"weight": WEIGHT, **arguments})
