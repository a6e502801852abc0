"""The layout that the heat maps share, by what a reader sees."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deem.visual import plot_confusions
from deem.visual._grid import default_columns

RNG = np.random.default_rng(0)


def tables(n_classifiers, n_classes):
    return RNG.dirichlet(np.ones(n_classes), (n_classifiers, n_classes))


def boxes(axes, texts):
    renderer = axes[0].figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in texts if text.get_text()]


def drawn(axes):
    FigureCanvasAgg(axes[0].figure).draw()
    return axes


@pytest.mark.parametrize(("n_panels", "columns"), [(1, 1), (3, 3), (4, 4), (12, 4), (100, 12)])
def test_columns(n_panels, columns):
    assert default_columns(n_panels) == columns


@pytest.mark.parametrize(("n_classifiers", "n_classes"), [(1, 2), (5, 26), (12, 10), (40, 2)])
def test_no_text_overlaps(n_classifiers, n_classes):
    names = [f"some classifier number {d}, with few features" for d in range(n_classifiers)]
    classes = [f"class {k}" for k in range(n_classes)]
    axes = drawn(
        plot_confusions(
            tables(n_classifiers, n_classes),
            class_names=classes,
            classifier_names=names,
            accuracy=RNG.random(n_classifiers),
        )
    )
    titles = boxes(axes, [panel.title for panel in axes])
    ticks = boxes(axes, axes[-1].get_xticklabels()), boxes(axes, axes[0].get_yticklabels())
    for found in (titles, *ticks):
        for place, one in enumerate(found):
            assert not any(one.overlaps(other) for other in found[place + 1 :])
    width, height = axes[0].figure.get_size_inches() * axes[0].figure.dpi
    for box in titles + ticks[0] + ticks[1]:
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height


def test_many_classes_are_named_in_part():
    axes = plot_confusions(tables(12, 26), class_names=[chr(65 + k) for k in range(26)])
    assert [label.get_text() for label in axes[0].get_yticklabels()] == list("ACEGIKMOQSUWY")


def test_only_outer_panels_carry_class_names():
    axes = drawn(plot_confusions(tables(7, 3)))
    named = [
        (bool(boxes(axes, [t for t in panel.get_yticklabels() if t.get_visible()])))
        and panel.yaxis.get_tick_params()["labelleft"]
        for panel in axes
    ]
    below = [panel.xaxis.get_tick_params()["labelbottom"] for panel in axes]
    columns = default_columns(7)
    assert named == [place % columns == 0 for place in range(7)]
    assert below == [place >= 7 - columns for place in range(7)]


def test_large_cells_carry_their_values():
    values = [text.get_text() for text in plot_confusions([[[0.25, 0.75], [1.0, 0.0]]])[0].texts]
    assert values == ["0.25", "0.75", "1.00", "0.00"]
    assert not plot_confusions(tables(12, 10))[0].texts


def test_given_axes_are_drawn_into():
    figure = Figure(layout="constrained")
    given = figure.subplots(1, 2)
    axes = plot_confusions(tables(2, 3), ax=given)
    assert list(axes) == list(given)
    assert [panel.get_xlabel() for panel in axes] == ["vote", "vote"]
    assert [panel.get_ylabel() for panel in axes] == ["true class", "true class"]
    # the two panels and their colour bar
    assert len(figure.axes) == 3


def test_one_given_axes_without_a_grid_is_enough():
    figure = Figure()
    panel = figure.add_axes((0.1, 0.1, 0.5, 0.5))
    assert plot_confusions(tables(1, 3), ax=panel)[0] is panel
