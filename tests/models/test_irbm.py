"""Inverse RBMs: redundant forms, unlisted hidden states, soft votes, known tables."""

import numpy as np
import pytest
import torch
from exact import one_hot_states
from tiny import TINY_MODELS

from deem import DEEM
from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.math.random import as_generator
from deem.models import BinaryIRBM, SoftIRBM, irbm
from deem.models.initialization import initialise
from deem.utils.exception import (
    ArgumentError,
    EmptySampleWarning,
    FewSamplesWarning,
    IntractableError,
    ShapeError,
    SilentClassifierWarning,
)

SOFT, SOFT_TWO, BINARY, BINARY_TWO = INVERSE = TINY_MODELS[:4]
by_name = {"ids": lambda tiny: tiny.name}


def redundant(d, k, units, seed=0):
    """Any categorical energy: visible bias, weight, hidden bias."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((d, k), (d, k, units, k), (units, k))
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def enumerated(visible_bias, weight, hidden_bias):
    """p(v) and p(first unit | v) by plain loops over the categorical energy."""
    d, k, units, _ = weight.shape
    table = np.zeros((k**d, k**units))
    for i, v in enumerate(np.ndindex(*[k] * d)):
        for j, h in enumerate(np.ndindex(*[k] * units)):
            score = sum(float(hidden_bias[u, h[u]]) for u in range(units))
            for site in range(d):
                score += float(visible_bias[site, v[site]])
                score += sum(float(weight[site, v[site], u, h[u]]) for u in range(units))
            table[i, j] = np.exp(score)
    table /= table.sum()
    classes = table.reshape(k**d, k, -1).sum(2)
    return table.sum(1), classes / classes.sum(1, keepdims=True)


@pytest.mark.parametrize("tiny", INVERSE, **by_name)
def test_set_parameters_takes_any_energy_in_redundant_form(tiny):
    model = tiny.build()
    energy = redundant(model.n_classifiers, model.n_classes, model.hidden_dim)
    model.set_parameters(*energy)
    p, posterior = enumerated(*energy)
    assert model.score_samples(tiny.visible).exp().detach().numpy() == pytest.approx(p)
    codes = tiny.visible.argmax(-1).numpy()
    found = model.predict_classes(read_votes(codes, n_classes=model.n_classes))
    assert found.numpy() == pytest.approx(posterior)


@pytest.mark.parametrize(("k", "units"), [(10, 20), (2, 70), (2, 1000)])
def test_many_hidden_units_are_trained_by_sampling(k, units, tmp_path):
    codes = np.random.default_rng(0).integers(0, k, (40, 5))
    model = SoftIRBM(5, k, units)
    assert not model.is_listed
    assert model.state_codes.shape == (0, units)
    votes = read_votes(codes, n_classes=k)
    initialise(model, votes, random_state=0)
    model.fit(votes, epochs=1, solver=ContrastiveDivergence(), random_state=0)
    found = model.predict_classes(votes)
    assert found.sum(1).numpy() == pytest.approx(1, abs=1e-5)
    model.save(tmp_path / "file")
    assert torch.equal(SoftIRBM.load(tmp_path / "file").predict_classes(votes), found)


@pytest.mark.parametrize(("k", "units"), [(10, 20), (2, 70)])
def test_the_estimator_takes_many_hidden_units(k, units):
    codes = np.random.default_rng(0).integers(0, k, (40, 5))
    fitted = DEEM(n_classes=k, hidden_dim=units, solver="cd", epochs=1, random_state=0).fit(codes)
    assert fitted.predict_proba(codes).sum(1) == pytest.approx(1, abs=1e-5)


def test_one_class_lists_its_one_state_for_any_number_of_units():
    model = SoftIRBM(3, 1, 70)
    assert model.state_codes.tolist() == [[0] * 70]


def test_the_estimator_gives_the_uniform_prior_where_nobody_voted():
    with (
        pytest.warns(EmptySampleWarning),
        pytest.warns(SilentClassifierWarning),
        pytest.warns(FewSamplesWarning),
    ):
        fitted = DEEM(n_classes=3).fit(-np.ones((5, 4), int))
    assert fitted.predict_proba([[-1, -1, -1, -1]]) == pytest.approx(np.full((1, 3), 1 / 3))


@pytest.mark.parametrize("units", [1, 2])
def test_binary_and_soft_models_of_two_classes_are_the_same(units):
    energy = redundant(3, 2, units)
    models = [BinaryIRBM(3, hidden_dim=units).double(), SoftIRBM(3, 2, units).double()]
    for model in models:
        model.set_parameters(*energy)
    v = torch.cat([one_hot_states(3, 2), torch.zeros(1, 3, 2)])
    torch.testing.assert_close(*[model.score_samples(v) for model in models])
    torch.testing.assert_close(*[model.class_logits(v) for model in models])
    n_parameters = [sum(p.numel() for p in model.parameters()) for model in models]
    assert n_parameters[0] == n_parameters[1] == 3 + 3 * units + units


def test_the_weights_are_centred():
    model = SOFT_TWO.build(1)
    for axis in (1, 3):
        assert model.weight.sum(axis).abs().max() < 1e-12
    assert model.visible_bias.sum(1).abs().max() < 1e-12
    assert model.hidden_bias.sum(1).abs().max() < 1e-12


@pytest.mark.parametrize("tiny", [SOFT, BINARY], **by_name)
def test_set_tables_gives_a_model_of_these_tables(tiny):
    model = tiny.build(1)
    k = model.n_classes
    prior = torch.arange(1.0, k + 1, dtype=torch.float64) / sum(range(1, k + 1))
    confusion = torch.rand(3, k, k, generator=as_generator(0), dtype=torch.float64).log_softmax(1)
    model.set_tables(prior.log(), confusion)
    log_prior, table = model.log_tables()
    torch.testing.assert_close(log_prior.exp(), prior)
    torch.testing.assert_close(table, confusion)
    found_prior, found = model.class_tables()
    torch.testing.assert_close(found_prior, prior)
    torch.testing.assert_close(found, confusion.exp().transpose(1, 2))


def test_a_posterior_by_hand():
    # Two classifiers of accuracy 0.9 and 0.6 disagree: odds of 0.9 / 0.1 times 0.4 / 0.6.
    model = BinaryIRBM(2).double()
    confusion = torch.tensor([[[0.9, 0.1], [0.1, 0.9]], [[0.6, 0.4], [0.4, 0.6]]]).double()
    model.set_tables(torch.tensor([0.5, 0.5]).double().log(), confusion.log())
    found = model.predict_classes(read_votes([[0, 1], [1, -1], [0, 0]], n_classes=2))
    expected = [[6 / 7, 1 / 7], [0.1, 0.9], [0.54 / 0.58, 0.04 / 0.58]]
    assert found.numpy() == pytest.approx(np.array(expected))


@pytest.fixture
def unlisted(monkeypatch):
    """Build the same model with and without listed hidden states."""

    def build(tiny):
        listed = tiny.build(1)
        monkeypatch.setattr(irbm, "MAX_JOINT_STATES", 1)
        model = tiny.build(1)
        assert listed.is_listed
        assert not model.is_listed
        return listed, model

    return build


@pytest.mark.parametrize("tiny", [SOFT_TWO, BINARY_TWO], **by_name)
def test_unlisted_states_give_the_same_numbers_on_complete_rows(tiny, unlisted):
    listed, model = unlisted(tiny)
    v, h = tiny.visible, tiny.hidden
    torch.testing.assert_close(model.free_energy(v), listed.free_energy(v))
    torch.testing.assert_close(model(v), listed(v))
    for state in h:
        same = state.expand(len(v), *state.shape)
        torch.testing.assert_close(model.p_h(v).log_prob(same), listed.p_h(v).log_prob(same))
    votes = read_votes(v.argmax(-1).numpy(), n_classes=model.n_classes)
    torch.testing.assert_close(model.predict_classes(votes), listed.predict_classes(votes))


@pytest.mark.parametrize("tiny", [SOFT_TWO, BINARY_TWO], **by_name)
def test_unlisted_states_refuse_what_they_cannot_do(tiny, unlisted):
    _, model = unlisted(tiny)
    missing = tiny.visible[:3].clone()
    missing[1, 0] = 0
    with pytest.raises(IntractableError, match="too many joint states to sum over"):
        model.log_partition()
    with pytest.raises(IntractableError, match="missing votes, which couple the 2 hidden units"):
        model.free_energy(missing)
    with pytest.raises(IntractableError, match="missing votes"):
        model.p_h(missing)


def test_unlisted_states_train_by_contrastive_divergence(unlisted):
    listed, model = unlisted(BINARY_TWO)
    v = BINARY_TWO.data(200)
    before = listed.score_samples(v).mean().detach()
    solver = ContrastiveDivergence(steps=3, learning_rate=0.5)
    model.fit(v, epochs=40, batch_size=50, solver=solver, random_state=0)
    listed.load_state_dict(model.state_dict())
    assert listed.score_samples(v).mean() > before + 0.08


@pytest.mark.parametrize("tiny", INVERSE, **by_name)
def test_soft_votes_bound_the_expected_likelihood(tiny):
    model = tiny.build(1)
    d, k = tiny.visible.shape[1:]
    soft = torch.rand(6, d, k, generator=as_generator(0), dtype=torch.float64).softmax(-1)
    log_p = model.score_samples(tiny.visible)
    chance = torch.einsum("vdk,ndk->nvd", tiny.visible, soft).prod(2)
    assert (chance.sum(1) - 1).abs().max() < 1e-12
    assert (model.score_samples(soft) <= chance @ log_p + 1e-12).all()


def test_a_soft_vote_takes_the_place_of_the_one_hot_row():
    model = SOFT.build(1)
    soft = torch.rand(5, 3, 3, generator=as_generator(0), dtype=torch.float64).softmax(-1)
    visible_bias, weight, hidden_bias = model.categorical_parameters()
    logits = hidden_bias[0] + torch.einsum("ndl,dlk->nk", soft, weight[:, :, 0])
    expected = -logits.logsumexp(1) - (soft * visible_bias).sum((1, 2))
    torch.testing.assert_close(model.free_energy(soft), expected)
    votes = read_votes(soft.transpose(1, 2).numpy())
    torch.testing.assert_close(model.score_samples(votes), model.score_samples(soft))
    torch.testing.assert_close(model.predict_classes(votes), logits.softmax(1).detach())


@pytest.mark.parametrize("units", [1, 2])
def test_one_class_leaves_nothing_to_learn(units):
    model = SoftIRBM(3, 1, units).double()
    v = torch.ones(4, 3, 1, dtype=torch.float64)
    v[0, 1] = 0
    assert model.score_samples(v).tolist() == pytest.approx([0] * 4)
    assert model.predict_classes(read_votes([[0, 0, 0]], n_classes=1)).tolist() == [[1.0]]
    model.fit(v, epochs=2)
    assert model.score_samples(v).tolist() == pytest.approx([0] * 4)


def test_one_classifier_is_believed():
    model = SoftIRBM(1, 3).double()
    model.set_tables(torch.zeros(3).double(), torch.eye(3).double()[None] * 5)
    assert model.predict_classes(read_votes([[2], [0]], n_classes=3)).argmax(1).tolist() == [2, 0]


def prior_by_hand(model):
    """Pseudo-counts times log-probabilities, joint states sharing those of their class."""
    log_state, table = model.log_tables()
    total = 0.0
    states = [int(s) for s in model.state_class]
    share = model.n_classes / len(states)
    for s, h in enumerate(states):
        total += share * float(model.pseudo_samples * log_state[s].detach())
        total += share * float((model.pseudo_votes[:, :, h] * table[:, :, s].detach()).sum())
    return total


@pytest.mark.parametrize("tiny", INVERSE, **by_name)
def test_the_log_prior_weighs_log_tables_by_pseudo_counts(tiny):
    model = tiny.build(1)
    model.prepare(Dataset(tiny.data(30)))
    assert (model.pseudo_votes > 0).all()
    assert model.pseudo_samples > 0
    assert float(model.log_prior().detach()) == pytest.approx(prior_by_hand(model))


def test_a_known_class_prior_takes_no_pseudo_samples():
    model = SoftIRBM(3, 3, class_prior=[0.2, 0.3, 0.5]).double()
    model.prepare(Dataset(SOFT.data(30)))
    _, table = model.log_tables()
    expected = (model.pseudo_votes * table).sum()
    torch.testing.assert_close(model.log_prior(), expected)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SoftIRBM(0, 3), "n_classifiers=0; it must be at least 1"),
        (lambda: SoftIRBM(3, 0), "n_classes=0; it must be at least 1"),
        (lambda: SoftIRBM(3, 3, 0), "hidden_dim=0; it must be at least 1"),
        (lambda: BinaryIRBM(3, 3), "n_classes=3; BinaryIRBM has 2, use SoftIRBM"),
        (lambda: SoftIRBM(3, 3, class_prior=[0.5, 0.6, 0.1]), "class_prior=.* sum to one"),
        (lambda: SoftIRBM(3, 3, class_prior=[0.5, 0.5]), r"class_prior has shape \(2,\)"),
        (lambda: SoftIRBM(3, 3, pseudo_counts=(-1.0,)), r"pseudo_counts\.one_coin=-1\.0"),
    ],
)
def test_arguments_are_checked(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (4, 2, 3), (3, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match=r"v has shape .* expected \(batch, n_classifiers"):
        SOFT.build().free_energy(torch.zeros(shape, dtype=torch.float64))


def test_the_redundant_form_has_idle_directions_and_the_free_one_has_none():
    # D = K = 3: 39 categorical parameters, of which 20 matter.
    model = SOFT.build(1)
    states = SOFT.visible.flatten(1)
    energy = [x.detach() for x in model.categorical_parameters()]

    def log_p(flat):
        a, w, b = (
            part.reshape(like.shape)
            for part, like in zip(flat.split([9, 27, 3]), energy, strict=True)
        )
        logits = b[0] + states @ w[:, :, 0].reshape(9, 3)
        return (states @ a.flatten() + logits.logsumexp(1)).log_softmax(0)

    flat = torch.cat([x.flatten() for x in energy])
    torch.testing.assert_close(log_p(flat), model.score_samples(SOFT.visible).detach())
    table = torch.autograd.functional.jacobian(log_p, flat)
    assert len(flat) == 39
    assert int(torch.linalg.matrix_rank(table, rtol=1e-10)) == 20
    assert sum(p.numel() for p in model.parameters()) == 20
