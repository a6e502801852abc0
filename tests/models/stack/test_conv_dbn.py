"""Convolutional deep belief networks: shapes, pooling and training from end to end."""

import pytest
import torch

from deem.models import RBM, ConvDBN, ConvRBM, GaussianConvRBM
from deem.models.stack.building import hidden_units
from deem.utils.exception import ArgumentError, ShapeError


def images(n=40):
    """Bars, horizontal or vertical, one a sample."""
    v = torch.zeros(n, 1, 8, 8)
    for i in range(n):
        v[i, 0, i % 8, :] = 1
    v[::2] = v[::2].transpose(2, 3)
    return v


def test_layers_follow_from_the_lists():
    model = ConvDBN.of(
        ["ConvRBM", GaussianConvRBM],
        (8, 8),
        n_filters=[4, 3],
        n_channels=2,
        filter_shape=[(3, 3), (2, 2)],
        pooling=[2, None],
        random_state=7,
    )
    assert [type(x) for x in model.layers] == [ConvRBM, GaussianConvRBM]
    assert [x.visible_shape for x in model.layers] == [(2, 8, 8), (4, 3, 3)]
    assert [x.hidden_shape for x in model.layers] == [(4, 6, 6), (3, 2, 2)]
    assert [x.random_state for x in model.layers] == [7, 8]
    assert model.n_outputs == 12


def test_it_learns_reconstructs_and_draws():
    v = images()
    model = ConvDBN.of("ConvRBM", (8, 8), [6, 4], filter_shape=(3, 3), pooling=[2, None])
    before = (model.reconstruct(v) - v).square().sum((1, 2, 3)).mean()
    model.fit(v, epochs=(8, 1), batch_size=5, learning_rate=0.05, random_state=0)
    after = (model.decode(model.encode(v, 1), 1) - v).square().sum((1, 2, 3)).mean()
    assert after < 0.7 * before
    assert model.histories[0]["reconstruction_error"][-1] > 0
    assert model.transform(v).shape == (40, 4, 1, 1)
    drawn = model.sample(6, steps=3, random_state=0)
    assert drawn.shape == (6, 1, 8, 8)
    assert set(drawn.unique().tolist()) <= {0.0, 1.0}


def test_pooled_units_are_handed_on_and_spread_downwards():
    layer = ConvRBM((8, 8), (3, 3), 2, pooling=2)
    torch.nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(0))
    model = ConvDBN([layer, RBM(18, 5)])
    v = images(6)
    torch.testing.assert_close(model.up(0, v), layer.pooled(v))
    pooled = torch.rand(5, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    spread = hidden_units(layer, pooled.flatten(1))
    sums = torch.nn.functional.avg_pool2d(spread, 2) * 4
    torch.testing.assert_close(sums, pooled)
    torch.testing.assert_close(spread[..., ::2, ::2], pooled / 4)
    torch.testing.assert_close(model.down(0, pooled), layer.p_v(spread).mean)


def test_the_unit_of_a_block_that_is_on_is_drawn_evenly():
    layer = ConvRBM((4, 4), (3, 3), 1, pooling=2)
    on = torch.tensor([1.0, 0.0]).repeat(2000)[:, None, None, None]
    h = hidden_units(layer, on, torch.Generator().manual_seed(0))
    assert h.shape == (4000, 1, 2, 2)
    assert torch.equal(h.sum((1, 2, 3)), on[:, 0, 0, 0])
    shares = h[::2].mean(0).flatten()
    assert ((shares - 0.25).abs() < 4 * (0.25 * 0.75 / 2000) ** 0.5).all()


def test_dense_layers_stand_on_filters():
    v = images(20)
    model = ConvDBN([ConvRBM((8, 8), (3, 3), 2, pooling=2), RBM(18, 5)]).fit(v, epochs=1)
    assert model.transform(v).shape == (20, 5)
    assert model.reconstruct(v).shape == v.shape
    with pytest.raises(ShapeError, match=r"gives \(2, 3, 3\), but layers\[1\] takes \(20,\)"):
        ConvDBN([ConvRBM((8, 8), (3, 3), 2, pooling=2), RBM(20, 5)])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_filters": [4, 3], "filter_shape": [(3, 3)]}, "filter_shape has 1 values"),
        ({"n_filters": [4, 3], "filter_shape": (5, 5)}, r"layers\[1\], on images of \(4, 4\): fi"),
        ({"n_filters": 4}, "n_filters=4; expected one number"),
        ({"n_filters": [4], "filter_shape": (3, 3), "pooling": 4}, r"layers\[0\].* pooling=4"),
    ],
)
def test_layers_that_do_not_fit_are_refused(options, text):
    with pytest.raises(ArgumentError, match=text):
        ConvDBN.of("ConvRBM", (8, 8), **options)
