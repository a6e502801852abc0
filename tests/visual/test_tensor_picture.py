"""What pictures of tensors show, on axes and in files."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_tensor, save_tensor

RNG = np.random.default_rng(0)


def drawn(tensor):
    return np.ma.filled(plot_tensor(tensor).images[0].get_array(), np.nan)


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 6), (1, 1, 4, 6), (1, 4, 6, 1)])
def test_one_channel_is_grey(shape):
    tensor = RNG.random(shape)
    np.testing.assert_array_equal(drawn(tensor), tensor.reshape(4, 6))
    image = plot_tensor(tensor).images[0]
    assert image.get_clim() == (0, 1)
    np.testing.assert_allclose(image.to_rgba(np.array([[0.0, 1.0]]))[0, :, :3], [[0] * 3, [1] * 3])


def test_channels_come_first_or_last():
    tensor = RNG.random((4, 6, 3))
    for form in (tensor, tensor.transpose(2, 0, 1), tensor[np.newaxis]):
        np.testing.assert_array_equal(drawn(form), tensor)


def test_several_pictures_are_a_mosaic():
    tensor = RNG.random((5, 4, 6))
    image = drawn(tensor)
    assert image.shape == (3 * 4 + 2, 2 * 6 + 1)
    np.testing.assert_array_equal(image[5:9, 7:], tensor[3])
    assert drawn(RNG.random((3, 1, 4, 6))).ndim == 2
    assert drawn(RNG.random((2, 3, 4, 6))).shape[2] == 3


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (np.array([[0.2, 0.5]]), [0.2, 0.5]),
        (np.array([[-1.0, 0.0, 3.0]]), [0, 0.25, 1]),
        (np.array([[0, 51]], dtype=np.uint8), [0, 0.2]),
        (torch.tensor([[0, 51]], dtype=torch.uint8), [0, 0.2]),
        (torch.tensor([[0, 1]], dtype=torch.uint8), [0, 1]),
        (torch.tensor([[0.0, 2.0]], dtype=torch.bfloat16, requires_grad=True), [0, 1]),
        (torch.tensor([[True, False]]), [1, 0]),
        ([[7, 7]], [0, 0]),
    ],
)
def test_values_in_the_unit_interval_stay_others_are_scaled(tensor, expected):
    np.testing.assert_allclose(drawn(tensor)[0], expected)


def test_a_file_holds_the_values(tmp_path):
    tensor = np.round(255 * RNG.random((4, 6, 3))) / 255
    save_tensor(tensor, tmp_path / "colour.png")
    np.testing.assert_allclose(imread(tmp_path / "colour.png")[:, :, :3], tensor, atol=1e-6)
    save_tensor(torch.tensor([[0.0, 1.0]]), str(tmp_path / "grey.PNG"), zoom=3)
    expected = np.repeat([0.0, 1.0], 3)[np.newaxis, :, np.newaxis] * np.ones((3, 1, 3))
    np.testing.assert_array_equal(imread(tmp_path / "grey.PNG")[:, :, :3], expected)


def test_a_file_of_several_has_gaps_of_another_colour(tmp_path):
    save_tensor(np.zeros((2, 4, 4)), tmp_path / "two.png")
    image = imread(tmp_path / "two.png")[:, :, :3]
    assert image.shape == (4, 9, 3)
    assert (image[:, [0, 1, 2, 3, 5, 6, 7, 8]] == 0).all()
    assert (image[:, 4] > 0.5).all()


@pytest.mark.parametrize("suffix", [".jpg", ".tiff", ".webp"])
def test_other_formats(tmp_path, suffix):
    save_tensor(np.full((8, 8), 0.5), tmp_path / f"x{suffix}")
    assert imread(tmp_path / f"x{suffix}").shape[:2] == (8, 8)


@pytest.mark.parametrize("shape", [(5,), (), (0, 4), (2, 2, 2, 2), (2, 5, 4, 4), (1, 2, 3, 4, 5)])
def test_other_shapes_are_named(shape):
    with pytest.raises(ShapeError, match=r"tensor has shape .*, expected \(h, w\), \(h, w, 3\)"):
        plot_tensor(np.zeros(shape))


def test_what_cannot_be_drawn_or_saved_is_named(tmp_path):
    with pytest.raises(ArgumentError, match="tensor has 1 values that are not finite; replace"):
        plot_tensor([[0.0, np.nan]])
    with pytest.raises(
        ArgumentError, match=r"path='x\.deem' does not end in one of \.jpeg, \.jpg"
    ):
        save_tensor(np.eye(2), "x.deem")
    with pytest.raises(ArgumentError, match="zoom=0, expected at least 1"):
        save_tensor(np.eye(2), tmp_path / "x.png", zoom=0)
    with pytest.raises(FileNotFoundError):
        save_tensor(np.eye(2), tmp_path / "no" / "x.png")
