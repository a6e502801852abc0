"""What the plot of skills shows: order, bars, reference, names."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_skills

SKILLS, STD = [0.7, 0.97, 0.4], [0.05, 0.02, 0.3]


def test_the_best_is_on_top_with_bars_of_two_deviations():
    ax = plot_skills(SKILLS, STD, ["Ann", "Bob", "Cem"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Bob", "Ann", "Cem"]
    low, high = ax.get_ylim()
    assert low > high
    (container,) = ax.containers
    np.testing.assert_allclose(container.lines[0].get_xdata(), [0.97, 0.7, 0.4])
    bars = [segment[:, 0] for segment in container.lines[2][0].get_segments()]
    # cut at 0 and 1
    np.testing.assert_allclose(bars, [[0.93, 1.0], [0.6, 0.8], [0.0, 1.0]])
    assert ax.get_xlabel() == "accuracy, ± 2 standard deviations"
    assert ax.get_legend() is None


def test_without_deviations_there_are_no_bars():
    ax = plot_skills(torch.tensor(SKILLS))
    assert not ax.containers[0].has_xerr
    assert ax.get_xlabel() == "accuracy"
    assert ax.get_yticklabels()[0].get_text() == "classifier 1"


def test_references():
    ax = plot_skills(SKILLS, STD, reference=[0.6, 0.9, 0.5])
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), [0.9, 0.6, 0.5])
    assert ax.get_legend() is not None
    line = plot_skills(SKILLS, reference=1 / 3).lines[-1]
    np.testing.assert_allclose(line.get_xdata(), [1 / 3, 1 / 3])


def test_many_classifiers_are_ranked_without_names():
    ax = plot_skills(np.linspace(0, 1, 500))
    assert ax.get_ylabel() == "rank among 500 classifiers"
    assert ax.figure.get_size_inches()[1] < 12


def test_given_axes_are_used_and_pyplot_is_left_alone():
    own = plot_skills(SKILLS)
    assert plot_skills(SKILLS, ax=own) is own
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"skills": [SKILLS]}, ShapeError, r"skills has shape \(1, 3\), expected"),
        ({"skills": [0.5, 1.5, 0.1]}, ArgumentError, r"skills\[1\]=1.5 with std 0"),
        ({"std": [0.1, -0.1, 0.1]}, ArgumentError, r"skills\[1\]=0.97 with std -0.1"),
        ({"std": [0.1]}, ShapeError, "std has 1 entries, expected 3"),
        ({"names": ["Ann"]}, ShapeError, "names has 1 entries, expected 3"),
        ({"reference": [0.1]}, ShapeError, "reference has 1 entries, expected 3"),
    ],
)
def test_bad_arguments_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_skills(**{"skills": SKILLS, **arguments})
