"""What each vote contributed: closed forms, posteriors without the vote, sentences."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from jury import jury, long_form, soft_form

from deem import DEEM
from deem.core import left_out
from deem.core.reading import read_votes
from deem.estimators.explanation import class_scores
from deem.utils.exception import ArgumentError, DuplicateVotesWarning, IntractableError

JURY = jury(n=60, missing=0.2, seed=3)
FITTED = DEEM().fit(JURY.votes)


def codes(found):
    return np.searchsorted(FITTED.classes_, found.labels), np.searchsorted(
        FITTED.classes_, found.runners_up
    )


@pytest.mark.parametrize("k", [2, 3])
def test_an_inverse_rbm_adds_log_ratios_of_its_confusions(k):
    votes = jury(n=80, k=k, missing=0.2).votes
    fitted = DEEM().fit(votes)
    found = fitted.explain(votes)
    best, second = (np.searchsorted(fitted.classes_, x) for x in (found.labels, found.runners_up))
    log = np.log(fitted.confusion_)
    expected = np.zeros(votes.shape)
    for (row, i), vote in np.ndenumerate(votes):
        if vote >= 0:
            expected[row, i] = log[i, best[row], vote] - log[i, second[row], vote]
    np.testing.assert_allclose(found.matrix(), expected, atol=1e-4)
    assert np.count_nonzero(expected) > 300
    assert (found.matrix()[votes < 0] == 0).all()
    # votes and class prior make up the margin
    prior = np.log(fitted.model_.class_tables()[0].numpy()[np.argsort(fitted.class_map_)])
    total = expected.sum(1) + prior[best] - prior[second]
    np.testing.assert_allclose(found.margins, total, atol=1e-4)


def by_hand(fitted, votes):
    """Contributions from the probabilities with and without each vote."""
    probas = fitted.predict_proba(votes)
    order = np.argsort(-probas, axis=1)
    rows = np.arange(len(votes))

    def odds(some):
        log = np.log(fitted.predict_proba(some))
        return log[rows, order[:, 0]] - log[rows, order[:, 1]]

    expected = np.zeros(votes.shape)
    for i in range(votes.shape[1]):
        without = votes.copy()
        without[:, i] = -1
        expected[:, i] = odds(votes) - odds(without)
    return expected


@pytest.mark.parametrize("settings", [{}, {"hidden_dim": 2, "init_method": "mv_rand"}])
def test_any_model_is_asked_without_the_vote(settings, monkeypatch):
    # few votes a block, so that there are many
    monkeypatch.setattr(left_out, "_BLOCK", 50)
    fitted = DEEM(random_state=0, **settings).fit(JURY.votes)
    expected = by_hand(fitted, JURY.votes)
    np.testing.assert_allclose(fitted.explain(JURY.votes).matrix(), expected, atol=1e-3)


def test_a_model_without_logits_is_asked_for_its_probabilities():
    model = FITTED.model_
    votes = read_votes(JURY.votes, n_classes=3)

    class Plain(torch.nn.Module):
        supports_missing = True
        predict_classes = staticmethod(model.predict_classes)

    exact = class_scores(model, votes, FITTED.class_map_)
    plain = class_scores(Plain(), votes, FITTED.class_map_)
    np.testing.assert_allclose(plain, exact - np.log(np.exp(exact).sum(1))[:, None], atol=1e-3)


def test_very_sure_answers_still_differ():
    votes = jury(n=200, d=150, skill=(0.9, 0.97)).votes
    found = DEEM(selection=None).fit(votes).explain(votes[:5])
    assert found.margins.min() > 200
    assert np.abs(found.contributions).min() > 1e-3


def test_a_model_that_needs_every_vote_says_so():
    complete = jury().votes
    settings = {"solver": "cd", "epochs": 1, "random_state": 0}
    fitted = DEEM(hidden_dim=13, **settings).fit(complete)
    with pytest.raises(IntractableError, match="v has missing votes"):
        fitted.explain(complete[:2])


def test_soft_votes_and_repeated_votes_are_left_out_as_a_whole():
    soft = soft_form(jury(n=60).votes, 3)
    found = DEEM().fit(soft).explain(soft[:4])
    assert found.contributions.shape == (20,)
    np.testing.assert_array_equal(found.votes, soft[:4].argmax(1).ravel())
    long = pd.DataFrame(long_form(JURY.votes))
    twice = pd.concat([long, long[long.worker == 0]])
    with pytest.warns(DuplicateVotesWarning):
        fitted = DEEM().fit(twice)
    with pytest.warns(DuplicateVotesWarning):
        found = fitted.explain(twice)
    assert len(found.contributions) == len(long)
    first = np.log(fitted.confusion_[0])
    best, second = codes(found)
    of = found.columns == 0
    rows, vote = found.rows[of], found.votes[of]
    expected = 2 * (first[best[rows], vote] - first[second[rows], vote])
    np.testing.assert_allclose(found.contributions[of], expected, atol=1e-4)


def test_chosen_samples():
    whole, some = FITTED.explain(JURY.votes), FITTED.explain(JURY.votes, samples=[7, 2])
    np.testing.assert_array_equal(some.samples, [7, 2])
    np.testing.assert_allclose(some.matrix(), whole.matrix()[[7, 2]], atol=1e-9)
    frame = pd.DataFrame(long_form(JURY.votes, tasks=[f"t{i:02}" for i in range(60)]))
    named = DEEM().fit(frame).explain(frame, samples=["t07", "t02"])
    np.testing.assert_allclose(named.matrix(), some.matrix(), atol=1e-4)
    with pytest.raises(ArgumentError, match="samples holds 't99', which is none of the 60"):
        DEEM().fit(frame).explain(frame, samples=["t99"])


def test_sentences_and_records():
    votes = [["cat", "cat", "dog", None], ["dog"] * 4, ["cat"] * 4] * 9
    frame = pd.DataFrame(votes, columns=["ann", "bob", "cem", "dia"])
    found = DEEM().fit(frame).explain(frame[:2])
    first, ann, bob, cem = found.describe(0)
    assert first.startswith("sample 0 is 'cat' and not 'dog' by ")
    assert ann.startswith("ann spoke for 'cat' with ")
    assert bob.startswith("bob spoke for 'cat' with ")
    assert cem.startswith("cem spoke against 'cat' with ")
    assert cem.endswith(" nats, as it voted 'dog'")
    record = json.loads(json.dumps(found.to_dict()))[0]
    assert (record["sample"], record["label"], record["runner_up"]) == (0, "cat", "dog")
    assert [vote["classifier"] for vote in record["votes"]] == ["ann", "bob", "cem"]
    assert record["votes"][2]["contribution"] < 0 < record["votes"][0]["contribution"]
    with pytest.raises(ArgumentError, match="samples holds 9, which is none of the 2 samples"):
        found.describe(9)


def test_samples_without_votes_and_single_classes():
    found = FITTED.explain(np.full((2, 5), -1))
    assert found.contributions.size == 0
    assert found.describe(1)[0].startswith("sample 1 is ")
    with pytest.warns(match="every vote is for class x"):
        fitted = DEEM().fit(np.full((9, 3), "x"))
    alone = fitted.explain(np.full((1, 3), "x"))
    assert alone.matrix().tolist() == [[0, 0, 0]]
    assert alone.describe(0)[0] == "sample 0 is 'x'"
