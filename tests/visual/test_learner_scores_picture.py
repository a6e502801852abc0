"""What the picture of the scores of learners shows: arrows, planes and scales."""

import numpy as np
import pytest
import torch

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_learner_scores_2d

SCORES = np.array([[[4.0, 0.0, 1.0], [0.0, 4.0, 1.0]], [[0.0, 1.0, 6.0], [2.0, 1.0, 0.0]]])


def arrows_of(panel):
    """Start and end of each arrow."""
    return [(note.xyann, note.xy) for note in panel.texts if note.arrow_patch is not None]


def test_arrows_go_from_the_mean_to_the_learners():
    (panel,) = plot_learner_scores_2d(SCORES, outputs=(0, 1))
    assert arrows_of(panel) == [((2, 2), (4, 0)), ((2, 2), (0, 4))]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("score of class 0", "score of class 1")
    assert {"$f_{1}$", "$f_{2}$", r"$\bar{f}$"} <= {note.get_text() for note in panel.texts}
    assert panel.get_xlim() == panel.get_ylim()


def test_the_plane_is_that_of_the_true_class_and_the_best_other():
    names = ["ant", "bee", "cat"]
    panels = plot_learner_scores_2d(SCORES, y=[1, 2], samples=[0, 1], output_names=names)
    assert [(p.get_xlabel(), p.get_ylabel()) for p in panels] == [
        ("score of bee (true)", "score of ant"),
        ("score of cat (true)", "score of ant"),
    ]
    # Without classes it is that of the two best by the mean, (1, 1, 3).
    (panel,) = plot_learner_scores_2d(torch.tensor(SCORES), samples=1)
    assert panel.get_xlabel() == "score of class 2"


def test_ensembles_side_by_side_have_one_scale_and_keep_their_mean():
    push = np.array([[5.0, -5.0, 0.0], [-5.0, 5.0, 0.0]])
    pair = {"β = 0": SCORES, "β = 1": SCORES + push}
    axes = plot_learner_scores_2d(pair, samples=[0, 1], outputs=(0, 1))
    assert [p.get_title() for p in axes[:3]] == [
        "β = 0, sample 0",
        "β = 1, sample 0",
        "β = 0, sample 1",
    ]
    assert axes[0].get_xlim() == axes[1].get_xlim()
    (start, end), (start_1, end_1) = arrows_of(axes[0])[0], arrows_of(axes[1])[0]
    assert start == start_1
    assert end_1 == (end[0] + 5, end[1] - 5)


def test_many_learners_are_not_named_and_learners_in_one_place_are_drawn():
    (panel,) = plot_learner_scores_2d(np.zeros((1, 9, 2)))
    assert len(arrows_of(panel)) == 9
    assert "$f_{1}$" not in {note.get_text() for note in panel.texts}


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"scores": np.zeros(3)}, ShapeError, r"scores has shape \(3,\), expected \(n_samples"),
        ({"scores": np.zeros((2, 3, 1))}, ShapeError, "scores has 1 output; a plane needs two"),
        ({"scores": {}}, ArgumentError, "scores is empty"),
        ({"scores": {"a": SCORES, "b": SCORES[:1]}}, ShapeError, r"\[\(1, 3\), \(2, 3\)\]"),
        ({"scores": {"a": SCORES * np.nan}}, ArgumentError, r"scores\['a'\] has values that"),
        ({"y": [0]}, ShapeError, "y has 1 entries, expected 2"),
        ({"y": [0, 3]}, ArgumentError, "y has 3, but there are 3 outputs"),
        ({"samples": 2}, ArgumentError, "samples has 2, but there are 2"),
        ({"samples": []}, ArgumentError, r"samples=\[\]; expected at least one"),
        ({"samples": 0.5}, ArgumentError, "samples=0.5; expected a whole number"),
        ({"outputs": (1, 1)}, ArgumentError, r"outputs=\(1, 1\); expected two different"),
        ({"output_names": ["a"]}, ShapeError, "output_names has 1 entries, expected 3"),
    ],
)
def test_bad_scores_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_learner_scores_2d(**{"scores": SCORES, **arguments})
