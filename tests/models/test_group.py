"""The group model: message passing against listed states, EM by loops, copies that count once."""

import numpy as np
import pytest
import torch
from tiny import TINY_MODELS

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM
from deem.core.votes import Votes
from deem.datasets import copying_groups
from deem.models import GroupIRBM, SoftIRBM, group
from deem.models.initialization import initialise
from deem.models.latent_class import LatentClassModel
from deem.utils.exception import ArgumentError, IntractableError

TINY = next(tiny for tiny in TINY_MODELS if tiny.cls is GroupIRBM)


@pytest.fixture
def model():
    """Three classes, groups of two and three, one single: all joint states can be listed."""
    model = GroupIRBM(6, 3, [(4, 1), (0, 5, 2)][::-1] + [[3]]).double()
    generator = torch.Generator().manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p, generator=generator)
    return model


@pytest.fixture
def codes():
    return np.random.default_rng(0).integers(-1, 3, (50, 6))


def listed_posterior(model, codes):
    """(n, K, K, K) joint posterior of class and two groups, and log p(v), by plain sums."""
    prior, tables, vote = (x.detach().numpy() for x in model.tables())
    joint = prior[:, None, None] + tables[0].T[:, :, None] + tables[1].T[:, None, :]
    scores = np.tile(joint, (len(codes), 1, 1, 1))
    for row, cast in enumerate(codes):
        for site, label in enumerate(cast):
            if label >= 0:
                shape = np.ones(3, int)
                shape[model.site_unit[site]] = 3
                scores[row] += vote[site, label].reshape(shape)
    evidence = np.logaddexp.reduce(scores.reshape(len(codes), -1), axis=1)
    return np.exp(scores - evidence[:, None, None, None]), evidence


def test_message_passing_is_the_sum_over_listed_states(model, codes):
    votes = read_votes(codes, n_classes=3)
    states, evidence = listed_posterior(model, codes)
    assert model.predict_classes(votes).numpy() == pytest.approx(states.sum((2, 3)))
    assert model.score_samples(votes).detach().numpy() == pytest.approx(evidence)
    dense = votes.one_hot(dtype=torch.float64)
    torch.testing.assert_close(model.class_logits(dense), model.class_logits(votes))
    torch.testing.assert_close(
        LatentClassModel.free_energy(model, dense), model.free_energy(dense)
    )


def test_soft_votes_take_the_place_of_one_hot_rows(model):
    soft = torch.rand(5, 6, 3, generator=torch.Generator().manual_seed(1)).double().softmax(2)
    votes = read_votes(soft.transpose(1, 2).numpy())
    torch.testing.assert_close(model.class_logits(votes), model.class_logits(soft))


def em_by_loops(model, codes, weights):
    states, _ = listed_posterior(model, codes)
    states *= weights[:, None, None, None]
    prior = float(model.pseudo_samples) + states.sum((0, 2, 3))
    pairs = np.stack([states.sum((0, 3)).T, states.sum((0, 2)).T]) + model.pseudo_groups.numpy()
    votes = model.pseudo_votes.numpy().copy()
    margins = [states.sum((2, 3)), states.sum((1, 3)), states.sum((1, 2))]
    for row, cast in enumerate(codes):
        for site, label in enumerate(cast):
            if label >= 0:
                votes[site, label] += margins[model.site_unit[site]][row]
    return prior / prior.sum(), *(x / x.sum(1, keepdims=True) for x in (pairs, votes))


def test_an_em_step_by_loops(model, codes, monkeypatch):
    monkeypatch.setattr(group, "_BATCH", 7)
    weights = np.random.default_rng(1).uniform(0, 3, len(codes))
    data = Dataset(read_votes(codes, n_classes=3).with_weights(weights))
    model.prepare(data)
    expected = em_by_loops(model, codes, weights)
    before = (model.log_likelihood(data) * data.weights).sum(), model.log_prior()
    found = model.em_step(model.em_data(data))
    torch.testing.assert_close(found, tuple(x.detach() for x in before))
    for table, by_loops in zip(model.tables(), expected, strict=True):
        assert table.exp().detach().numpy() == pytest.approx(by_loops)


def test_em_raises_the_penalised_likelihood(codes):
    votes = read_votes(codes, n_classes=3)
    model = GroupIRBM(6, 3, [(0, 1), (2, 3)]).double()
    initialise(model, votes, "mv_rand", random_state=0).fit(votes, solver=ExactEM(1e-9))
    assert (np.diff(model.history["objective"]) > -1e-12).all()


def test_known_classes_enter_the_e_step(model, codes):
    votes = read_votes(codes, n_classes=3)
    known = torch.from_numpy(np.random.default_rng(2).integers(-1, 3, len(codes)))
    data = Dataset(votes, targets=known)
    model.prepare(data)
    expected = model.log_likelihood(data).sum().detach()
    found, _ = model.em_step(model.em_data(data))
    torch.testing.assert_close(found, expected)


