"""What the plot of a sampler's records shows: panels, target, ranges, labels."""

import math

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from deem.core.history import History
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.models import SoftIRBM
from deem.samplers.dlp import DiscreteLangevin
from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_chains

TITLES = ["accepted moves", "chains that never moved", "effective draws", "step size"]


def make_history(step_sizes=(0.5, 0.6, 0.7)):
    history = History()
    for epoch, step_size in enumerate(step_sizes):
        history.append(free_energy=-1.0, step_size=step_size, stuck=0.1 - 0.05 * epoch)
        history.amend(acceptance=0.3 + 0.1 * epoch)
    history.amend(effective_share=0.02)
    return history


def test_one_panel_a_series_in_a_fixed_order():
    history = make_history()
    axes = plot_chains(history)
    assert [panel.get_title() for panel in axes] == TITLES
    units = ["fraction", "fraction", "fraction of the draws", ""]
    assert [panel.get_ylabel() for panel in axes] == units
    for panel, name in zip(axes[:2], ("acceptance", "stuck"), strict=True):
        (line,) = panel.lines
        np.testing.assert_array_equal(line.get_ydata(), history[name])
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    # measured in the last epoch only
    assert axes[2].lines[0].get_xdata().tolist() == [3]


def test_what_is_missing_is_left_out():
    history = History()
    history.append(acceptance=0.5, effective_share=math.nan, free_energy=-1.0)
    assert [panel.get_title() for panel in plot_chains(history)] == TITLES[:1]


def test_the_target_is_a_line_in_the_panel_of_the_acceptance_alone():
    axes = plot_chains(make_history(), target=0.574)
    assert [len(panel.lines) for panel in axes] == [2, 1, 1, 1]
    assert set(axes[0].lines[-1].get_ydata()) == {0.574}
    assert axes[0].get_title() == "accepted moves (dashed: target 0.574)"


def test_fractions_start_at_0_and_the_acceptance_ends_at_1():
    axes = plot_chains(make_history())
    for panel in axes[:3]:
        assert panel.get_ylim()[0] < 0 < 0.1 * panel.get_ylim()[1]
    assert 1 < axes[0].get_ylim()[1] < 1.1
    assert 0.1 < axes[1].get_ylim()[1] < 0.15


def test_chains_that_all_move_have_a_range():
    history = History()
    history.append(stuck=0.0)
    (panel,) = plot_chains(history)
    assert panel.get_ylim()[1] > 0.9


@pytest.mark.parametrize(("sizes", "scale"), [((0.5, 0.9), "linear"), ((0.02, 1.0), "log")])
def test_step_sizes_of_several_magnitudes_have_a_log_axis(sizes, scale):
    assert plot_chains(make_history(sizes))[-1].get_yscale() == scale


@pytest.mark.parametrize("form", [dict, list])
def test_several_histories_share_panels_and_a_legend(form):
    other = History()
    other.append(acceptance=0.9)
    runs = {"long": make_history(), "short": other}
    axes = plot_chains(runs if form is dict else list(runs.values()))
    assert [len(panel.lines) for panel in axes] == [2, 1, 1, 1]
    (legend,) = axes[0].figure.legends
    names = ["long", "short"] if form is dict else ["history 0", "history 1"]
    assert [text.get_text() for text in legend.get_texts()] == names


def test_a_training_with_a_tuned_sampler_is_drawn(seed):
    votes = read_votes(np.random.default_rng(seed).integers(2, size=(40, 4)), n_classes=2)
    solver = ContrastiveDivergence(sampler=DiscreteLangevin(), persistent=True)
    model = SoftIRBM(4, 2).fit(votes, solver=solver, epochs=20, random_state=seed)
    axes = plot_chains(model.history)
    assert [panel.get_title() for panel in axes][:3] == TITLES[:3]
    acceptance = axes[0].lines[0].get_ydata()
    assert len(acceptance) == 20
    assert (acceptance > 0).all()


def test_given_axes_are_used_and_pyplot_is_left_alone():
    given = Figure().subplots(2, 2)
    assert plot_chains(make_history(), ax=given).tolist() == given.ravel().tolist()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("empty", [History(), [], {}])
def test_nothing_recorded_is_an_error_with_a_cure(empty):
    text = r"history has recorded none of acceptance, stuck, .*; fit with ContrastiveDiv"
    with pytest.raises(ArgumentError, match=text):
        plot_chains(empty)
    history = History()
    history.append(objective=1.0, acceptance=math.nan)
    with pytest.raises(ArgumentError, match=text):
        plot_chains(history)


def test_bad_arguments_are_named():
    with pytest.raises(ArgumentError, match=r"target=1.5; it must lie between 0 and 1"):
        plot_chains(make_history(), target=1.5)
    with pytest.raises(ShapeError, match="labels has 2 entries, expected 1"):
        plot_chains(make_history(), labels=["a", "b"])
    with pytest.raises(ArgumentError, match="ax has 1 axes, but there are 4 panels"):
        plot_chains(make_history(), ax=Figure().add_subplot())
