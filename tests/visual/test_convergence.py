"""What the convergence plot shows: lines, their data, units and names."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deem.core.history import History
from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_convergence


def make_history(n_epochs=12, shift=0.0):
    history = History()
    for epoch in range(n_epochs):
        history.append(log_likelihood=-5.0 + shift - 1 / (epoch + 1), own_series=float(epoch))
        if epoch % 5 == 0:
            history.amend(accuracy=0.5 + 0.01 * epoch)
    return history


def test_one_panel_a_series_known_ones_first():
    axes = plot_convergence(make_history())
    assert [panel.get_title() for panel in axes] == ["log-likelihood", "accuracy", "own series"]
    assert [panel.get_ylabel() for panel in axes] == ["nats a sample", "fraction", ""]
    assert {panel.get_xlabel() for panel in axes} == {"epoch"}


def test_lines_are_the_series_over_epochs_from_1():
    history = make_history()
    (panel,) = plot_convergence(history, series="log_likelihood")
    (line,) = panel.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 13))
    np.testing.assert_array_equal(line.get_ydata(), history["log_likelihood"])


def test_series_measured_now_and_then_are_joined():
    (panel,) = plot_convergence(make_history(), series=["accuracy"])
    (line,) = panel.lines
    assert line.get_xdata().tolist() == [1, 6, 11]
    np.testing.assert_allclose(line.get_ydata(), [0.5, 0.55, 0.6])
    assert line.get_marker() == "o"


@pytest.mark.parametrize("form", ["dict", "list"])
def test_several_histories_share_panels_and_a_legend(form):
    runs = {"fast": make_history(), "slow": make_history(30, shift=-1.0)}
    if form == "dict":
        axes = plot_convergence(runs)
    else:
        axes = plot_convergence(list(runs.values()), labels=list(runs))
    assert [len(panel.lines) for panel in axes] == [2, 2, 2]
    assert len({line.get_color() for line in axes[0].lines}) == 2
    (legend,) = axes[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["fast", "slow"]


def test_a_series_of_one_history_only_keeps_its_colour_and_label():
    other = History()
    other.append(log_likelihood=-1.0)
    axes = plot_convergence([other, make_history()], series=["log_likelihood", "accuracy"])
    assert [len(panel.lines) for panel in axes] == [2, 1]
    assert axes[1].lines[0].get_color() == axes[0].lines[1].get_color()
    assert axes[1].lines[0].get_label() == "history 1"


def test_one_history_needs_no_legend():
    axes = plot_convergence(make_history())
    assert not axes[0].figure.legends
    assert axes[0].get_legend() is None


def test_many_histories_stay_apart():
    axes = plot_convergence([make_history(3, k) for k in range(20)], series="own_series")
    looks = {(line.get_color(), line.get_linestyle()) for line in axes[0].lines}
    assert len(looks) == 20


def test_given_axes_are_drawn_into_and_carry_the_legend():
    figure = Figure()
    panel = figure.add_subplot()
    runs = {"a": make_history(), "b": make_history()}
    axes = plot_convergence(runs, series="accuracy", ax=panel)
    assert axes.tolist() == [panel]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", "b"]
    assert not figure.legends


@pytest.mark.parametrize("label", ["a", "a label of quite some length, to be wrapped by columns"])
def test_the_legend_fits_the_figure(label):
    histories = {f"{label} {k}": make_history(3) for k in range(6)}
    figure = plot_convergence(histories, series=["accuracy", "log_likelihood"])[0].figure
    FigureCanvasAgg(figure).draw()
    extent = figure.legends[0].get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.get_size_inches()[0] * figure.dpi


def test_pyplot_is_left_alone():
    plot_convergence(make_history())
    assert plt.get_fignums() == []


def test_unknown_series_are_named_with_the_recorded_ones():
    text = r"series='loss' names no recorded series; choose from: log_likelihood, accuracy, own"
    with pytest.raises(ArgumentError, match=text):
        plot_convergence(make_history(), series="loss")
    with pytest.raises(ArgumentError, match=r"series=\[\] names no recorded series"):
        plot_convergence(make_history(), series=[])


@pytest.mark.parametrize("empty", [History(), [], {}])
def test_nothing_to_draw_is_an_error(empty):
    with pytest.raises(ArgumentError, match="history holds no series; fit the model first"):
        plot_convergence(empty)


def test_a_wrong_number_of_labels_or_axes_is_named():
    with pytest.raises(ShapeError, match="labels has 1 entries, expected 2"):
        plot_convergence([make_history(), make_history()], labels=["a"])
    with pytest.raises(ArgumentError, match="ax has 1 axes, but there are 3 panels"):
        plot_convergence(make_history(), ax=Figure().add_subplot())
