"""The rule case by case, and choices for votes whose making is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from jury import jury, soft_form

from deem.core.reading import read_votes
from deem.datasets import conditionally_independent, copying_groups
from deem.models.initialization import initialise
from deem.selection import choice
from deem.selection.candidates import candidate
from deem.selection.choice import Choice, choose
from deem.selection.evidence import posterior_of
from deem.selection.rule import Score, Thresholds, decide


def train(item, votes):
    model = item.model_class(votes.n_classifiers, votes.n_classes, **item.options).double()
    return initialise(model, votes, "shares").fit(votes)


def read(codes):
    return read_votes(codes, n_classes=int(codes.max()) + 1)


def accuracy(item, votes, truth):
    model = train(item, votes)
    return (posterior_of(model, votes)(votes).argmax(1) == truth).mean()


PLAIN = Score("inverse_rbm", "", 0.7, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0)
WORSE = {
    "inverse_rbm": PLAIN,
    "weighted_vote": replace(PLAIN, agreement=0.6, log_score=-0.1, held_out=-0.3),
    "one_coin": replace(PLAIN, agreement=0.6, log_score=-0.1, held_out=-0.2),
    "context": replace(PLAIN, held_out=-0.1, held_out_error=0.1),
    "tempered": replace(PLAIN, held_out=np.nan, information=-0.01, information_error=0.01),
    "group": replace(PLAIN, held_out=0.1, held_out_error=0.1, correlation=0.5),
}
"""Nothing is better than the inverse RBM."""


def decided(vote_agreement=0.7, without=(), soft=False, **changes):
    scores = {name: score for name, score in WORSE.items() if name not in without}
    scores |= {name: replace(scores[name], **values) for name, values in changes.items()}
    return decide(scores, vote_agreement, soft=soft)


BETTER_CONTEXT = {"held_out": 0.21, "held_out_error": 0.1, "agreement": 0.702}
COPIES = {"held_out": 0.21, "correlation": 0.65}
BETTER_TEMPERED = {"information": 0.021, "information_error": 0.01}
AS_GOOD = {"agreement": 0.6995, "log_score": -0.024}


def test_the_inverse_rbm_is_the_model_to_beat():
    assert decided() == ("inverse_rbm", "no other model has the evidence for it.")
    assert decided(without=("context", "tempered", "weighted_vote"))[0] == "inverse_rbm"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "context"),
        ({"held_out": 0.19}, "inverse_rbm"),
        ({"agreement": 0.7005}, "inverse_rbm"),
        ({"held_out": np.nan, "held_out_error": np.nan}, "inverse_rbm"),
    ],
)
def test_contexts_need_likelihood_and_agreement(change, name):
    found, reason = decided(context=BETTER_CONTEXT | change)
    assert found == name
    assert (reason.startswith("contexts make held-out samples 0.21 nats")) is (name == "context")


@pytest.mark.parametrize(("information", "name"), [(0.021, "tempered"), (0.019, "inverse_rbm")])
def test_the_tempered_rule_needs_information_beyond_doubt(information, name):
    found, reason = decided(tempered=BETTER_TEMPERED | {"information": information})
    assert found == name
    assert (reason.startswith("classifiers copy each other")) is (name == "tempered")


def test_contexts_come_before_the_tempered_rule():
    assert decided(context=BETTER_CONTEXT, tempered=BETTER_TEMPERED)[0] == "context"
    weak = BETTER_CONTEXT | {"held_out": 0.1}
    assert decided(context=weak, tempered=BETTER_TEMPERED)[0] == "tempered"


@pytest.mark.parametrize(
    ("change", "simple"),
    [
        ({}, True),
        ({"agreement": 0.6985}, False),
        ({"log_score": -0.026}, False),
    ],
)
@pytest.mark.parametrize("free_prior_is_better", [True, False])
def test_one_weight_is_enough_if_it_foretells_as_well(change, simple, free_prior_is_better):
    prior = "one_coin" if free_prior_is_better else "weighted_vote"
    changes = {"one_coin": {"agreement": 0.69}}
    changes[prior] = changes.get(prior, {}) | {"held_out": -0.1}
    changes["weighted_vote"] = changes.get("weighted_vote", {}) | AS_GOOD | change
    found, reason = decided(**changes)
    assert found == (prior if simple else "inverse_rbm")
    assert reason.startswith("one weight a classifier foretells") is simple


@pytest.mark.parametrize(
    ("soft", "held_out", "simple"),
    [(True, -0.21, False), (True, -0.19, True), (False, -0.21, True)],
)
def test_on_soft_votes_one_weight_must_not_be_less_likely_beyond_doubt(soft, held_out, simple):
    likely = {"held_out": held_out, "held_out_error": 0.1}
    found, _ = decided(soft=soft, weighted_vote=AS_GOOD | likely, one_coin={"held_out": -0.3})
    assert found == ("weighted_vote" if simple else "inverse_rbm")


def test_one_weight_is_measured_by_the_model_it_replaces():
    context = BETTER_CONTEXT | {"log_score": 0.01}
    assert decided(context=context, weighted_vote=AS_GOOD)[0] == "context"
    good = {"agreement": 0.7015, "log_score": -0.014}
    assert decided(context=context, weighted_vote=good)[0] == "one_coin"


def test_with_known_class_frequencies_there_is_one_model_of_one_weight():
    kept = {"without": ("weighted_vote",)}
    assert decided(**kept, one_coin=AS_GOOD)[0] == "one_coin"
    assert decided(**kept)[0] == "inverse_rbm"


@pytest.mark.parametrize(("vote_agreement", "guarded"), [(0.724, False), (0.726, True)])
def test_a_consensus_far_from_the_votes_is_not_taken(vote_agreement, guarded):
    # Closer to the left-out votes than the inverse RBM, at a loss of what it foretells.
    closer = {"agreement": 0.701, "log_score": -0.1}
    found, reason = decided(vote_agreement, one_coin=closer)
    assert found == ("one_coin" if guarded else "inverse_rbm")
    assert ("so the vote was kept" in reason) is guarded
    assert decided(vote_agreement, tempered=BETTER_TEMPERED, one_coin=closer)[0] == (
        "one_coin" if guarded else "tempered"
    )
    assert decided(vote_agreement)[0] == "inverse_rbm"


def test_other_thresholds():
    scores = WORSE | {"context": replace(WORSE["context"], **BETTER_CONTEXT)}
    assert decide(scores, 0.7, Thresholds(sure=3))[0] == "inverse_rbm"
    assert decide(scores, 0.7, Thresholds(agreement=0.01))[0] == "inverse_rbm"
    closer = WORSE | {"one_coin": replace(WORSE["one_coin"], agreement=0.71)}
    assert decide(closer, 0.7, Thresholds(against=-0.01))[0] == "one_coin"
    assert decide(WORSE, 0.7, Thresholds(loss=0.2, agreement=0.2))[0] == "one_coin"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_independent_classifiers(seed):
    data = conditionally_independent(1000, 8, 3, random_state=seed)
    found = choose(read(data.votes), train)
    assert found.chosen.name == "inverse_rbm"
    assert list(found.scores) == ["inverse_rbm", "weighted_vote", "one_coin", "context"]
    assert found.scores["inverse_rbm"].held_out == found.scores["inverse_rbm"].information == 0


@pytest.mark.parametrize(
    ("changes", "name"),
    [({}, "group"), ({"held_out": 0.19}, "context"), ({"correlation": 0.64}, "context")],
)
def test_groups_need_copies_and_likelihood(changes, name):
    found, reason = decided(group=COPIES | changes, context=BETTER_CONTEXT, one_coin=AS_GOOD)
    assert found == name
    assert ("copies" in reason) is (name == "group")


@pytest.mark.parametrize(("gain", "name"), [(0.006, "context"), (0.004, "inverse_rbm")])
def test_a_sure_gain_can_be_too_small(gain, name):
    change = BETTER_CONTEXT | {"held_out": gain, "held_out_error": 0.001}
    assert decided(context=change)[0] == name


def test_where_votes_are_copied_left_out_votes_say_nothing():
    assert decided(0.9, group=COPIES)[0] == "group"


@pytest.mark.parametrize("seed", [1, 3])
def test_a_group_that_outvotes_the_rest_is_found_under_the_vote(seed):
    # The inverse RBM takes the copies for experts.
    data = copying_groups(2000, 3, groups=(3, 1, 1, 1, 1, 1), random_state=seed)
    votes = read(data.votes)
    found = choose(votes, train)
    assert found.chosen.options == {"groups": ((0, 1, 2),)}
    assert accuracy(found.chosen, votes, data.truth) > 0.9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_copies(seed):
    data = copying_groups(3000, 4, groups=(3, 3, 2, 1, 1, 1), random_state=seed)
    votes = read(data.votes)
    found = choose(votes, train)
    assert found.chosen.name == "group"
    assert found.scores["group"].correlation > 0.65
    assert np.isnan(found.scores["tempered"].held_out)
    assert found.dependence.clusters == ((0, 1, 2), (3, 4, 5), (6, 7))
    plain = accuracy(candidate("inverse_rbm", 4), votes, data.truth)
    assert accuracy(found.chosen, votes, data.truth) > plain + 0.01
    # Negative control: the same votes of each classifier in each class, but copied no more.
    shuffled = shuffled_within_classes(data.votes, data.truth, seed)
    assert choose(read(shuffled), train).chosen.name == "inverse_rbm"


def shuffled_within_classes(codes, truth, seed):
    rng = np.random.default_rng(seed)
    shuffled = codes.copy()
    for label in np.unique(truth):
        rows = np.flatnonzero(truth == label)
        shuffled[rows] = rng.permuted(codes[rows], axis=0)
    return shuffled


def hard_for_all(share, seed):
    """Votes on unequal classes, and near chance on a share of the samples; their truth."""
    rng = np.random.default_rng(seed)
    n, d, k = 1200, 8, 3
    truth = rng.choice(k, n, p=[0.7, 0.2, 0.1])
    wrong = (truth[:, None] + rng.integers(1, k, (n, d))) % k
    skill = np.where(rng.random((n, 1)) < share, 0.4, rng.uniform(0.75, 0.95, d))
    return np.where(rng.random((n, d)) < skill, truth[:, None], wrong), truth


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_that_are_hard_for_all(seed):
    codes, truth = hard_for_all(0.3, seed)
    votes = read(codes)
    found = choose(votes, train)
    assert found.chosen.name == "context"
    plain = accuracy(candidate("inverse_rbm", 3), votes, truth)
    assert accuracy(found.chosen, votes, truth) > plain + 0.02
    # Negative control: no sample is hard.
    assert choose(read(hard_for_all(0, seed)[0]), train).chosen.name != "context"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sparse_votes_of_classifiers_with_one_weight_each(seed):
    rng = np.random.default_rng(seed)
    n, d = 1000, 20
    truth, skill = rng.integers(2, size=n), rng.uniform(0.55, 0.95, d)
    codes = np.where(rng.random((n, d)) < skill, truth[:, None], 1 - truth[:, None])
    codes[rng.random((n, d)).argsort(1) >= 4] = -1
    assert choose(read(codes), train).chosen.name in ("one_coin", "weighted_vote")


def wavering(to_the_next, seed, n=600, d=6, k=4):
    """Soft votes that share their probability between the truth and another class.

    The other class is the one next to the truth, or any. Samples are more or less clear to all.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=n)
    step = np.ones((n, d), int) if to_the_next else rng.integers(1, k, (n, d))
    sure = np.clip(
        0.8 + 0.05 * rng.normal(size=(n, d)) + 0.15 * rng.normal(size=(n, 1)), 0.02, 0.98
    )
    one_hot = np.eye(k)
    soft = sure[..., None] * one_hot[truth][:, None]
    soft += (1 - sure)[..., None] * one_hot[(truth[:, None] + step) % k]
    return read_votes((0.96 * soft + 0.04 / k).transpose(0, 2, 1)), truth


