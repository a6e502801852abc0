"""Deep models start as the exact inverse RBM of the votes, or as near to it as layers allow."""

import functools

import numpy as np
import pytest
import torch
from jury import jury, soft_form

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM
from deem.math.random import as_generator
from deem.models import MultinomialIRBM, SoftIRBM, deep_start
from deem.models.deep_start import nearest_weights
from deem.models.initialization import initialise

COMPLETE = read_votes(jury(n=300, d=6, k=3, seed=1).votes, n_classes=3)
GAPS = read_votes(jury(n=300, d=6, k=3, seed=1, missing=0.4).votes, n_classes=3)
SOFT = read_votes(soft_form(jury(n=300, d=6, k=3, seed=1).votes, 3, 0.8))
FORMS = {"complete": COMPLETE, "gaps": GAPS}
both_forms = pytest.mark.parametrize("votes", FORMS.values(), ids=FORMS)


@functools.cache
def exact_of(votes):
    model = SoftIRBM(votes.n_classifiers, votes.n_classes).double()
    return initialise(model, votes, "shares").fit(Dataset(votes), solver=ExactEM())


def deep(votes, seed=0, method="shares", **arguments):
    model = MultinomialIRBM(votes.n_classifiers, votes.n_classes, **arguments).double()
    return initialise(model, votes, method, random_state=seed)


@torch.no_grad()
def logits(model, votes):
    return model.unit_logits(votes.one_hot(dtype=torch.float64))[:, 0]


def agreement(model, votes):
    labels = (m.predict_classes(votes).argmax(1) for m in (model, exact_of(votes)))
    return float(torch.eq(*labels).double().mean())


@both_forms
@pytest.mark.parametrize("activation", ["sparsemax", "ultramax", "entmax", "softmax", None])
@pytest.mark.parametrize("widths", [[6, 6], [12]], ids=["two", "wide"])
def test_without_noise_the_identity_is_the_exact_model(votes, activation, widths):
    model = deep(votes, activation=activation, jitter=0.0, widths=widths)
    expected = exact_of(votes).class_logits(votes.one_hot(dtype=torch.float64)).detach()
    # The ridge of the equations shows most where an activation makes votes alike, again and again.
    scale = 3e-3 if activation in ("softmax", "entmax") else 1e-4
    assert (logits(model, votes) - expected).abs().max() < scale
    posterior = model.predict_classes(votes) - expected.softmax(1)
    assert posterior.abs().max() < scale / 10
    # Equal on votes never seen, too.
    random = read_votes(np.random.default_rng(0).integers(3, size=(50, 6)), n_classes=3)
    unseen = exact_of(votes).class_logits(random.one_hot(dtype=torch.float64)).detach()
    assert (logits(model, random) - unseen).abs().max() < scale


def test_another_model_is_further_away():
    # Negative control: the vote alone is nats away.
    model = deep(COMPLETE, method="mv", jitter=0.0)
    expected = exact_of(COMPLETE).class_logits(COMPLETE.one_hot(dtype=torch.float64)).detach()
    gap = logits(model, COMPLETE) - expected
    assert (gap - gap.mean(1, keepdim=True)).abs().max() > 0.5


@pytest.mark.parametrize(("votes", "seed"), [(COMPLETE, 0), (GAPS, 1)], ids=FORMS)
@pytest.mark.parametrize(
    ("arguments", "least"),
    [
        ({}, 0.98),
        ({"widths": [4]}, 0.85),
        ({"widths": [8, 5, 3]}, 0.8),
        ({"widths": [6, 6], "rank": 3}, 0.97),
        ({"start": "rand"}, 0.8),
        ({"start": "mv"}, 0.75),
        ({"start": "default"}, 0.85),
        ({"hidden_dim": 2}, 0.98),
        ({"one_hot": True}, 0.98),
        ({"activation": "relu"}, 0.98),
    ],
    ids=str,
)
def test_every_start_agrees_with_the_exact_model_on_most_samples(votes, arguments, least, seed):
    assert agreement(deep(votes, seed, **arguments), votes) > least


@pytest.mark.parametrize("method", ["mv", "mv_rand", "mv_lo"])
@pytest.mark.parametrize("widths", [None, [3], [12]])
def test_starts_from_an_energy_go_by_the_vote(method, widths):
    model = deep(COMPLETE, method=method, widths=widths, jitter=0.0)
    shares = COMPLETE.vote_shares()
    clear = np.sort(shares, 1)[:, -1] - np.sort(shares, 1)[:, -2] > 0.3
    found = model.predict_classes(COMPLETE).argmax(1).numpy()
    agree = (found == shares.argmax(1))[clear].mean()
    assert clear.sum() > 100
    assert agree > (0.99 if widths != [3] else 0.9)


