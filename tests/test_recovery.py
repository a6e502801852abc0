"""EM finds what is there: published estimates, and tables that votes were drawn from."""

import numpy as np
import pytest
import torch

from deem.core.reading import read_votes
from deem.core.solvers import ExactEM, ExactGradient
from deem.core.votes import Votes
from deem.models import BinaryIRBM, SoftIRBM
from deem.models.initialization import initialise

# Dawid and Skene (1979), table 1: ratings of 45 patients, three of them by the first observer.
RATINGS = """
1111111 3334343 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343
1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222
1111111 1111111 2322222 1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343
2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222
"""
OBSERVERS = (0, 0, 0, 1, 2, 3, 4)


def anaesthetists():
    columns = [
        sorted(4 * o + int(r) - 1 for o, r in zip(OBSERVERS, row, strict=True))
        for row in RATINGS.split()
    ]
    flat = np.array(columns, dtype=np.int32).ravel()
    return Votes(7 * np.arange(46), flat, None, 5, np.arange(1, 5))


def test_the_estimates_are_the_published_ones():
    votes = anaesthetists()
    model = SoftIRBM(5, 4, pseudo_counts=(0, 0, 0, 0, 0)).double()
    initialise(model, votes, "shares")
    model.fit(votes, epochs=300, solver=ExactEM(tolerance=1e-10))
    prior, confusion = model.class_tables()
    # Estimates of the same paper, to two decimals: class prior, and table of the first observer.
    assert prior.tolist() == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    expected = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert confusion[0].numpy() == pytest.approx(np.array(expected), abs=0.005)


def make_votes(seed, n, n_classifiers, n_classes, missing=0.2):
    """Conditionally independent votes with their truth, class prior and confusions."""
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.full(n_classes, 20.0))
    skill = rng.uniform(0.45, 0.9, n_classifiers)[:, None, None]
    noise = rng.dirichlet(np.ones(n_classes), (n_classifiers, n_classes))
    confusion = skill * np.eye(n_classes) + (1 - skill) * noise
    truth = rng.choice(n_classes, n, p=prior)
    cumulative = confusion[:, truth].cumsum(2)
    codes = (cumulative < rng.random((n_classifiers, n, 1))).sum(2).T
    codes[rng.random(codes.shape) < missing] = -1
    return codes, truth, prior, confusion


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("kind", "n_classes", "start"),
    [(SoftIRBM, 3, "mv_rand"), (SoftIRBM, 4, "shares"), (BinaryIRBM, 2, "shares")],
)
def test_em_recovers_the_tables(seed, kind, n_classes, start):
    codes, truth, prior, confusion = make_votes(seed, 40_000, 10, n_classes)
    votes = read_votes(codes, n_classes=n_classes)
    model = initialise(kind(10, n_classes).double(), votes, start, random_state=seed)
    model.fit(votes, solver=ExactEM(tolerance=1e-6))
    found_prior, found = model.class_tables()
    assert found_prior.numpy() == pytest.approx(prior, abs=0.02)
    assert found.numpy() == pytest.approx(confusion, abs=0.025 if n_classes == 4 else 0.02)
    predicted = model.predict_classes(votes).argmax(1).numpy()
    accuracy, majority = ((labels == truth).mean() for labels in (predicted, votes.majority()))
    assert accuracy >= majority


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_the_default_tolerance_and_few_votes_it_still_beats_the_vote(seed):
    codes, truth, _, _ = make_votes(seed, 600, 8, 3)
    votes = read_votes(codes, n_classes=3)
    model = initialise(SoftIRBM(8, 3), votes, "shares")
    model.fit(votes)
    predicted = model.predict_classes(votes).argmax(1).numpy()
    assert (predicted == truth).mean() >= (votes.majority() == truth).mean()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_units_explain_classifiers_that_err_together(seed):
    rng = np.random.default_rng(seed)
    n = 4000
    truth, shared = rng.integers(0, 2, n), rng.integers(0, 2, n)
    chance = 0.2 + 0.6 * truth[:, None] * np.ones(6)
    chance[:, 3:] += 0.19 * (2 * shared[:, None] - 1)
    codes = (rng.random((n, 6)) < chance).astype(int)
    votes = read_votes(codes)
    scores = []
    for units in (1, 2):
        model = initialise(BinaryIRBM(6, hidden_dim=units).double(), votes, random_state=seed)
        model.fit(votes, epochs=100, solver=ExactGradient(tolerance=1e-5))
        with torch.no_grad():
            scores.append(float(model.score_samples(votes).mean()))
    assert scores[1] > scores[0] + 0.005
