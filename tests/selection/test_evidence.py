"""Evidence against loops over tiny votes, and what it must not depend on."""

import numpy as np
import pytest
import torch
from jury import jury, soft_form

from deem.core.reading import read_votes
from deem.math.vote import vote_shares
from deem.models import SoftIRBM
from deem.models.initialization import initialise
from deem.selection import evidence
from deem.selection.evidence import (
    LeftOut,
    evidence_votes,
    halves,
    held_out,
    mean_and_error,
    posterior_of,
    predict,
)

TINY = np.array([[0, 0, 1], [1, 1, -1], [2, 0, 2], [0, 1, 0], [-1, 2, 2], [1, 1, 1]])
SOFT = soft_form(TINY, 3, 0.7)


def trained(votes):
    model = SoftIRBM(votes.n_classifiers, votes.n_classes).double()
    return initialise(model, votes, "shares").fit(votes)


def rows_of(votes):
    """Every distinct row with its weight, in the order of the votes."""
    dense = votes.one_hot(dtype=torch.float64).numpy().reshape(votes.n_samples, -1)
    return np.column_stack([dense, votes.weights])


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("cap", [100_000, 50])
def test_evidence_is_of_the_rows_whatever_their_order(monkeypatch, soft, cap):
    monkeypatch.setattr(evidence, "_VOTES", cap)
    codes = jury(n=80, seed=1).votes
    shuffled = np.random.default_rng(0).permutation(codes)
    forms = [soft_form(c, 3) if soft else c for c in (codes, shuffled)]
    one, other = (evidence_votes(read_votes(form, n_classes=3)) for form in forms)
    np.testing.assert_allclose(rows_of(one), rows_of(other))
    assert len(one.columns) <= cap


def test_evidence_is_the_same_of_repeated_rows_and_weights():
    votes = read_votes(TINY, n_classes=3)
    times = np.array([3, 0, 1, 2, 5, 1])
    weighted = evidence_votes(votes.with_weights(times))
    repeated = evidence_votes(votes.take(np.repeat(np.arange(6), times)))
    np.testing.assert_array_equal(rows_of(weighted), rows_of(repeated))
    assert weighted.weights.sum() == 12


def test_samples_without_votes_tell_nothing():
    padded = np.vstack([TINY, np.full((4, 3), -1)])
    one, other = (evidence_votes(read_votes(codes, n_classes=3)) for codes in (TINY, padded))
    np.testing.assert_array_equal(rows_of(one), rows_of(other))


@pytest.mark.parametrize("weights", [[1, 2, 3, 4, 5, 6], [1] * 6, [0.5, 2.25, 7, 1, 1, 0.1]])
def test_halves_share_the_counts(weights):
    votes = evidence_votes(read_votes(TINY, n_classes=3).with_weights(weights))
    found = [dict.fromkeys(map(tuple, votes.to_dense()), 0.0) for _ in range(2)]
    for part, counts in zip(halves(votes), found, strict=True):
        counts |= zip(map(tuple, part.to_dense()), part.weights, strict=True)
    for row, weight in zip(map(tuple, votes.to_dense()), votes.weights, strict=True):
        first, second = found[0][row], found[1][row]
        assert first + second == pytest.approx(weight)
        assert abs(first - second) < 2
        assert min(first, second) == weight // 2
    assert abs(sum(found[0].values()) - sum(found[1].values())) <= 3


@pytest.mark.parametrize("form", [lambda codes: codes, lambda codes: soft_form(codes, 3)])
def test_held_out_likelihood_is_that_of_a_model_of_the_other_half(form):
    votes = evidence_votes(read_votes(form(jury().votes), n_classes=3))
    first, second = halves(votes)
    values, weights = held_out(trained, (first, second))
    expected = [trained(first).score_samples(second), trained(second).score_samples(first)]
    assert values == pytest.approx(torch.cat(expected).detach().numpy())
    np.testing.assert_array_equal(weights, np.concatenate([second.weights, first.weights]))
    assert weights.sum() == pytest.approx(votes.weights.sum())


def test_agreement_with_the_vote_of_the_others_by_hand():
    votes = read_votes([[0, 0, 1], [1, 1, -1], [-1, 2, -1]], n_classes=3)
    # without 0: {0, 1}; without 1: {0, 1}; without 2: {0, 0}; the others; nobody is left
    assert LeftOut(votes).vote_agreement().tolist() == [0.5, 0.5, 0, 1, 1, 0]