def test_a_start_from_an_energy_is_that_energy(close):
    generator = as_generator(0)
    d, k, units = 4, 3, 2
    shapes = ((d, k), (d, k, units, k), (units, k))
    visible, weight, hidden = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    )
    model = MultinomialIRBM(d, k, hidden_dim=units, jitter=0.0).double()
    model.start_from_energy(visible, weight, hidden, generator)
    v = torch.eye(k).double()[torch.randint(k, (20, d), generator=generator)]
    h = torch.eye(k).double()[torch.randint(k, (20, units), generator=generator)]
    by_hand = (v * visible).sum((1, 2)) + torch.einsum("nil,ilus,nus->n", v, weight, h)
    close(-model.energy(v, h), by_hand + (h * hidden).sum((1, 2)))


def test_units_after_the_first_start_small_and_apart():
    model = deep(COMPLETE, hidden_dim=4)
    rest = model.weight[:, :, 1:].detach()
    assert rest.std() == pytest.approx(0.01, rel=0.15)
    assert model.weight[:, :, 0].abs().max() > 0.5
    assert (rest[:, :, 0] - rest[:, :, 1]).abs().max() > 0.005


def encode_once(votes):
    return lambda v: v, votes.n_classifiers


@both_forms
def test_weights_solve_the_equations(votes):
    exact = exact_of(votes)
    weight, bias = nearest_weights(*encode_once(votes), exact, votes, as_generator(0))
    v = votes.one_hot(dtype=torch.float64)
    found = torch.einsum("nil,ilh->nh", v, weight) + bias
    assert (found - exact.class_logits(v).detach()).abs().max() < 1e-4


@both_forms
def test_very_wide_layers_count_confusions(votes, monkeypatch):
    exact = exact_of(votes)
    monkeypatch.setattr(deep_start, "LARGEST_SYSTEM", 10)
    weight, bias = nearest_weights(*encode_once(votes), exact, votes, as_generator(0))
    prior, confusion = exact.class_tables()
    torch.testing.assert_close(bias, prior.log())
    torch.testing.assert_close(weight.exp().sum(1), torch.ones(6, 3).double())
    # Counted from the posterior of the exact model, these are its own confusions.
    assert (weight.exp() - confusion.transpose(1, 2)).abs().max() < 0.02
    assert agreement(deep(votes, jitter=0.0), votes) > 0.97


def test_a_start_of_many_samples_takes_some_of_them(monkeypatch):
    whole = deep(COMPLETE, jitter=0.0)
    monkeypatch.setattr(deep_start, "_ROWS", 50)
    monkeypatch.setattr(deep_start, "_BATCH", 16)
    some = deep(COMPLETE, jitter=0.0)
    torch.testing.assert_close(logits(some, COMPLETE), logits(whole, COMPLETE), rtol=0, atol=1e-3)


@pytest.mark.parametrize("arguments", [{}, {"start": "rand"}, {"widths": [3], "hidden_dim": 2}])
def test_a_seed_gives_a_start(arguments, monkeypatch):
    monkeypatch.setattr(deep_start, "_STEPS", 20)
    first, again, other = (
        torch.cat([p.detach().flatten() for p in deep(GAPS, seed, **arguments).parameters()])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("votes", "widths"),
    [(COMPLETE, None), (GAPS, None), (SOFT, None), (GAPS, [3])],
    ids=["complete", "gaps", "soft", "narrower"],
)
def test_the_order_of_samples_does_not_matter(votes, widths):
    shuffled = votes.take(np.random.default_rng(0).permutation(votes.n_samples))
    models = [deep(x, widths=widths) for x in (votes, shuffled)]
    if widths is None:
        # The layers follow the seed and the shapes alone; narrower ones learn from the votes.
        for first, second in zip(*(m.layers.parameters() for m in models), strict=True):
            assert torch.equal(first, second)
    same = torch.eq(*(m.predict_classes(votes).argmax(1) for m in models)).double().mean()
    assert same == 1 if widths is None else same > 0.9


@pytest.mark.parametrize("sharpness", [0.6, 0.8, 0.95])
def test_soft_votes_start_as_the_exact_model_too(sharpness):
    votes = read_votes(soft_form(jury(n=300, d=6, k=3, seed=1).votes, 3, sharpness))
    assert agreement(deep(votes), votes) > 0.95


def test_classifiers_and_samples_without_votes(monkeypatch):
    monkeypatch.setattr(deep_start, "_STEPS", 20)
    table = jury(n=200, d=6, k=3, seed=1, missing=0.3).votes
    table[:, 2] = -1
    table[:5] = -1
    votes = read_votes(table, n_classes=3)
    model = deep(votes, widths=[6, 4])
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    prior = exact_of(votes).class_tables()[0]
    found = deep(votes, jitter=0.0).predict_classes(votes)[:5]
    assert (found - prior).abs().max() < 1e-3


def test_one_class_and_one_classifier():
    for table, k in (([[0], [1], [1]], 2), ([[0, 0], [0, 0]], 1)):
        model = deep(read_votes(table, n_classes=k))
        assert all(bool(p.isfinite().all()) for p in model.parameters())
