"""Subclasses: starts that tell them apart, EM, and what they are good for."""

import numpy as np
import pytest
import torch

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM
from deem.math.random import as_generator
from deem.models import SoftIRBM, SubclassIRBM
from deem.models.initialization import STARTS, initialise
from deem.utils.exception import ArgumentError


def simulate(n=1000, seed=0, gaps=0.1):
    """Two classes of two subclasses each: on hard samples three of ten err together."""
    rng = np.random.default_rng(seed)
    truth, hard = rng.integers(0, 2, n), rng.random(n) < 0.35
    accuracy = np.where(hard[:, None] & (np.arange(10) < 3), 0.1, 0.8)
    codes = np.where(rng.random((n, 10)) < accuracy, truth[:, None], 1 - truth[:, None])
    return np.where(rng.random((n, 10)) < gaps, -1, codes), truth


CODES, TRUTH = simulate()
VOTES = read_votes(CODES)


def start(votes=VOTES, method="shares", seed=0, **arguments):
    arguments = {"n_subclasses": 2, **arguments}
    model = SubclassIRBM(votes.n_classifiers, votes.n_classes, **arguments).double()
    return initialise(model, votes, method, random_state=seed)


def objectives(model, data, steps):
    model.prepare(data)
    rows = model.em_data(data)
    return np.array([float(sum(model.em_step(rows))) for _ in range(steps)])


def tables(model):
    return [x.detach() for x in model.log_tables()]


@pytest.mark.parametrize("method", ["shares", "mv"])
def test_one_subclass_is_the_inverse_rbm(method):
    codes = CODES.copy()
    codes[3] = -1
    votes = read_votes(codes)
    one = start(votes, method, n_subclasses=1)
    soft = initialise(SoftIRBM(10, 2).double(), votes, method)
    if method == "shares":
        torch.testing.assert_close(tables(one), tables(soft))
        for model in (one, soft):
            model.fit(votes)
        torch.testing.assert_close(tables(one), tables(soft))
        assert one.history["objective"] == pytest.approx(soft.history["objective"])
    agrees = one.predict_classes(votes).argmax(1) == soft.predict_classes(votes).argmax(1)
    assert agrees.double().mean() > 0.99


@pytest.mark.parametrize("known", [None, (0.3, 0.7)])
def test_em_raises_the_objective(known):
    weights = np.random.default_rng(0).random(len(CODES))
    data = Dataset(VOTES.with_weights(weights))
    series = objectives(start(n_subclasses=3, class_prior=known), data, 40)
    assert (np.diff(series) > -1e-9 * abs(series[0])).all()
    assert series[-1] > series[0] + 10


def test_em_ends_where_the_gradient_vanishes():
    model, data = start(), Dataset(VOTES)
    model.fit(data, solver=ExactEM(tolerance=0), epochs=3000)
    (model.log_likelihood(data).mean() + model.log_prior() / len(data)).backward()
    assert max(float(p.grad.abs().max()) for p in model.parameters()) < 1e-6


def test_em_keeps_a_known_class_prior():
    model = start(class_prior=(0.2, 0.8)).fit(VOTES)
    torch.testing.assert_close(model.class_tables()[0], torch.tensor([0.2, 0.8]).double())
    assert start().fit(VOTES).class_tables()[0][0] > 0.4


@pytest.mark.parametrize("soft", [False, True])
def test_the_start_does_not_hang_on_the_form_of_the_rows(soft):
    votes = VOTES
    if soft:
        p = np.random.default_rng(0).dirichlet((0.3, 0.3), (300, 10)).transpose(0, 2, 1)
        votes = read_votes(np.concatenate([p, p[:50]]))
    expected = tables(start(votes))
    order = np.random.default_rng(1).permutation(votes.n_samples)
    for same in (votes.take(order), votes.merged()[0], votes.with_weights([1] * votes.n_samples)):
        torch.testing.assert_close(tables(start(same)), expected)
    assert votes.merged()[0].n_samples < votes.n_samples
    with pytest.raises(AssertionError, match="not close"):
        torch.testing.assert_close(tables(start(votes, seed=1)), expected)