def test_soft_votes_of_classifiers_that_waver_between_the_same_classes():
    drawn = [wavering(True, seed) for seed in range(3)]
    found = [choose(votes, train) for votes, _ in drawn]
    assert [item.chosen.name for item in found] == ["inverse_rbm"] * 3
    # By the most probable classes alone, one weight a classifier would be enough in most draws.
    by_top = [decide(item.scores, item.vote_agreement)[0] for item in found]
    assert by_top.count("inverse_rbm") <= 1
    simple = candidate("weighted_vote", 4)
    gains = [
        accuracy(item.chosen, *x) - accuracy(simple, *x)
        for item, x in zip(found, drawn, strict=True)
    ]
    assert min(gains) > 0.01
    # Negative control: as unsure, but of any class, so that there is nothing else to learn.
    control = [choose(wavering(False, seed)[0], train).chosen.name for seed in range(3)]
    assert control.count("inverse_rbm") <= 1


def same_choice(one, other):
    assert one.chosen.name == other.chosen.name
    assert one.to_dict()["reason"] == other.to_dict()["reason"]
    for name, score in one.scores.items():
        found = [list(vars(x).values())[2:] for x in (score, other.scores[name])]
        assert found[0] == pytest.approx(found[1], nan_ok=True, abs=1e-6)


