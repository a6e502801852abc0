"""The judge, the clock and the manners of the benchmark of the zoo."""

import os

import numpy as np
import pytest
import torch
from zoo_checks import equal
from zoo_classify import error
from zoo_data import cpu_seconds, exact_log_likelihood, independent_pixels, ratio, verdict
from zoo_likelihood import OURS, TARGETS, ours
from zoo_peers import Images, elsewhere

from deem.models import RBM

STATES = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)


def test_the_likelihood_sums_to_one_and_is_that_of_the_model():
    model = RBM(4, 3, random_state=0).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    parameters = (model.weight, model.visible_bias, model.hidden_bias)
    log_p = [exact_log_likelihood(parameters, v[None]) for v in STATES]
    assert np.exp(log_p).sum() == pytest.approx(1)
    assert log_p == pytest.approx(model.score_samples(STATES.double()).tolist())


def test_independent_pixels_multiply():
    log_p = exact_log_likelihood(independent_pixels(STATES[:8]), STATES[:1])
    assert np.exp(log_p) == pytest.approx(0.9 * 0.5**3)


def test_contenders_alternate_and_the_first_round_is_thrown_away():
    order = []
    contenders = {name: lambda name=name: order.append(name) for name in "ab"}
    assert [len(x) for x in cpu_seconds(contenders, rounds=2).values()] == [2, 2]
    assert order == list("ababab")


def test_ratios_are_medians_over_rounds():
    assert ratio({"a": [2.0, 9.0, 4.0], "b": [1.0, 3.0, 4.0]}, "a", "b") == 2
    assert [verdict(1.0, 2.0), verdict(1.0, 2.0, at_least=False)] == ["MISSED", "reached"]


def test_a_model_is_trained_by_its_seed():
    data = STATES[:4].repeat(5, 1)
    fit = ours("RBM")
    one, same, other = (fit(data, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert set(TARGETS) <= set(OURS)


def test_models_of_the_same_bits_are_equal():
    assert equal(RBM(3, 2), RBM(3, 2))
    assert not equal(RBM(3, 2), RBM(3, 2, random_state=1))


def test_folds_cover_every_digit_once():
    tested = []
    always_zero = lambda data, labels, test: tested.append(len(test)) or np.zeros(len(test))  # noqa: E731
    assert error(always_zero) == pytest.approx(100 * (1 - 178 / 1797))
    assert sum(tested) == 1797


def test_images_hold_the_pixels():
    data = (torch.rand(3, 9, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    images = Images(data)
    assert torch.equal(torch.stack([images[i][0].flatten() for i in range(len(images))]), data)


def test_peers_leave_no_traces():
    folder, state, dtype = os.getcwd(), torch.get_rng_state(), torch.get_default_dtype()
    with elsewhere():
        torch.rand(3)
        torch.set_default_dtype(torch.float64)
        assert os.getcwd() != folder
    assert os.getcwd() == folder
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == dtype
