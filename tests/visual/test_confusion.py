"""What the confusion plot shows: data, scale, names."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_confusions

TABLES = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.0, 1.0]]])


def test_images_are_the_confusions_on_a_scale_from_0_to_1():
    axes = plot_confusions(TABLES)
    assert axes.shape == (2,)
    for panel, table in zip(axes, TABLES, strict=True):
        (image,) = panel.images
        np.testing.assert_array_equal(image.get_array(), table)
        assert image.get_clim() == (0.0, 1.0)
        # row 0 is at the top
        assert image.origin == "upper"


def test_there_is_one_labelled_colour_bar():
    figure = plot_confusions(TABLES)[0].figure
    assert len(figure.axes) == 3
    assert figure.axes[-1].get_ylabel() == "probability of the vote given the true class"
    assert {text.get_text() for text in figure.texts} == {"vote", "true class"}


def test_titles_and_class_names():
    axes = plot_confusions(
        TABLES,
        class_names=["cat", "dog"],
        classifier_names=["Ann", "a classifier that goes by a very long name indeed"],
        accuracy=[0.85, 0.756],
    )
    assert axes[0].get_title() == "Ann\n85.0 %"
    lines = axes[1].get_title().split("\n")
    assert len(lines) == 3
    assert lines[-1] == "75.6 %"
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["cat", "dog"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["cat", "dog"]


def test_names_default_to_codes():
    axes = plot_confusions(TABLES)
    assert [panel.get_title() for panel in axes] == ["classifier 0", "classifier 1"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["0", "1"]


def test_unknown_rows_are_grey():
    tables = TABLES.copy()
    tables[0, 1] = np.nan
    (image,) = plot_confusions(tables)[0].images
    grey = image.to_rgba(np.ma.masked_invalid(tables[0]))[1]
    np.testing.assert_allclose(grey, [[0.8, 0.8, 0.8, 1.0]] * 2, atol=0.01)


def test_tensors_are_drawn_as_arrays():
    tensor = torch.tensor(TABLES, requires_grad=True)
    np.testing.assert_array_equal(plot_confusions(tensor)[1].images[0].get_array(), TABLES[1])


def test_pyplot_and_settings_are_left_alone():
    before = dict(mpl.rcParams)
    plot_confusions(TABLES)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("tables", "error", "text"),
    [
        (TABLES[0], ShapeError, r"confusion has shape \(2, 2\), expected \(n_classifiers, "),
        (TABLES[:, :1], ShapeError, r"confusion has shape \(2, 1, 2\)"),
        (TABLES[:0], ShapeError, r"confusion has shape \(0, 2, 2\)"),
        (TABLES.swapaxes(1, 2), ArgumentError, r"confusion\[0, 0\] is no distribution \(sum 1.1"),
        ([[[1.5, -0.5], [0.0, 1.0]]], ArgumentError, r"confusion\[0, 0\] is no distribution"),
    ],
)
def test_bad_tables_are_named(tables, error, text):
    with pytest.raises(error, match=text):
        plot_confusions(tables)


@pytest.mark.parametrize("name", ["class_names", "classifier_names", "accuracy"])
def test_a_wrong_number_of_names_is_named(name):
    with pytest.raises(ShapeError, match=f"{name} has 3 entries, expected 2"):
        plot_confusions(TABLES, **{name: [0.1, 0.2, 0.3]})


def test_a_wrong_number_of_axes_is_named():
    panel = plot_confusions(TABLES[:1])[0]
    with pytest.raises(ArgumentError, match="ax has 1 axes, but there are 2 panels"):
        plot_confusions(TABLES, ax=panel)
