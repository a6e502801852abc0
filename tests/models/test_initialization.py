"""Where training starts."""

import numpy as np
import pytest
import torch

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.models import BinaryIRBM, SoftIRBM
from deem.models.initialization import STARTS, initialise
from deem.utils.exception import ArgumentError

CODES = np.array([[0, 0, 1], [1, 1, 1], [2, 2, 0], [1, -1, 0], [2, 2, 2], [0, 0, 0]])
VOTES = read_votes(CODES)


def start(method, model=None, votes=VOTES, **options):
    model = SoftIRBM(3, 3).double() if model is None else model
    return initialise(model, votes, method, **{"random_state": 0, **options})


def raw(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_majority_start_weighs_votes_alike():
    found = start("mv", use_weighted=False).predict_classes(VOTES)
    expected = torch.from_numpy(2 * VOTES.vote_counts()).softmax(1)
    complete = (CODES >= 0).all(1)
    torch.testing.assert_close(found[complete], expected[complete])


def test_agreement_scales_the_weights():
    found = start("mv").predict_classes(VOTES)
    agreement = torch.from_numpy(VOTES.agreement())
    assert agreement.tolist() == pytest.approx([11 / 12, 1.0, 7 / 12])
    one_hot = VOTES.one_hot(dtype=torch.float64)
    expected = (2 * agreement[:, None] * one_hot).sum(1).softmax(1)
    complete = (CODES >= 0).all(1)
    torch.testing.assert_close(found[complete], expected[complete])


@pytest.mark.parametrize("method", ["mv", "mv_rand", "mv_lo", "shares"])
@pytest.mark.parametrize("units", [1, 2])
def test_majority_starts_agree_with_clear_majorities(method, units):
    model = start(method, SoftIRBM(3, 3, units).double())
    found = model.predict_classes(VOTES).argmax(1).numpy()
    clear = VOTES.vote_shares().max(1) == 1
    assert found[clear].tolist() == VOTES.majority()[clear].tolist()


@pytest.mark.parametrize("method", STARTS)
@pytest.mark.parametrize("model", [SoftIRBM(3, 3, 2), BinaryIRBM(3, hidden_dim=2), SoftIRBM(3, 3)])
def test_same_seed_same_start(method, model):
    votes = VOTES if model.n_classes == 3 else read_votes(CODES % 2)
    first, second = (raw(start(method, model, votes)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.isfinite(first).all()
    noisy = model.hidden_dim > 1 or method not in ("mv", "shares")
    assert torch.equal(first, raw(start(method, model, votes, random_state=1))) != noisy


@pytest.mark.parametrize("method", ["mv_rand", "mv_lo", "rand"])
def test_the_noise_is_small_and_does_not_hang_on_the_order_of_samples(method):
    first = start(method, use_weighted=False)
    second = start(method, votes=VOTES.take([5, 3, 1, 0, 2, 4]), use_weighted=False)
    assert torch.equal(raw(first), raw(second))
    other = start("mv" if method != "rand" else "rand", use_weighted=False, random_state=1)
    difference = (first.weight - other.weight).abs()
    assert 0 < difference.max() < 0.1


def test_further_units_are_not_equal():
    model = start("mv", SoftIRBM(3, 3, 3).double())
    weight = model.weight.detach()
    assert (weight[:, :, 1] - weight[:, :, 2]).abs().max() > 1e-3
    assert weight[:, :, 1:].abs().max() < 0.1 < weight[:, :, 0].abs().max()


def test_shares_are_the_estimate_from_vote_shares():
    model = start("shares")
    counts, class_counts = VOTES.share_statistics
    model.prepare(Dataset(VOTES))
    confusion = counts + model.pseudo_votes.numpy()
    confusion /= confusion.sum(1, keepdims=True)
    prior = class_counts + float(model.pseudo_samples)
    log_prior, table = (x.detach().numpy() for x in model.log_tables())
    assert np.exp(table) == pytest.approx(confusion)
    assert np.exp(log_prior) == pytest.approx(prior / prior.sum())


@pytest.mark.parametrize("method", STARTS)
def test_a_classifier_without_votes_is_harmless(method):
    codes = CODES.copy()
    codes[:, 1] = -1
    model = start(method, votes=read_votes(codes, n_classes=3))
    assert torch.isfinite(raw(model)).all()


@pytest.mark.parametrize("method", STARTS)
def test_starts_keep_the_dtype(method):
    model = start(method, SoftIRBM(3, 3))
    assert model.dtype == torch.float32
    assert start(method, model) is model


def test_unknown_starts_are_refused():
    with pytest.raises(ArgumentError, match="init_method='magic' is unknown; choose one of: "):
        start("magic")
