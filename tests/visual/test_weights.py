"""What the weight plot shows: rows are classes, the scale is symmetric."""

import numpy as np
import pytest
import torch

from deem.models.irbm import BinaryIRBM
from deem.utils.exception import ShapeError
from deem.visual import plot_weights

WEIGHT = np.arange(18.0).reshape(2, 3, 3) - 5.0


def test_images_have_the_class_in_the_rows():
    axes = plot_weights(WEIGHT)
    for panel, weight in zip(axes, WEIGHT, strict=True):
        (image,) = panel.images
        np.testing.assert_array_equal(image.get_array(), weight.T)
        assert image.get_clim() == (-12.0, 12.0)
    assert axes[0].figure.axes[-1].get_ylabel() == "weight (nats)"
    assert {text.get_text() for text in axes[0].figure.texts} == {"vote", "true class"}


def test_one_hidden_unit_is_drawn_as_none():
    one = plot_weights(WEIGHT[:, :, np.newaxis], classifier_names=["Ann", "Bob"])
    assert [panel.get_title() for panel in one] == ["Ann", "Bob"]
    np.testing.assert_array_equal(one[1].images[0].get_array(), WEIGHT[1].T)


def test_hidden_units_stand_side_by_side():
    weight = torch.randn(5, 3, 2, 3, generator=torch.Generator().manual_seed(0))
    axes = plot_weights(weight.requires_grad_())
    assert len(axes) == 10
    assert axes[3].get_title() == "classifier 1\nunit 1"
    np.testing.assert_array_equal(axes[3].images[0].get_array(), weight[1, :, 1].detach().T)
    starts = [panel.get_subplotspec().colspan.start for panel in axes[::2]]
    assert all(start % 2 == 0 for start in starts)


def test_zero_weights_have_a_scale():
    axes = plot_weights(np.zeros((1, 2, 2)))
    assert axes[0].images[0].get_clim() == (-1.0, 1.0)
    # rounding leaves no negative zero
    small = plot_weights(np.full((1, 1, 1), -0.01))
    assert small[0].texts[0].get_text() == "0.0"


def test_the_weights_of_two_classes_name_their_cure():
    model = BinaryIRBM(4, 2)
    cure = r"pass model_\.categorical_parameters\(\)\[1\]"
    with pytest.raises(ShapeError, match=rf"weight has shape \(4, 1\), expected .*; if .*{cure}"):
        plot_weights(model.weight)
    assert len(plot_weights(model.categorical_parameters()[1])) == 4


@pytest.mark.parametrize("shape", [(3,), (2, 3, 2), (2, 3, 1, 2)])
def test_bad_shapes_are_named(shape):
    found = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ShapeError, match=rf"weight has shape {found}, expected \(n_classifiers"):
        plot_weights(np.zeros(shape))
