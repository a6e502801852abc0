"""Deep models among the candidates: estimated likelihoods, and the rule that uses them."""

import numpy as np
import pytest
import torch
from exact import one_hot_states
from jury import jury

from deem import DEEM
from deem.core.reading import read_votes
from deem.datasets import copying_groups
from deem.models import MultinomialIRBM, SoftIRBM
from deem.models.initialization import initialise
from deem.selection.evidence import log_likelihoods
from deem.selection.rule import Score, decide


def votes_of(n=300, d=5, k=3, missing=0.0):
    return read_votes(jury(n=n, d=d, k=k, seed=1, missing=missing).votes, n_classes=k)


def deep_model(votes):
    model = initialise(
        MultinomialIRBM(votes.n_classifiers, votes.n_classes, jitter=0.1).double(),
        votes,
        random_state=0,
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        noise = torch.randn(model.weight.shape, generator=generator, dtype=torch.float64)
        model.weight.add_(0.2 * noise)
    return model


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_estimated_likelihoods_are_those_of_enumeration(missing):
    votes = votes_of(missing=missing)
    model = deep_model(votes)
    states = one_hot_states(5, 3)
    v = votes.one_hot(dtype=torch.float64)
    known = v.sum(-1, keepdim=True) > 0
    expected = torch.stack(
        [
            -model.free_energy(row[None])[0]
            - (-model.free_energy((states * mask).unique(dim=0))).logsumexp(0)
            for row, mask in zip(v, known, strict=True)
        ]
    )
    found, expected = torch.from_numpy(log_likelihoods(model, votes)), expected.detach()
    assert abs(float((found - expected).mean())) < 0.03
    # Few chains a pattern, but every one about right.
    assert float((found - expected).abs().mean()) < 0.25


def test_exact_models_have_exact_likelihoods():
    votes = votes_of()
    model = initialise(SoftIRBM(5, 3).double(), votes, "shares")
    expected = model.score_samples(votes).detach().numpy()
    np.testing.assert_array_equal(log_likelihoods(model, votes), expected)


def score(name, held_out, agreement, error=0.001):
    return Score(name, "", agreement, 0.0, 0.0, 0.001, 0.9, held_out, error)


BASE = {
    "inverse_rbm": score("inverse_rbm", 0.0, 0.80),
    "one_coin": score("one_coin", -1.0, 0.70),
}


@pytest.mark.parametrize(
    ("context", "deep", "chosen"),
    [
        ((0.10, 0.81), (0.20, 0.81), "deep"),
        ((0.30, 0.81), (0.20, 0.81), "context"),
        ((0.30, 0.80), (0.20, 0.81), "deep"),
        ((0.30, 0.80), (0.20, 0.80), "inverse_rbm"),
        ((0.001, 0.81), (0.001, 0.81), "inverse_rbm"),
    ],
)
def test_layers_need_the_evidence_that_contexts_need(context, deep, chosen):
    scores = BASE | {"context": score("context", *context), "deep": score("deep", *deep)}
    name, reason = decide(scores, vote_agreement=0.8)
    assert name == chosen
    assert ("layers" in reason) == (chosen == "deep")


def test_deep_models_compete_only_when_asked():
    data = copying_groups(300, 3, groups=(3, 2, 1, 1), random_state=0)
    found = {}
    for selection in ("auto", "deep"):
        model = DEEM(n_classes=3, selection=selection, random_state=0).fit(data.votes)
        found[selection] = [row["name"] for row in model.selection_["candidates"]]
    assert set(found["deep"]) - set(found["auto"]) == {"deep"}


def test_soft_votes_have_no_likelihood_to_compare_layers_by():
    data = jury(n=200, d=6, k=2, seed=0, skill=(0.7, 0.95))
    soft = np.full((200, 2, 6), 0.2)
    np.put_along_axis(soft, data.votes[:, None], 0.8, axis=1)
    model = DEEM(n_classes=2, selection="deep", random_state=0).fit(soft)
    assert "deep" not in [row["name"] for row in model.selection_["candidates"]]


def test_score_without_labels_is_an_estimate_of_the_likelihood():
    votes = jury(n=200, d=4, k=2, seed=3).votes
    deep = DEEM(n_classes=2, use_preprocessing=True, epochs=2, random_state=0).fit(votes)
    exact = DEEM(n_classes=2, selection=None).fit(votes)
    assert abs(deep.score(votes) - exact.score(votes)) < 0.1
    assert deep.score(votes) == deep.score(votes)


def test_restarts_of_deep_models_are_compared_by_it():
    votes = jury(n=150, d=4, k=2, seed=3).votes
    settings = {"n_classes": 2, "use_preprocessing": True, "epochs": 2, "random_state": 0}
    restarted = DEEM(**settings, n_restarts=2).fit(votes)
    assert restarted.score(votes) >= DEEM(**settings).fit(votes).score(votes) - 1e-9