@pytest.fixture(scope="module")
def copies():
    return copying_groups(250, 3, groups=(3, 1, 1, 1, 1), random_state=0).votes


@pytest.mark.parametrize("form", [lambda codes: codes, lambda codes: soft_form(codes, 3)])
@pytest.mark.filterwarnings("ignore::deem.utils.exception.SoftVotesWarning")
def test_the_order_of_the_samples_has_no_influence(copies, form):
    turned = np.random.default_rng(1).permutation(copies)
    votes = [read_votes(form(codes), n_classes=3) for codes in (copies, turned)]
    found = [choose(v, train) for v in votes]
    same_choice(*found)


def test_weights_count_as_repeated_samples(copies):
    times = np.random.default_rng(0).integers(0, 4, len(copies))
    votes = read_votes(copies, n_classes=3)
    repeated = votes.take(np.repeat(np.arange(len(copies)), times))
    same_choice(choose(votes.with_weights(times), train), choose(repeated, train))


def test_threads_have_no_influence(copies):
    votes = read_votes(copies, n_classes=3)
    found = choose(votes, train)
    same_choice(found, choose(votes, train, n_jobs=2))
    assert "tempered" in found.scores


def test_a_known_class_prior_leaves_out_the_uniform_one(copies):
    found = choose(read_votes(copies, n_classes=3), train, class_prior=True)
    assert "weighted_vote" not in found.scores
    assert {"inverse_rbm", "one_coin", "context"} <= set(found.scores)