@pytest.mark.parametrize("method", STARTS)
def test_every_start_tells_the_subclasses_apart(method):
    _, table = tables(start(method=method))
    apart = (table[:, :, 0] - table[:, :, 1]).abs().max()
    assert apart > (0.2 if method == "shares" else 1e-3)


def test_equal_subclasses_would_stay_equal():
    model = start(method="mv")
    model.set_tables(*(x[..., [0, 0, 2, 2]] for x in tables(model)))
    objectives(model, Dataset(VOTES), 5)
    _, table = tables(model)
    assert (table[:, :, 0] - table[:, :, 1]).abs().max() < 1e-9


def test_the_split_shares_each_class_about_evenly():
    model = start(n_subclasses=4)
    counts, state_counts = model.share_statistics(VOTES, as_generator(0))
    expected, classes = VOTES.share_statistics
    found = counts.reshape(10, 2, 2, 4).sum(3)
    torch.testing.assert_close(found, torch.from_numpy(expected))
    torch.testing.assert_close(state_counts.reshape(2, 4).sum(1), torch.from_numpy(classes))
    share = state_counts.reshape(2, 4) / torch.from_numpy(classes)[:, None]
    assert 0.15 < share.min() <= share.max() < 0.4


def test_samples_without_votes_count_as_the_average_one():
    empty = read_votes(np.vstack([CODES, -np.ones((500, 10), int)]), n_classes=2)
    _, found = start().share_statistics(empty, as_generator(0))
    _, expected = start(n_subclasses=1).share_statistics(empty, as_generator(0))
    assert float(found.sum()) == pytest.approx(1500)
    torch.testing.assert_close(found.reshape(2, 2).sum(1), expected)
    nobody = read_votes(-np.ones((5, 10), int), n_classes=2)
    model = start(nobody).fit(nobody)
    assert model.predict_classes(nobody).numpy() == pytest.approx(0.5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_subclasses_are_recovered(seed):
    codes, truth = simulate(2000, seed)
    votes = read_votes(codes)
    soft = initialise(SoftIRBM(10, 2).double(), votes, "shares").fit(votes)
    model = start(votes, seed=seed).fit(votes, solver=ExactEM(tolerance=1e-5))
    assert (model.predict_classes(votes).argmax(1).numpy() == truth).mean() > 0.95
    gain = model.score_samples(votes).mean() - soft.score_samples(votes).mean()
    assert float(gain.detach()) > 0.15
    log_state, table = tables(model)
    for k in (0, 1):
        right = table[:, k, 2 * k : 2 * k + 2].exp().numpy()
        hard = right[:3].mean(0).argmin()
        assert right[:3, hard] == pytest.approx(0.1, abs=0.07)
        assert right[:3, 1 - hard] == pytest.approx(0.8, abs=0.07)
        assert right[3:] == pytest.approx(0.8, abs=0.09)
        share = log_state[2 * k : 2 * k + 2].softmax(0)[hard]
        assert float(share) == pytest.approx(0.35, abs=0.06)


def test_each_subclass_has_the_pseudo_votes_of_its_class():
    model = start()
    log_state, table = model.log_tables()
    expected = model.pseudo_samples / 2 * log_state.sum()
    for state in range(4):
        expected = expected + (model.pseudo_votes[..., state // 2] * table[..., state]).sum()
    torch.testing.assert_close(model.log_prior(), expected)


def test_renamed_classes_swap_their_states():
    model = start()
    before, scores = model.predict_classes(VOTES), model.score_samples(VOTES)
    model.rename_classes(torch.tensor([1, 0]))
    torch.testing.assert_close(model.predict_classes(VOTES), before.flip(1))
    torch.testing.assert_close(model.score_samples(VOTES), scores)


def test_the_number_of_subclasses_is_checked():
    with pytest.raises(ArgumentError, match="n_subclasses=0; it must be at least 1"):
        SubclassIRBM(3, 3, 0)
