"""Hidden states get their classes once, in fit; predicting changes nothing."""

import copy

import numpy as np
import pytest
import torch
from jury import jury, soft_form

from deem import DEEM
from deem.core.reading import read_votes
from deem.estimators.alignment import (
    Reference,
    aligned,
    solve_map,
)
from deem.models import SoftIRBM
from deem.utils.exception import ArgumentError, LabelError

ORDERS = {2: np.array([1, 0]), 3: np.array([2, 0, 1])}
PERMUTATION = ORDERS[3]


# too few, too small steps of contrastive divergence to leave the start
STANDSTILL = {"solver": "cd", "epochs": 1, "learning_rate": 1e-12, "random_state": 0}


def permuted(model, order=PERMUTATION):
    """The same model with its hidden states renamed: state s becomes state order[s]."""
    other = copy.deepcopy(model)
    other.rename_classes(torch.from_numpy(np.argsort(order)))
    return other


@pytest.fixture
def fitted(votes):
    return DEEM().fit(votes)


@pytest.fixture
def shuffled(votes, fitted):
    """An estimator whose hidden states are not in the order of the classes."""
    return DEEM(model=permuted(fitted.model_), **STANDSTILL).fit(votes)


def test_a_permuted_start_comes_out_aligned(votes, fitted, shuffled):
    assert shuffled.class_map_.tolist() == np.argsort(PERMUTATION).tolist()
    assert fitted.class_map_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(shuffled.probas_, fitted.probas_, atol=1e-8)
    np.testing.assert_array_equal(shuffled.labels_, fitted.labels_)
    np.testing.assert_allclose(shuffled.confusion_, fitted.confusion_, atol=1e-8)
    np.testing.assert_allclose(shuffled.skills_, fitted.skills_, atol=1e-8)


@pytest.mark.parametrize("hidden_dim", [1, 2])
@pytest.mark.parametrize("k", [2, 3])
def test_exact_training_does_not_depend_on_the_names_of_the_states(k, hidden_dim):
    crowd = jury(k=k)
    model = DEEM(hidden_dim=hidden_dim, random_state=0).fit(crowd.votes).model_
    order = ORDERS[k]
    straight = DEEM(model=model).fit(crowd.votes)
    renamed = DEEM(model=permuted(model, order)).fit(crowd.votes)
    np.testing.assert_allclose(renamed.probas_, straight.probas_, atol=1e-5)
    assert renamed.class_map_.tolist() == list(range(k))


def test_the_hidden_states_themselves_stay_permuted(votes, shuffled):
    states = shuffled.model_.predict_classes(read_votes(votes)).numpy()
    np.testing.assert_allclose(states[:, PERMUTATION], shuffled.probas_)


@pytest.mark.parametrize(
    ("settings", "seed"),
    [
        *(({}, seed) for seed in (0, 1, 2)),
        ({"solver": "cd", "epochs": 40, "learning_rate": 0.05}, 0),
    ],
)
def test_random_starts_come_out_aligned(settings, seed):
    crowd = jury(n=600, d=7, seed=seed)
    estimator = DEEM(init_method="rand", random_state=seed, **settings).fit(crowd.votes)
    chance = max(np.bincount(crowd.truth)) / len(crowd.truth)
    assert estimator.score(crowd.votes, crowd.truth) > chance + 0.2


@pytest.mark.parametrize("which", ["fitted", "shuffled"])
@pytest.mark.parametrize("size", [1, 7, 50])
def test_rows_blocks_and_all_at_once_agree(votes, request, which, size):
    estimator = request.getfixturevalue(which)
    blocks = [votes[i : i + size] for i in range(0, len(votes), size)]
    labels = np.concatenate([estimator.predict(block) for block in blocks])
    probas = np.concatenate([estimator.predict_proba(block) for block in blocks])
    np.testing.assert_array_equal(labels, estimator.labels_)
    np.testing.assert_allclose(probas, estimator.probas_, rtol=1e-12, atol=1e-15)


def snapshot(estimator):
    """Everything an estimator holds, as values that compare."""
    state = copy.deepcopy(vars(estimator))
    state["model_"] = {k: v.numpy() for k, v in state["model_"].state_dict().items()}
    state["history_"] = state["history_"].to_dict()
    return {name: repr(value) for name, value in state.items()}


def test_predicting_changes_nothing(votes, truth, shuffled):
    with np.printoptions(threshold=10**6, floatmode="unique"):
        before = snapshot(shuffled)
        shuffled.predict(votes[:9])
        shuffled.predict(votes[:9], return_probs=True)
        shuffled.predict_proba(votes[:2])
        shuffled.transform(votes)
        shuffled.score(votes, truth)
        shuffled.score(votes)
        shuffled.get_class_mapping()
        assert snapshot(shuffled) == before


def test_probabilities_are_aligned_as_labels_are(votes, shuffled):
    probas = shuffled.predict(votes, return_probs=True)
    np.testing.assert_array_equal(shuffled.classes_[probas.argmax(1)], shuffled.predict(votes))
    np.testing.assert_array_equal(probas, shuffled.predict_proba(votes))
    np.testing.assert_array_equal(probas, shuffled.transform(votes))
    np.testing.assert_allclose(probas.sum(1), 1)
    assert probas.dtype == np.float64


