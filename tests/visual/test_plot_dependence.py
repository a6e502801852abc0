"""What the dependence plot shows: order, colours, outlines, names."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_dependence

RHO = np.array([[1, 0, 0.8, 0], [0, 1, 0, -0.5], [0.8, 0, 1, 0], [0, -0.5, 0, 1.0]])


def order_of(axes):
    return [int(label.get_text()) for label in axes[1].get_yticklabels()]


def test_the_heat_map_has_the_correlations_in_the_order_of_the_tree():
    axes = plot_dependence(RHO)
    order = order_of(axes)
    assert abs(order.index(0) - order.index(2)) == 1
    (image,) = axes[1].images
    shown = np.ma.filled(image.get_array(), np.nan)
    expected = RHO[np.ix_(order, order)]
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_array_equal(shown[off], expected[off])
    assert np.isnan(np.diag(shown)).all()
    assert image.get_clim() == (-1.0, 1.0)
    # The colours have their middle at 0.
    assert image.to_rgba(np.array([[0.0]]))[0, 0, :3] == pytest.approx(0.965, abs=0.02)


def test_the_tree_stands_over_its_columns():
    tree, heat = plot_dependence(RHO)
    assert tree.get_xlim() == (-0.5, 3.5)
    assert len(tree.lines) == 3
    lowest = min(tree.lines, key=lambda line: max(line.get_ydata()))
    assert max(lowest.get_ydata()) == pytest.approx(0.2)
    place = order_of((tree, heat)).index
    assert {lowest.get_xdata()[0], lowest.get_xdata()[-1]} == {place(0), place(2)}


def test_clusters_are_outlined():
    axes = plot_dependence(RHO, clusters=[(0, 2)])
    (square,) = axes[1].patches
    first = min(order_of(axes).index(i) for i in (0, 2))
    assert square.get_xy() == (first - 0.5, first - 0.5)
    assert square.get_width() == square.get_height() == 2


def test_names_are_thinned_where_they_do_not_fit():
    few = plot_dependence(RHO, classifier_names=list("abcd"))[1]
    assert sorted(label.get_text() for label in few.get_xticklabels()) == list("abcd")
    many = plot_dependence(np.eye(300))[1]
    assert 20 < len(many.get_yticklabels()) < 100


def test_given_axes_and_tensors_are_used():
    figure = Figure()
    given = figure.subplots(2)
    axes = plot_dependence(torch.tensor(RHO, requires_grad=True), ax=given)
    assert list(axes) == list(given)


def test_the_figure_can_be_drawn_and_leaks_nothing(tmp_path):
    settings = dict(mpl.rcParams)
    plot_dependence(RHO[:2, :2])[0].figure.savefig(tmp_path / "plot.png")
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((RHO[:3],), ShapeError, r"correlation has shape \(3, 4\), expected"),
        (([[1.0]],), ArgumentError, "correlation has 1 classifier"),
        ((RHO, np.zeros((2, 4))), ShapeError, r"linkage has shape \(2, 4\), expected \(3, 4\)"),
    ],
)
def test_arguments_are_checked(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_dependence(*arguments)


def test_clusters_and_axes_are_checked():
    with pytest.raises(ArgumentError, match=r"clusters has \(., 3\), whose members do not stand"):
        plot_dependence(RHO, clusters=[(0, 3), (2, 3)])
    with pytest.raises(ArgumentError, match="ax has 1 axes, expected 2"):
        plot_dependence(RHO, ax=[Figure().add_subplot()])
