"""The tempered posterior rule against its formula, and EM with it."""

import numpy as np
import pytest
import torch

from deem import DEEM
from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM, ExactGradient
from deem.datasets import copying_groups
from deem.models import SoftIRBM, TemperedIRBM
from deem.models.initialization import initialise
from deem.utils.exception import ArgumentError, IntractableError, ShapeError

WEIGHT = (0.5, 0.25, 1.0)


@pytest.fixture
def codes():
    return np.random.default_rng(0).integers(-1, 3, (40, 3))


@pytest.fixture
def model():
    model = TemperedIRBM(3, 3, WEIGHT).double()
    generator = torch.Generator().manual_seed(0)
    for p in model.parameters():
        torch.nn.init.normal_(p, generator=generator)
    return model


def scores_by_loops(model, codes, weight=WEIGHT):
    log_prior, table = (x.detach().numpy() for x in model.log_tables())
    scores = np.tile(log_prior, (len(codes), 1))
    for row, cast in enumerate(codes):
        for site, label in enumerate(cast):
            if label >= 0:
                scores[row] += weight[site] * table[site, label]
    return scores


def softmax(scores):
    return np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None])


def test_the_rule_by_loops_on_both_forms_of_votes(model, codes):
    votes = read_votes(codes, n_classes=3)
    expected = scores_by_loops(model, codes)
    for form in (votes, votes.one_hot(dtype=torch.float64)):
        assert model.class_logits(form).detach().numpy() == pytest.approx(expected)
    assert model.predict_classes(votes).numpy() == pytest.approx(softmax(expected))


def test_soft_votes_are_weighted_too(model):
    soft = torch.rand(5, 3, 3, generator=torch.Generator().manual_seed(1)).double().softmax(1)
    votes = read_votes(soft.numpy())
    expected = model.class_logits(soft.transpose(1, 2))
    torch.testing.assert_close(model.class_logits(votes), expected)


def test_an_em_step_counts_every_vote_once(model, codes):
    votes = read_votes(codes, n_classes=3)
    states = softmax(scores_by_loops(model, codes))
    plain = SoftIRBM(3, 3).double()
    plain.prepare(Dataset(votes))
    confusion = plain.pseudo_votes.numpy().copy()
    for cast, posterior in zip(codes, states, strict=True):
        for site, label in enumerate(cast):
            if label >= 0:
                confusion[site, label] += posterior
    model.prepare(Dataset(votes))
    model.em_step(model.em_data(Dataset(votes)))
    found = model.log_tables()[1].exp().detach().numpy()
    assert found == pytest.approx(confusion / confusion.sum(1, keepdims=True))


def test_em_raises_its_objective(codes):
    votes = read_votes(codes, n_classes=3)
    model = TemperedIRBM(3, 3, WEIGHT).double()
    initialise(model, votes, "mv_rand", random_state=0).fit(votes, solver=ExactEM(1e-9))
    assert (np.diff(model.history["objective"]) > -1e-12).all()


def test_weights_of_one_are_the_inverse_rbm(codes):
    votes = read_votes(codes, n_classes=3)
    fitted = [
        initialise(m.double(), votes, "shares").fit(votes).predict_classes(votes)
        for m in (SoftIRBM(3, 3), TemperedIRBM(3, 3), TemperedIRBM(3, 3, [1, 1, 1]))
    ]
    torch.testing.assert_close(fitted[1], fitted[0])
    torch.testing.assert_close(fitted[2], fitted[0])


def test_m_copies_of_weight_1_over_m_are_one_classifier():
    codes = np.random.default_rng(1).integers(0, 3, (60, 4))
    copied = np.hstack([codes[:, [0, 0, 0]], codes])[:, [0, 1, 2, 4, 5, 6]]
    single, tripled = (
        initialise(m.double(), votes, "mv", use_weighted=False).fit(votes).predict_classes(votes)
        for m, votes in (
            (TemperedIRBM(4, 3, [1.0] * 4, pseudo_counts=(0, 0, 0, 0, 0)), read_votes(codes)),
            (
                TemperedIRBM(6, 3, [1 / 3] * 3 + [1.0] * 3, pseudo_counts=(0, 0, 0, 0, 0)),
                read_votes(copied),
            ),
        )
    )
    torch.testing.assert_close(tripled, single, rtol=1e-5, atol=1e-5)


def test_there_is_no_likelihood(model, codes):
    votes = read_votes(codes, n_classes=3)
    for ask in (
        lambda: model.log_partition(),
        lambda: model.score_samples(votes),
        lambda: model.log_likelihood(Dataset(votes)),
        lambda: model.fit(votes, solver=ExactGradient()),
    ):
        with pytest.raises(IntractableError, match=r"no distribution of the votes; train by Exac"):
            ask()


def test_the_estimator_finds_it_by_name_and_better_than_the_plain_model():
    data = copying_groups(2000, 3, groups=(3, 3, 2, 1, 1, 1), random_state=0)
    weight = [1 / 3] * 6 + [1 / 2] * 2 + [1.0] * 3
    tempered = DEEM(n_classes=3, model="TemperedIRBM", model_params={"vote_weight": weight})
    found, plain = (
        (m.fit(data.votes).labels_ == data.truth).mean()
        for m in (tempered, DEEM(n_classes=3, selection=None))
    )
    assert found > plain + 0.01


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"vote_weight": [1.0, 1.0]}, ShapeError, r"vote_weight has shape \(2,\); expected"),
        ({"vote_weight": [1.0, 0.0, 1.0]}, ArgumentError, "must be finite and above 0"),
        ({"vote_weight": [1.0, np.inf, 1.0]}, ArgumentError, "must be finite and above 0"),
        ({"hidden_dim": 2}, ArgumentError, "hidden_dim=2; TemperedIRBM has 1"),
    ],
)
def test_arguments_are_checked(arguments, error, text):
    with pytest.raises(error, match=text):
        TemperedIRBM(3, 3, **arguments)
