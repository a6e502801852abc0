"""The inverse RBM with difficulty: levels, M-step, recovery and the difficulty of samples."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm, spearmanr

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM
from deem.math.random import as_generator
from deem.models.difficulty import DifficultyIRBM
from deem.models.initialization import initialise
from deem.models.one_coin import OneCoinIRBM
from deem.utils.exception import ArgumentError

WEIGHTS = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 1.2, 0.8])


def glad_votes(n=3000, k=3, spread=1.0, seed=0):
    """Votes (n, D), their truth, and the logarithm of the ease of every sample."""
    rng = np.random.default_rng(seed)
    truth, log_ease = rng.integers(0, k, n), spread * rng.standard_normal(n)
    drive = np.exp(log_ease)[:, None] * WEIGHTS
    right = rng.random(drive.shape) < 1 / (1 + (k - 1) * np.exp(-drive))
    wrong = (truth[:, None] + rng.integers(1, k, right.shape)) % k
    return np.where(right, truth[:, None], wrong), truth, log_ease


def fitted(votes, k=3, tolerance=1e-6, **arguments):
    model = DifficultyIRBM(votes.n_classifiers, k, **arguments).double()
    model.start_from_shares(votes, as_generator(0))
    return model.fit(votes, solver=ExactEM(tolerance))


@pytest.fixture(scope="module")
def hard():
    return glad_votes()


def test_the_levels_are_the_rule_for_a_log_normal_ease():
    model = DifficultyIRBM(1, 2, n_levels=9, spread=0.5).double()
    with torch.no_grad():
        model.weight.fill_(1.5)
    _, confusion = model.class_tables()

    def density(x):
        return norm.pdf(x) / (1 + np.exp(-1.5 * np.exp(0.5 * x)))

    assert float(confusion[0, 0, 0]) == pytest.approx(quad(density, -8, 8)[0], abs=1e-4)


def test_one_level_is_the_one_coin_model():
    codes, _, _ = glad_votes(200)
    codes[::3, 2] = -1
    votes = read_votes(codes, n_classes=3)
    one = OneCoinIRBM(8, 3).double()
    one.start_from_shares(votes, as_generator(0))
    one.fit(votes, solver=ExactEM(1e-12))
    model = fitted(votes, tolerance=1e-12, n_levels=1)
    torch.testing.assert_close(model.weight, one.weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.predict_classes(votes), one.predict_classes(votes))


def test_the_share_of_each_level_is_fixed(hard):
    model = fitted(read_votes(hard[0], n_classes=3))
    log_state, _ = model.log_tables()
    levels = log_state.exp().reshape(3, 5).sum(0)
    torch.testing.assert_close(levels, model.level_weight)


def test_weights_are_recovered(hard):
    found = fitted(read_votes(hard[0], n_classes=3), n_levels=9).weight.detach().numpy()
    assert found == pytest.approx(WEIGHTS, rel=0.15)
    # the control: without levels great weights come out too small
    blind = fitted(read_votes(hard[0], n_classes=3), n_levels=1).weight.detach().numpy()
    assert (blind[WEIGHTS > 2] < 0.9 * WEIGHTS[WEIGHTS > 2]).all()


def test_difficulty_orders_the_samples(hard):
    codes, _, log_ease = hard
    votes = read_votes(codes, n_classes=3)
    model = fitted(votes)
    found = model.difficulty(votes).numpy()
    assert spearmanr(found, -log_ease)[0] > 0.6
    assert found.mean() == pytest.approx(0, abs=0.1)
    shuffled = np.random.default_rng(0).permutation(log_ease)
    assert abs(spearmanr(found, -shuffled)[0]) < 0.1


def test_difficulty_is_the_posterior_mean_by_enumeration():
    model = DifficultyIRBM(3, 2, n_levels=3).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        model.free_hidden_bias.fill_(0.3)
    codes = np.array([[0, 0, 1], [1, 1, 1], [0, -1, -1]])
    ease, weight = model.log_ease.exp().numpy(), model.weight.detach().numpy()
    prior = model.hidden_bias.softmax(0).detach().numpy()
    expected = []
    for row in codes:
        mass = np.zeros(3)
        for m in range(3):
            p = 1 / (1 + np.exp(-weight * ease[m]))
            for h in range(2):
                seen = [p[i] if v == h else 1 - p[i] for i, v in enumerate(row) if v >= 0]
                mass[m] += prior[h] * float(model.level_weight[m]) * np.prod(seen)
        expected.append(-(mass @ np.log(ease)) / mass.sum())
    found = model.difficulty(read_votes(codes, n_classes=2)).numpy()
    assert found == pytest.approx(expected, abs=1e-6)
    empty = model.difficulty(read_votes(np.full((1, 3), -1), n_classes=2)).numpy()
    assert empty == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("spread", [0.3, 1.0, 2.0])
def test_every_pass_raises_the_objective(spread):
    codes, _, _ = glad_votes(300, seed=1)
    codes[::4, 1] = -1
    series = fitted(read_votes(codes, n_classes=3), spread=spread, tolerance=0).history
    assert (np.diff(series["objective"]) > -1e-10).all()


@pytest.mark.parametrize("start", [-5.0, 0.0, 40.0])
def test_the_m_step_finds_the_best_weight_from_anywhere(start):
    codes, truth, _ = glad_votes(500, seed=2)
    votes = read_votes(codes, n_classes=3)
    model = DifficultyIRBM(8, 3).double()
    model.prepare(Dataset(votes))
    with torch.no_grad():
        model.weight.fill_(start)
    right = votes.matrix().T @ np.eye(3)[truth]
    counts = (torch.from_numpy(right).reshape(8, 3, 3, 1) * model.level_weight).flatten(2)
    classes = torch.from_numpy(np.bincount(truth)[:, None] * model.level_weight.numpy()).flatten()

    @torch.no_grad()
    def expected():
        log_state, table = model.log_tables()
        return float((counts * table).sum() + classes @ log_state + model.log_prior())

    values = [expected()]
    for _ in range(80):
        model.m_step(counts, classes)
        values.append(expected())
    assert (np.diff(values) > -1e-9).all()
    votes_of = counts + model.state_pseudo_votes(15)
    cast = votes_of.unflatten(2, (3, 5)).sum((1, 2))
    hits = votes_of.unflatten(2, (3, 5)).diagonal(dim1=1, dim2=2).sum(2)
    ease = model.log_ease.exp()
    p = (model.weight[:, None] * ease - np.log(2)).sigmoid()
    assert (((hits - cast * p) @ ease).abs() / cast.sum(1)).max() < 1e-4


def test_a_split_vote_is_less_sure_than_with_equal_samples():
    """A split says that the sample is hard, so that its votes count less."""
    model, even = DifficultyIRBM(8, 2).double(), OneCoinIRBM(8, 2).double()
    with torch.no_grad():
        model.weight.fill_(2)
        accuracy = model.class_tables()[1][0, 0, 0]
        even.weight.fill_(float(accuracy.logit()))
    split = read_votes([[0, 0, 0, 0, 0, 1, 1, 1]], n_classes=2)
    assert model.predict_classes(split)[0, 0] < even.predict_classes(split)[0, 0] - 0.05


def test_a_start_from_an_energy_and_one_class():
    votes = read_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0]])
    model = initialise(DifficultyIRBM(3, 3), votes, "mv")
    assert model.predict_classes(votes).argmax(1).tolist() == [0, 1, 2]
    alone = read_votes([[0, 0], [0, -1]], n_classes=1)
    assert fitted(alone, k=1).predict_classes(alone).numpy() == pytest.approx(np.ones((2, 1)))


def test_a_known_class_prior_is_kept(hard):
    model = fitted(read_votes(hard[0], n_classes=3), class_prior=[0.2, 0.5, 0.3])
    assert model.class_tables()[0].numpy() == pytest.approx([0.2, 0.5, 0.3])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n_levels": 0}, "n_levels=0; it must be at least 1"),
        ({"spread": -1.0}, r"spread=-1\.0; it must be finite and at least 0"),
        ({"spread": float("nan")}, "spread=nan; it must be finite"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        DifficultyIRBM(2, 2, **arguments)
