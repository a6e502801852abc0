"""Residual deep belief networks: codes that do not depend on neighbours, and their inverse."""

import numpy as np
import pytest
import torch

from deem.models import DBN, RBM, ConvRBM, GaussianReluRBM, ResidualDBN
from deem.utils.exception import ArgumentError


def rows(n=40):
    return torch.rand(n, 6, generator=torch.Generator().manual_seed(0)).double().round()


def fitted(zeta_1=1.0, zeta_2=1.0):
    model = ResidualDBN([RBM(6, 5), RBM(5, 3)], zeta_1, zeta_2).double()
    generator = torch.Generator().manual_seed(1)
    for p in model.parameters():
        torch.nn.init.normal_(p, generator=generator)
    for layer in model.layers:
        torch.nn.init.ones_(layer.hidden_bias)
    return model.fit(rows(), epochs=0)


def formula(layer, v, zeta_1, zeta_2, top=None):
    """The code as it is written down, in numpy; largest field over all of v unless given."""
    w, b = (p.detach().numpy() for p in (layer.weight, layer.hidden_bias))
    x = np.asarray(v) @ w + b
    top = x.max() if top is None else top
    total = zeta_1 / (1 + np.exp(-x)) + zeta_2 * np.maximum(x, 0) / top
    return total / (zeta_1 / (1 + np.exp(-top)) + zeta_2), top


@pytest.mark.parametrize("zetas", [(1.0, 1.0), (0.3, 2.0), (0.0, 1.0), (1.0, 0.0)])
def test_codes_follow_the_formula_with_the_largest_field_of_the_training_data(zetas):
    model, v = fitted(*zetas), rows()
    first, top = formula(model.layers[0], v, *zetas)
    second, above = formula(model.layers[1], first, *zetas)
    np.testing.assert_allclose(model.largest_field, [top, above], rtol=1e-12)
    np.testing.assert_allclose(model.encode(v, 1).detach(), first, atol=1e-12)
    np.testing.assert_allclose(model.transform(v), second, atol=1e-12)
    assert first.max() == pytest.approx(1)


def test_the_code_of_a_sample_does_not_depend_on_its_neighbours():
    model, v = fitted(), rows()
    alone = torch.cat([model.transform(row[None]) for row in v])
    torch.testing.assert_close(alone, model.transform(v))
    assert model.transform(10 * v).max() == 1


@pytest.mark.parametrize("zetas", [(1.0, 1.0), (0.3, 2.0), (1.0, 0.0)])
def test_decoding_gives_back_the_probabilities(zetas):
    model, v = fitted(*zetas), rows()
    bottom = model.layers[0]
    expected = bottom.p_v(bottom(v)).mean
    torch.testing.assert_close(model.decode(model.encode(v, 1), 1), expected)


def test_reconstructions_depend_on_the_residual_part():
    v, layers = rows(), fitted().layers
    found = [ResidualDBN(list(layers), 1.0, zeta).double().reconstruct(v) for zeta in (0.0, 1.0)]
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_without_residual_part_it_is_a_network_of_scaled_probabilities():
    model, v = fitted(1.0, 0.0), rows()
    scale = model.largest_field[0].sigmoid()
    plain = DBN(list(model.layers))
    torch.testing.assert_close(model.encode(v, 1) * scale, plain.encode(v, 1))


def test_every_field_below_zero_leaves_the_probabilities():
    for zetas, largest in (((1.0, 1.0), 1), ((0.0, 1.0), 0)):
        model = ResidualDBN([RBM(6, 5)], *zetas).double()
        torch.nn.init.constant_(model.layers[0].hidden_bias, -30.0)
        code = model.fit(rows(), epochs=0).transform(rows())
        assert model.largest_field[0] < 0
        assert code.max() == largest
        assert model.reconstruct(rows()).isfinite().all()


@pytest.mark.parametrize("zetas", [(-1, 1), (1, -1), (0, 0), (float("nan"), 1)])
def test_weights_out_of_range_are_refused(zetas):
    with pytest.raises(ArgumentError, match="not both 0|finite number"):
        ResidualDBN([RBM(6, 5)], *zetas)
    with pytest.raises(ArgumentError, match="zeta_1='a'; expected a finite number"):
        ResidualDBN([RBM(6, 5)], "a")


@pytest.mark.parametrize("layer", [GaussianReluRBM(6, 5), ConvRBM((4, 4), (3, 3), 2, pooling=2)])
def test_hidden_units_that_are_not_binary_are_refused(layer):
    with pytest.raises(ArgumentError, match="not\nbinary|not binary"):
        ResidualDBN([layer])
