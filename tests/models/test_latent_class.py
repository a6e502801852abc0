"""The sparse path of latent class models against the dense one and against enumeration."""

import numpy as np
import pytest
import torch
from exact import partial_states
from tiny import TINY_MODELS, has_partition

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM, ExactGradient
from deem.core.votes import Votes
from deem.models.latent_class import LatentClassModel
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

SOFT = TINY_MODELS[0]
LIKELY = [tiny for tiny in TINY_MODELS if has_partition(tiny.cls)]
everywhere = pytest.mark.parametrize("tiny", LIKELY, ids=lambda tiny: tiny.name)


@pytest.fixture
def model(tiny):
    return tiny.build(1)


@pytest.fixture
def partial(tiny):
    """Every pattern of votes and gaps."""
    return partial_states(*tiny.visible.shape[1:])


@pytest.fixture
def votes(tiny, partial):
    codes = torch.where(partial.sum(-1) > 0, partial.argmax(-1), -1).numpy()
    return read_votes(codes, n_classes=tiny.visible.shape[2])


def joint_of_class(tiny, model, partial):
    """log p(observed votes, class) by enumeration."""
    exact = tiny.exact(model)
    joint, classes = exact.log_joint_of_partial(partial), tiny.class_of_hidden(exact.h)
    parts = [joint[:, classes == k].logsumexp(1) for k in range(model.n_classes)]
    return torch.stack(parts, 1).detach()


@everywhere
def test_class_logits_are_joint_log_probabilities(tiny, model, votes, partial):
    expected = joint_of_class(tiny, model, partial)
    torch.testing.assert_close(model.class_logits(votes), expected)
    torch.testing.assert_close(model.class_logits(partial), expected)


@everywhere
def test_predict_classes_is_the_posterior(tiny, model, votes, partial):
    found = model.predict_classes(votes)
    torch.testing.assert_close(found, joint_of_class(tiny, model, partial).softmax(1))
    assert not found.requires_grad


@everywhere
def test_score_samples_of_votes_is_that_of_their_tensor(model, votes, partial):
    torch.testing.assert_close(model.score_samples(votes), model.score_samples(partial))
    torch.testing.assert_close(model.log_likelihood(Dataset(votes)), model.score_samples(partial))


@everywhere
def test_class_tables_are_those_of_the_distribution(tiny, model):
    exact = tiny.exact(model)
    classes = tiny.class_of_hidden(exact.h)
    joint = exact.log_joint.exp().detach()
    prior, confusion = model.class_tables()
    for k in range(model.n_classes):
        mass = joint[:, classes == k].sum(1)
        assert float(prior[k]) == pytest.approx(float(mass.sum()))
        expected = torch.einsum("v,vdl->dl", mass / mass.sum(), exact.v)
        torch.testing.assert_close(confusion[:, k], expected)


@everywhere
def test_log_tables_are_normalised(model):
    log_prior, table = model.log_tables()
    torch.testing.assert_close(log_prior.exp().sum(), torch.ones_like(table[0, 0, 0]))
    torch.testing.assert_close(table.exp().sum(1), torch.ones_like(table[:, 0]))


@everywhere
def test_a_sample_without_votes_has_the_prior_as_posterior(model):
    votes = read_votes(np.full((1, model.n_classifiers), -1), n_classes=model.n_classes)
    prior, _ = model.class_tables()
    torch.testing.assert_close(model.predict_classes(votes)[0], prior)
    assert model.score_samples(votes).tolist() == pytest.approx([0])


def test_a_repeated_vote_counts_twice():
    model = SOFT.build(1)
    votes = Votes(np.array([0, 3]), np.array([0, 3 + 2, 3 + 2], np.int32), None, 3, np.arange(3))
    log_prior, table = model.log_tables()
    expected = log_prior + table[0, 0] + 2 * table[1, 2]
    torch.testing.assert_close(model.class_logits(votes)[0], expected)


@everywhere
def test_votes_of_another_shape_are_refused(model):
    votes = read_votes(np.zeros((2, model.n_classifiers + 1), int), n_classes=model.n_classes)
    with pytest.raises(ShapeError, match=r"votes have \d classifiers .* the model has \d"):
        model.predict_classes(votes)


@everywhere
def test_the_default_solver_is_exact_and_takes_no_rate(tiny, model):
    expected = ExactEM if tiny.arguments.get("hidden_dim", 1) == 1 else ExactGradient
    assert type(model.default_solver()) is expected
    with pytest.raises(ArgumentError, match=r"learning_rate=0\.1, but the exact solver uses none"):
        model.fit(tiny.data(5), learning_rate=0.1)


def test_em_step_reports_the_state_before_it():
    model, data = SOFT.build(1), Dataset(SOFT.data(50))
    model.prepare(data)
    expected = model.log_likelihood(data).sum().detach(), model.log_prior().detach()
    found = model.em_step(model.em_data(data))
    torch.testing.assert_close(found, expected)


def em_step_by_loops(model, codes):
    """One EM step of Dawid and Skene (1979), equations 2.3 to 2.5, with pseudo-counts."""
    log_prior, table = (x.detach().numpy() for x in model.log_tables())
    prior = np.full(3, float(model.pseudo_samples))
    confusion = model.pseudo_votes.numpy().copy()
    for row in codes:
        cast = [(site, label) for site, label in enumerate(row) if label >= 0]
        score = log_prior + sum(table[site, label] for site, label in cast)
        posterior = np.exp(score - np.logaddexp.reduce(score))
        prior += posterior
        for site, label in cast:
            confusion[site, label] += posterior
    return prior / prior.sum(), confusion / confusion.sum(1, keepdims=True)


def test_an_em_step_is_that_of_dawid_and_skene():
    partial = partial_states(3, 3)
    codes = torch.where(partial.sum(-1) > 0, partial.argmax(-1), -1).numpy()
    model, data = SOFT.build(1), Dataset(read_votes(codes, n_classes=3))
    model.prepare(data)
    prior, confusion = em_step_by_loops(model, codes)
    model.em_step(model.em_data(data))
    log_prior, table = model.log_tables()
    assert log_prior.exp().detach().numpy() == pytest.approx(prior)
    assert table.exp().detach().numpy() == pytest.approx(confusion)


def test_a_model_without_m_step_says_so():
    class Bare(LatentClassModel):
        def __init__(self):
            super().__init__(2, 2, torch.arange(2))
            self.bias = torch.nn.Parameter(torch.zeros(2))

        def state_terms(self):
            return self.bias, torch.zeros(2, 2, 2)

        def energy(self, v, h):
            return -h @ self.bias

        def p_h(self, v):
            raise NotImplementedError

        def p_v(self, h):
            raise NotImplementedError

    model, v = Bare(), torch.eye(2)[None]
    with pytest.raises(IntractableError, match="Bare has no closed M-step"):
        model.fit(v, solver=ExactEM())
    assert type(model.default_solver()) is ExactGradient
    assert model.log_prior() == 0
    with pytest.raises(IntractableError, match="Bare has no closed M-step"):
        model.m_step(None, None)