def test_align_to_solves_anew_and_keeps_the_map():
    crowd = jury(k=2, d=5, n=600, skill=(0.5, 0.97))
    estimator = DEEM().fit(crowd.votes)
    vote = (crowd.votes.mean(1) > 0.5).astype(int)
    overruled = crowd.votes[estimator.labels_ != vote]
    assert len(overruled) > 10
    of_fit, before = estimator.get_class_mapping(), estimator.predict(crowd.votes)
    renamed = estimator.predict(crowd.votes, align_to=overruled)
    assert estimator.get_class_mapping() == {0: 1, 1: 0}
    np.testing.assert_array_equal(renamed, 1 - before)
    np.testing.assert_array_equal(estimator.predict(crowd.votes), renamed)
    assert estimator.reset_class_mapping() is estimator
    assert estimator.get_class_mapping() == of_fit == {0: 0, 1: 1}
    np.testing.assert_array_equal(estimator.predict(crowd.votes), before)


def test_a_failing_align_to_keeps_the_map(votes, shuffled):
    before = shuffled.class_map_
    with pytest.raises(LabelError, match="labels that are not among the classes: 5, 6, 7"):
        shuffled.predict(votes, align_to=votes + 5)
    assert shuffled.class_map_ is before


def test_align_to_the_training_votes_changes_nothing(votes, shuffled):
    before = shuffled.predict_proba(votes)
    probas = shuffled.predict(votes, return_probs=True, align_to=votes)
    np.testing.assert_array_equal(probas, before)


def test_class_mapping_is_in_the_users_names(votes):
    estimator = DEEM(model=SoftIRBM(5, 3), init_method="shares")
    estimator.fit(np.array(["x", "y", "z"])[votes])
    assert estimator.get_class_mapping() == {0: "x", 1: "y", 2: "z"}


def test_score_never_aligns_to_the_truth(votes, truth, fitted):
    mixed = (truth + 1) % 3
    assert fitted.score(votes, mixed) == (fitted.labels_ == mixed).mean() < 0.2
    assert fitted.score(votes, true_labels=truth) == (fitted.labels_ == truth).mean()


def test_score_without_labels_is_the_mean_log_likelihood(votes, fitted):
    logits = fitted.model_.class_logits(read_votes(votes))
    expected = logits.detach().logsumexp(1).mean().item()
    assert fitted.score(votes) == pytest.approx(expected, rel=1e-12)


def test_score_without_labels_needs_a_sample_with_weight(votes, fitted):
    weightless = read_votes(votes).with_weights(np.zeros(len(votes)))
    with pytest.raises(ArgumentError, match=r"samples of total weight 0, .* no mean"):
        fitted.score(weightless)
    one = read_votes(votes).with_weights(np.arange(len(votes)) == 5)
    assert fitted.score(one) == pytest.approx(fitted.score(votes[5:6]))


def test_soft_votes_are_aligned_too(votes):
    soft = soft_form(votes, 3)
    plain = DEEM().fit(soft)
    renamed = DEEM(model=permuted(plain.model_), **STANDSTILL).fit(soft)
    assert renamed.class_map_.tolist() == np.argsort(PERMUTATION).tolist()
    np.testing.assert_allclose(renamed.probas_, plain.probas_, atol=1e-8)


def test_class_map_shares_ties():
    # state 0 meets class 1 in two whole votes, state 1 only in two halves
    states = np.eye(2)[[0, 0, 1, 1]]
    shares = np.array([[0.0, 1.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    assert Reference(shares).class_map(states).tolist() == [1, 0]
    # weights on the last two rows bring no evidence either way
    assert Reference(shares, np.array([1, 1, 9, 9])).class_map(states).tolist() == [1, 0]
    assert Reference(shares, named=True).class_map(states).tolist() == [0, 1]


def test_known_classes_outvote_the_vote(votes):
    gold = np.full(len(votes), -1)
    gold[:2] = [2, 0]
    shares = Reference.of(read_votes(votes), gold).shares
    assert shares[:2].tolist() == [[0, 0, 1], [1, 0, 0]]
    np.testing.assert_array_equal(shares[2:], read_votes(votes).vote_shares()[2:])


def test_aligned_moves_columns():
    states = np.array([[0.7, 0.2, 0.1]])
    assert aligned(states, np.array([2, 0, 1])).tolist() == [[0.2, 0.1, 0.7]]


def test_solve_map_of_a_fitted_model(votes, shuffled):
    found = solve_map(shuffled.model_, read_votes(votes))
    assert found.tolist() == shuffled.class_map_.tolist()


@pytest.mark.parametrize("k", [2, 3])
def test_renaming_states_keeps_the_energy(k):
    crowd = jury(k=k)
    model = DEEM(hidden_dim=2, random_state=0).fit(crowd.votes).model_
    order = ORDERS[k]
    other = permuted(model, order)
    v = read_votes(crowd.votes).one_hot(dtype=model.dtype)
    energies = [(m.free_energy(v) + m.log_partition()).detach().numpy() for m in (model, other)]
    np.testing.assert_allclose(*energies, rtol=1e-12)
    renamed = other.predict_classes(read_votes(crowd.votes)).numpy()
    straight = model.predict_classes(read_votes(crowd.votes)).numpy()
    np.testing.assert_allclose(renamed[:, order], straight, rtol=1e-10)
