"""Residual correlations against loops, and maps of votes whose groups are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from deem.core.reading import read_votes
from deem.core.votes import Votes
from deem.datasets import conditionally_independent, copying_groups, sparse_annotators
from deem.models import SoftIRBM
from deem.models.initialization import initialise
from deem.selection.dependence import dependence_map, residual_correlation
from deem.utils.exception import ArgumentError, ShapeError


def true_posterior(votes, confusion, prior):
    scores = np.log(prior) + sum(
        np.where((cast >= 0)[:, None], np.log(table).T[np.maximum(cast, 0)], 0)
        for cast, table in zip(votes.T, confusion, strict=True)
    )
    scores -= scores.max(1, keepdims=True)
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


def fitted(codes, k):
    votes = read_votes(codes, n_classes=k)
    model = initialise(SoftIRBM(votes.n_classifiers, k).double(), votes, "shares").fit(votes)
    return votes, model.predict_classes(votes).numpy(), model.class_tables()[1].numpy()


def correlation_by_loops(codes, probas, confusion, weights):
    """The definition, pair by pair and sample by sample; the residuals (n, D, h, vote)."""
    n, d = codes.shape
    k = probas.shape[1]
    cast = codes >= 0
    residual = np.eye(k)[np.maximum(codes, 0)][:, :, None] - confusion
    share = probas * weights[:, None]
    size = np.einsum("nh,ndhl,ndhl->nd", share, residual, residual) * cast
    unit = size.sum() / (cast * weights[:, None]).sum()
    expected = np.eye(d)
    for i in range(d):
        for j in set(range(d)) - {i}:
            both = cast[:, i] & cast[:, j]
            product = np.einsum("nh,nhl,nhl->", share[both], residual[both, i], residual[both, j])
            scale = np.sqrt(size[both, i].sum() * size[both, j].sum())
            expected[i, j] = product / (scale + 10 * unit)
    return expected


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 3, (60, 4))
    confusion = rng.dirichlet(np.ones(3), (4, 3))
    return codes, rng.dirichlet(np.ones(3), 60), confusion, rng.uniform(0, 3, 60)


def test_the_correlation_is_that_of_its_definition(some):
    codes, probas, confusion, weights = some
    votes = read_votes(codes, n_classes=3).with_weights(weights)
    found = residual_correlation(votes, probas, confusion)
    expected = correlation_by_loops(codes, probas, confusion, weights)
    assert found == pytest.approx(expected, abs=1e-4)


def test_hard_votes_in_soft_form_give_the_same(some):
    codes, probas, confusion, _ = some
    votes = read_votes(codes, n_classes=3)
    soft = replace(votes, values=np.ones(len(votes.columns)))
    found, expected = (residual_correlation(v, probas, confusion) for v in (soft, votes))
    assert found == pytest.approx(expected)


def test_a_weight_counts_as_equal_samples(some):
    codes, probas, confusion, _ = some
    votes = read_votes(codes, n_classes=3)
    times = np.arange(60) % 3
    weighted = dependence_map(votes.with_weights(times), probas, confusion)
    rows = np.repeat(np.arange(60), times)
    repeated = dependence_map(votes.take(rows), probas[rows], confusion)
    assert weighted.correlation == pytest.approx(repeated.correlation)
    assert weighted.bound == pytest.approx(repeated.bound)


def test_repeated_votes_on_a_sample_are_averaged(some):
    _, probas, confusion, _ = some
    once = Votes(np.array([0, 2]), np.array([0, 4], np.int32), None, 4, np.arange(3))
    twice = Votes(np.array([0, 3]), np.array([0, 4, 4], np.int32), None, 4, np.arange(3))
    found, expected = (residual_correlation(v, probas[:1], confusion) for v in (twice, once))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_products_of_independent_classifiers_have_expectation_0(seed):
    # The posterior knows the votes; with the true tables this must not bias.
    data = conditionally_independent(20_000, 4, 3, accuracy=(0.4, 0.6), random_state=seed)
    votes = read_votes(data.votes, n_classes=3)
    exact = true_posterior(data.votes, data.confusion, data.prior)
    rho = residual_correlation(votes, exact, data.confusion)[np.triu_indices(4, 1)]
    assert np.abs(rho).max() < 5 / np.sqrt(20_000)
    # Negative control: the most probable class for the truth does bias.
    labels = np.eye(3)[exact.argmax(1)]
    rho = residual_correlation(votes, labels, data.confusion)[np.triu_indices(4, 1)]
    assert np.abs(rho).max() > 5 / np.sqrt(20_000)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "make",
    [
        lambda seed: conditionally_independent(2000, 12, 3, random_state=seed),
        lambda seed: conditionally_independent(200, 30, 2, missing=0.5, random_state=seed),
        lambda seed: conditionally_independent(300, 10, 3, accuracy=(0.97, 1), random_state=seed),
        lambda seed: sparse_annotators(1000, 100, 4, 3, random_state=seed),
    ],
)
def test_independent_classifiers_form_no_cluster(make, seed):
    data = make(seed)
    found = dependence_map(*fitted(data.votes, data.confusion.shape[1]))
    assert found.clusters == ()
    assert found.effective_voters == pytest.approx(data.votes.shape[1], rel=0.02)
    assert found.describe()[0] == "no classifiers vote as one"


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_groups_of_copies_are_recovered(seed, missing):
    data = copying_groups(2000, 4, groups=(3, 3, 2, 1, 1, 1), missing=missing, random_state=seed)
    found = dependence_map(*fitted(data.votes, 4))
    assert found.clusters == ((0, 1, 2), (3, 4, 5), (6, 7))
    assert 5 < found.effective_voters < 9
    places = [found.order.tolist().index(i) for i in (0, 1, 2)]
    assert max(places) - min(places) == 2


def test_exact_duplicates_vote_as_one():
    data = conditionally_independent(1000, 8, 3, random_state=0)
    codes = data.votes[:, [0, 1, 2, 3, 4, 5, 6, 7, 7]]
    found = dependence_map(*fitted(codes, 3))
    assert found.clusters == ((7, 8),)
    assert found.correlation[7, 8] > 0.95
    assert found.vote_weights[[7, 8]] == pytest.approx(0.5, abs=0.02)
    assert found.effective_voters == pytest.approx(8, abs=0.1)


def test_the_same_wrong_label_counts_more_than_being_wrong():
    rng = np.random.default_rng(0)
    n = 3000
    truth, wrong = rng.integers(0, 4, n), rng.random(n) < 0.3
    steps = rng.integers(1, 4, (2, n))
    same, other = ((truth + wrong * step) % 4 for step in (steps[0], steps[1]))
    codes = np.stack([same, same, other], 1)
    confusion = np.tile(0.6 * np.eye(4) + 0.1, (3, 1, 1))
    rho = residual_correlation(read_votes(codes, n_classes=4), np.eye(4)[truth], confusion)
    assert rho[0, 1] > 0.95
    assert 0.5 < rho[0, 2] < 0.8


def test_few_common_samples_do_not_look_copied():
    data = conditionally_independent(400, 6, 3, random_state=0)
    codes = np.hstack([data.votes, data.votes[:, :1]])
    codes[:5, 0] = codes[:5, 6] = (data.truth[:5] + 1) % 3
    codes[5:, 6] = -1
    found = dependence_map(*fitted(codes, 3))
    assert found.correlation[0, 6] < 0.6
    assert found.correlation[0, 6] < found.bound[0, 6]
    assert found.clusters == ()


def test_pairs_without_common_samples_have_no_correlation():
    data = conditionally_independent(300, 4, 2, random_state=0)
    codes = data.votes.copy()
    codes[:150, 0] = codes[150:, 1] = -1
    found = dependence_map(*fitted(codes, 2))
    assert found.correlation[0, 1] == 0
    assert found.bound[0, 1] == np.inf
    assert found.to_dict()["bound"][0][1] is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_another_order_of_classifiers_changes_nothing_but_the_order():
    data = copying_groups(1000, 3, groups=(3, 2, 1, 1, 1, 1), random_state=0)
    votes, probas, confusion = fitted(data.votes, 3)
    found = dependence_map(votes, probas, confusion)
    turn = np.random.default_rng(0).permutation(9)
    turned = dependence_map(read_votes(data.votes[:, turn], n_classes=3), probas, confusion[turn])
    assert turned.correlation == pytest.approx(found.correlation[np.ix_(turn, turn)])
    assert turned.bound == pytest.approx(found.bound[np.ix_(turn, turn)])
    assert turned.vote_weights == pytest.approx(found.vote_weights[turn])
    back = {tuple(sorted(turn[list(cluster)].tolist())) for cluster in turned.clusters}
    assert back == set(found.clusters)


@pytest.mark.parametrize("d", [1, 2])
def test_one_and_two_classifiers(d):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (30, d))
    confusion = np.tile(0.4 * np.eye(3) + 0.2, (d, 1, 1))
    found = dependence_map(read_votes(codes, n_classes=3), np.full((30, 3), 1 / 3), confusion)
    assert found.correlation.shape == (d, d)
    assert found.order.tolist() == list(range(d))
    assert found.linkage.shape == (d - 1, 4)
    assert found.clusters == ()
    assert found.effective_voters == d
    assert found.describe()[-1].startswith(f"{d} classifier")


def test_classifiers_that_never_err_are_not_correlated():
    truth = np.arange(50) % 2
    codes = np.stack([truth] * 3, 1)
    sure = np.tile(np.eye(2), (3, 1, 1))
    found = dependence_map(read_votes(codes, n_classes=2), np.eye(2)[truth], sure)
    assert found.correlation == pytest.approx(np.eye(3))
    assert found.clusters == ()


def test_a_description_names_the_classifiers():
    data = copying_groups(2000, 4, groups=(3, 3, 2, 1, 1, 1), random_state=0)
    votes, probas, confusion = fitted(data.votes, 4)
    named = replace(votes, classifiers=np.array([f"w{i}" for i in range(11)]))
    first, *_, last = dependence_map(named, probas, confusion).describe()
    assert first.startswith("classifiers w0, w1 and w2 vote as one (residual correlation 0.")
    assert last.startswith("11 classifiers count as ")


def test_long_clusters_are_cut_in_sentences():
    found = dependence_map(
        read_votes(np.tile(np.arange(400)[:, None] % 3, (1, 9)), n_classes=3),
        np.full((400, 3), 1 / 3),
        np.full((9, 3, 3), 1 / 3),
    )
    assert found.describe()[0].startswith("classifiers 0, 1, 2, 3, 4 and 4 more vote as one")
    assert found.effective_voters == pytest.approx(1, abs=0.2)


def test_arguments_are_checked(some):
    codes, probas, confusion, _ = some
    votes = read_votes(codes, n_classes=3)
    with pytest.raises(ShapeError, match=r"probas has shape \(59, 3\), expected \(n_samples, n_c"):
        residual_correlation(votes, probas[1:], confusion)
    with pytest.raises(ShapeError, match=r"confusion has shape \(3, 3, 3\)"):
        residual_correlation(votes, probas, confusion[1:])
    with pytest.raises(ArgumentError, match="probas has an entry that is not finite"):
        residual_correlation(votes, probas * np.nan, confusion)
    many = Votes(np.array([0, 1]), np.array([0], np.int32), None, 5001, np.arange(2))
    with pytest.raises(ArgumentError, match="5001 classifiers, and the pairs of at most 5000"):
        residual_correlation(many, np.full((1, 2), 0.5), np.full((5001, 2, 2), 0.5))
