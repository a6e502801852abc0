"""The layout of pictures in tiles: all that is written can be read."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from deem.visual import plot_mosaic, plot_reconstructions

RNG = np.random.default_rng(0)


def written(panel):
    """Labels of a panel, of its ticks in range, and of the colour bar beside it."""
    yield from (panel.xaxis.label, panel.yaxis.label)
    for axis in (panel.xaxis, panel.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        yield from (label for place, label in ticks if low <= place <= high)
    for bar in panel.child_axes:
        yield from written(bar)


def check_layout(axes):
    figure = axes[0].figure
    FigureCanvasAgg(figure).draw()
    texts = [text for panel in axes for text in written(panel) if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    width, height = figure.get_size_inches() * figure.dpi
    for place, box in enumerate(boxes):
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
    return len(texts)


@pytest.mark.parametrize("shape", [(64, 1), (64, 30), (49, 500), (4, 900)])
@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_texts_of_mosaics_are_inside_and_apart(shape, size):
    axes = plot_mosaic(size * RNG.normal(size=shape))
    assert check_layout([axes]) > 5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("columns", [1, 20])
def test_texts_of_long_mosaics_are_inside_and_apart(columns, channels):
    axes = plot_mosaic(RNG.normal(size=(20, channels, 8, 8)), columns=columns, scale="tile")
    check_layout([axes])


@pytest.mark.parametrize("n_images", [1, 10, 30])
@pytest.mark.parametrize("channels", [1, 3])
def test_texts_of_reconstructions_are_inside_and_apart(n_images, channels):
    data, made = RNG.random((2, 30, channels, 8, 8))
    assert check_layout(plot_reconstructions(data, made, n_images=n_images)) > n_images + 3