def test_a_left_out_vote_counts_as_its_sample():
    votes = read_votes(TINY, n_classes=3).with_weights([1, 2, 3, 4, 5, 6])
    left = LeftOut(votes)
    assert left.weights.tolist() == [1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6]
    assert left.classifier.tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 2, 1, 2, 0, 1, 2]
    assert left.label.tolist() == TINY[TINY >= 0].tolist()


def test_some_of_many_votes_are_left_out_always_the_same(monkeypatch):
    monkeypatch.setattr(evidence, "_PAIRS", 7)
    one, other = (LeftOut(read_votes(TINY, n_classes=3)) for _ in range(2))
    assert len(one.label) == len(one.weights) == len(one.ask(smoothed)) == 7
    np.testing.assert_array_equal(one.label, other.label)
    monkeypatch.setattr(evidence, "_CELLS", 12)
    assert len(LeftOut(read_votes(TINY, n_classes=3)).label) == 4


def smoothed(votes):
    """A posterior that can be computed by hand."""
    counts = votes.vote_counts() + 0.25
    return counts / counts.sum(1, keepdims=True)


def prediction_by_loops(shares, weights):
    """The definition on dense votes (n, D, K), all 0 where missing."""
    n, d, k = shares.shape

    def posterior(row):
        counts = row.sum(0) + 0.25
        return counts / counts.sum()

    known = 0.5 * np.eye(k) + 0.1 / k
    confusion, seen = np.tile(known, (d, 1, 1)), np.tile(known, (d, 1, 1))
    cast = [(i, j) for i in range(n) for j in range(d) if shares[i, j].sum() > 0]
    rest = {(i, j): posterior(np.delete(shares[i], j, axis=0)) for i, j in cast}
    label = {(i, j): shares[i, j].argmax() for i, j in cast}
    for i, j in cast:
        confusion[j] += weights[i] * np.outer(shares[i, j], posterior(shares[i]))
        seen[j, label[i, j], rest[i, j].argmax()] += weights[i]
    confusion /= confusion.sum(1, keepdims=True)
    seen /= seen.sum(1, keepdims=True)
    agreement = [rest[p].argmax() == label[p] for p in cast]
    log_score = [np.log(confusion[p[1], label[p]] @ rest[p]) for p in cast]
    information = [np.log(seen[p[1], label[p], rest[p].argmax()]) for p in cast]
    return agreement, log_score, information


@pytest.mark.parametrize("weights", [None, [1, 2, 0.5, 4, 1, 3]])
@pytest.mark.parametrize("form", [TINY, SOFT], ids=["hard", "soft"])
def test_a_prediction_is_that_of_its_definition(form, weights):
    # a soft vote of zeros would be read with a warning
    kept = (TINY >= 0).all(1) if form is SOFT else slice(None)
    votes = read_votes(form[kept], n_classes=3)
    weights = np.ones(votes.n_samples) if weights is None else np.array(weights)[kept]
    votes = votes.with_weights(weights)
    shares = votes.one_hot(dtype=torch.float64).numpy()
    expected = prediction_by_loops(shares, weights)
    for found, by_hand in zip(
        predict(LeftOut(votes), smoothed, smoothed(votes)), expected, strict=True
    ):
        assert found == pytest.approx(np.array(by_hand, float))


def test_a_mean_with_its_error():
    rng = np.random.default_rng(0)
    values, times = rng.normal(size=50), rng.integers(1, 4, 50)
    mean, error = mean_and_error(values, np.ones(50))
    assert (mean, error) == pytest.approx((values.mean(), values.std() / np.sqrt(50)))
    repeated = np.repeat(values, times)
    expected = mean_and_error(repeated, np.ones(len(repeated)))
    assert mean_and_error(values, times) == pytest.approx(expected)


def test_states_are_named_by_the_majority():
    votes = read_votes(jury().votes, n_classes=3)
    model = trained(votes)
    plain = posterior_of(model, votes)(votes)
    model.rename_classes(torch.tensor([2, 0, 1]))
    np.testing.assert_allclose(posterior_of(model, votes)(votes), plain, atol=1e-12)
    majority = vote_shares(votes.vote_counts())
    assert (majority * plain).sum(1).mean() > 0.8