def test_a_known_class_prior_stays(codes):
    model = GroupIRBM(6, 3, [(0, 1)], class_prior=[0.2, 0.3, 0.5]).double()
    model.fit(read_votes(codes, n_classes=3))
    assert model.tables()[0].exp().tolist() == pytest.approx([0.2, 0.3, 0.5])


def test_renamed_classes_have_the_same_likelihood_and_permuted_posteriors(model, codes):
    votes = read_votes(codes, n_classes=3)
    score, states = model.score_samples(votes).detach(), model.predict_classes(votes)
    order = torch.tensor([2, 0, 1])
    model.rename_classes(order)
    torch.testing.assert_close(model.score_samples(votes).detach(), score)
    torch.testing.assert_close(model.predict_classes(votes), states[:, order])


def test_without_groups_it_is_the_inverse_rbm(codes):
    votes = read_votes(codes, n_classes=3)
    plain, grouped = (
        initialise(m.double(), votes, "shares").fit(votes)
        for m in (SoftIRBM(6, 3), GroupIRBM(6, 3, []))
    )
    torch.testing.assert_close(grouped.predict_classes(votes), plain.predict_classes(votes))
    torch.testing.assert_close(grouped.class_tables(), plain.class_tables())


def test_a_repeated_vote_counts_twice(model):
    votes = Votes(np.array([0, 2]), np.array([4, 4], np.int32), None, 6, np.arange(3))
    prior, tables, vote = model.tables()
    unit = int(model.site_unit[1])
    expected = prior + (tables[unit - 1] + 2 * vote[1, 1][:, None]).logsumexp(0)
    torch.testing.assert_close(model.class_logits(votes)[0], expected)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_copies_count_once(seed):
    data = copying_groups(2000, 3, groups=(3, 3, 2, 1, 1, 1), random_state=seed)
    votes = read_votes(data.votes, n_classes=3)
    groups = [(0, 1, 2), (3, 4, 5), (6, 7)]
    plain, grouped = (
        initialise(m.double(), votes, "shares").fit(votes)
        for m in (SoftIRBM(11, 3), GroupIRBM(11, 3, groups))
    )
    assert grouped.score_samples(votes).mean() > plain.score_samples(votes).mean() + 0.5
    right = [
        (m.predict_classes(votes).argmax(1).numpy() == data.truth).mean() for m in (plain, grouped)
    ]
    assert right[1] > right[0]
    # What the plain model believes of its copies is further from the truth.
    skills = np.einsum("dkk->d", data.confusion) / 3
    errors = [
        np.abs(m.class_tables()[1].numpy().trace(axis1=1, axis2=2) / 3 - skills).mean()
        for m in (plain, grouped)
    ]
    assert errors[1] < errors[0]


def test_the_tie_keeps_a_group_near_the_class(codes):
    votes = read_votes(codes, n_classes=3)
    means = []
    for tie in (0.0, 1.0, 100.0):
        model = GroupIRBM(6, 3, [(0, 1), (2, 3)], tie=tie).double().fit(votes)
        table = model.tables()[1].exp().detach()
        means.append(float(table.diagonal(dim1=1, dim2=2).mean()))
    assert means == sorted(means)
    assert means[-1] > 0.95


def test_a_group_unit_of_many_states_needs_no_list():
    model = GroupIRBM(24, 10, [(3 * i, 3 * i + 1) for i in range(8)])
    with pytest.raises(IntractableError, match="9 hidden units of 10 states"):
        model.state_terms()
    codes = np.random.default_rng(0).integers(0, 10, (30, 24))
    votes = read_votes(codes, n_classes=10)
    assert model.fit(votes).predict_classes(votes).sum(1).numpy() == pytest.approx(1, abs=1e-5)


def test_a_group_of_one_is_a_single():
    model = GroupIRBM(5, 2, [[3], [0, 1]])
    assert model.groups == ((0, 1),)
    assert model.site_unit.tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("groups", "arguments", "text"),
    [
        ([(0, 1), (1, 2)], {}, "has classifier 1 more than once"),
        ([(0, 5)], {}, "has classifier 5, but there are 5"),
        ([(-1, 0)], {}, "has classifier -1"),
        ([(0, 1, 2, 3)], {}, "leave the class 2 neighbours"),
        ([(0, 1)], {"tie": -1.0}, "tie=-1.0; it must be finite and at least 0"),
    ],
)
def test_arguments_are_checked(groups, arguments, text):
    with pytest.raises(ArgumentError, match=text):
        GroupIRBM(5, 2, groups, **arguments)