def refuse(item, votes):
    raise AssertionError("nothing is to be trained")


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (np.zeros((30, 4), int), "samples with votes: 30, classifiers: 4, classes: 1 are too few"),
        (jury().votes[:, :2], "samples with votes: 120, classifiers: 2, classes: 3 are too few"),
        (jury().votes[:9], "samples with votes: 9, classifiers: 5, classes: 3 are too few"),
        (np.full((30, 4), -1), "samples with votes: 0, classifiers: 4, classes: 2 are too few"),
    ],
)
def test_too_few_votes_leave_no_choice(codes, reason):
    k = max(int(codes.max()) + 1, 1) if codes.max() >= 0 else 2
    found = choose(read_votes(codes, n_classes=k), refuse)
    assert found.chosen.name == "inverse_rbm"
    assert found.reason.startswith(reason)
    assert found.scores == {}
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["vote_agreement"] is None


def test_samples_count_by_their_weights():
    votes = read_votes(jury().votes, n_classes=3)
    few = np.zeros(120)
    few[:3] = 2.0
    assert choose(votes.with_weights(few), refuse).reason.startswith("samples with votes: 6,")
    few[:3] = 4.0
    assert choose(votes.with_weights(few), train).scores


def test_large_tables(monkeypatch):
    votes = read_votes(jury().votes, n_classes=3)
    monkeypatch.setattr(choice, "_CONTEXT_TABLE", 44)
    assert "context" not in choose(votes, train).scores
    monkeypatch.setattr(choice, "_MAPPED", 4)
    assert choose(votes, train).dependence is None
    monkeypatch.setattr(choice, "_TABLE", 44)
    reason = choose(votes, refuse).reason
    assert reason.startswith("the confusions of 5 classifiers with 3 classes are too large")


def test_a_choice_as_plain_values():
    chosen = candidate("one_coin", 3)
    found = Choice(chosen, "why.", {"tempered": WORSE["tempered"]}, 0.5).to_dict()
    told = ("chosen", "model", "reason", "vote_agreement")
    assert [found[name] for name in told] == ["one_coin", "OneCoinIRBM", "why.", 0.5]
    assert found["candidates"][0]["held_out"] is None
    assert found["candidates"][0]["information"] == -0.01
