"""The one-coin inverse RBM: its formulas, its closed M-step and the recovery of accuracies."""

import numpy as np
import pytest
import torch

from deem.core.dataset import Dataset
from deem.core.reading import read_votes
from deem.core.solvers import ExactEM, ExactGradient
from deem.datasets import conditionally_independent
from deem.math.random import as_generator
from deem.models.initialization import initialise
from deem.models.irbm import SoftIRBM
from deem.models.one_coin import OneCoinIRBM
from deem.models.pseudo_counts import PseudoCounts

NO_PRIOR = PseudoCounts(0, 0, 0, 0, 0)


def one_coin_votes(accuracies, n=4000, k=3, prior=None, seed=0):
    """Votes (n, D) whose errors are spread evenly, and their truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=prior)
    wrong = (truth[:, None] + rng.integers(1, k, (n, len(accuracies)))) % k
    right = rng.random(wrong.shape) < np.asarray(accuracies)
    return np.where(right, truth[:, None], wrong), truth


def fitted(votes, k=3, tolerance=1e-9, **arguments):
    model = OneCoinIRBM(votes.n_classifiers, k, **arguments).double()
    model.start_from_shares(votes, as_generator(0))
    return model.fit(votes, solver=ExactEM(tolerance))


def test_accuracy_is_that_of_the_distribution():
    model = OneCoinIRBM(3, 4).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([-1.0, 0.0, 2.0]))
    _, confusion = model.class_tables()
    accuracy, same = model.accuracy.detach()[:, None, None], torch.eye(4).double()
    torch.testing.assert_close(confusion, same * accuracy + (1 - same) * (1 - accuracy) / 3)
    assert model.accuracy[1].item() == pytest.approx(1 / 4)


def test_accuracies_and_prior_are_recovered():
    accuracies, prior = [0.9, 0.75, 0.6, 0.8, 0.5, 0.3], [0.6, 0.3, 0.1]
    codes, truth = one_coin_votes(accuracies, prior=prior)
    model = fitted(read_votes(codes, n_classes=3))
    assert model.accuracy.detach().numpy() == pytest.approx(accuracies, abs=0.03)
    assert model.class_tables()[0].numpy() == pytest.approx(prior, abs=0.03)
    # the control: another truth is not recovered
    assert model.accuracy.detach().numpy() != pytest.approx(accuracies[::-1], abs=0.03)


def test_em_ends_where_the_gradient_of_the_objective_is_zero():
    codes, _ = one_coin_votes([0.9, 0.7, 0.5, 0.6], n=300)
    codes[::5, 1] = -1
    votes = read_votes(codes, n_classes=3)
    model = fitted(votes, tolerance=1e-13)
    objective = model.log_likelihood(Dataset(votes)).sum() + model.log_prior()
    for gradient in torch.autograd.grad(objective, list(model.parameters())):
        assert gradient.abs().max() < 1e-3
    climbed = OneCoinIRBM(4, 3).double()
    climbed.fit(votes, solver=ExactGradient(tolerance=1e-13))
    torch.testing.assert_close(climbed.weight, model.weight, rtol=0, atol=1e-3)


@pytest.mark.parametrize("class_prior", [None, [0.2, 0.5, 0.3]])
def test_every_pass_raises_the_objective(class_prior):
    votes = read_votes(one_coin_votes([0.7, 0.4, 0.5, 0.6], n=200)[0], n_classes=3)
    series = np.array(fitted(votes, class_prior=class_prior).history["objective"])
    assert len(series) > 5
    assert (np.diff(series) > -1e-12).all()


def test_a_known_class_prior_is_kept():
    codes, _ = one_coin_votes([0.7, 0.4, 0.5], n=200)
    model = fitted(read_votes(codes, n_classes=3), class_prior=[0.2, 0.5, 0.3])
    assert model.class_tables()[0].numpy() == pytest.approx([0.2, 0.5, 0.3])


def test_the_m_step_pools_the_votes_of_all_classes():
    codes = np.array([[0, 0], [1, 0], [2, 2], [1, 1]])
    votes = read_votes(codes, n_classes=3)
    model = OneCoinIRBM(2, 3, pseudo_counts=NO_PRIOR).double()
    model.prepare(Dataset(votes))
    counts = votes.matrix().T @ np.eye(3)[[0, 1, 2, 2]]
    model.m_step(torch.from_numpy(counts.reshape(2, 3, 3)), torch.tensor([1.0, 1.0, 2.0]).double())
    assert model.accuracy.detach().numpy() == pytest.approx([3 / 4, 2 / 4])
    assert model.class_tables()[0].numpy() == pytest.approx([1 / 4, 1 / 4, 1 / 2])


def test_pseudo_counts_draw_few_votes_towards_their_own_skill():
    codes, truth = one_coin_votes([0.9, 0.9, 0.9, 0.9], n=30)
    codes[:, 3] = -1
    codes[0, 3] = truth[0]
    votes = read_votes(codes, n_classes=3)
    assert fitted(votes, pseudo_counts=NO_PRIOR).accuracy[3].item() == pytest.approx(1)
    assert 0.7 < fitted(votes).accuracy[3].item() < 0.99


def test_a_classifier_without_votes_guesses():
    codes, _ = one_coin_votes([0.9, 0.8, 0.9], n=50)
    codes[:, 1] = -1
    model = fitted(read_votes(codes, n_classes=3), pseudo_counts=NO_PRIOR)
    assert model.weight[1].item() == 0


def test_one_class_leaves_nothing_to_learn():
    votes = read_votes([[0, 0], [0, -1]], n_classes=1)
    model = fitted(votes, k=1)
    assert model.weight.tolist() == [0, 0]
    assert model.predict_classes(votes).tolist() == [[1], [1]]


def test_a_start_from_an_energy_takes_the_nearest_tied_weights():
    votes = read_votes([[0, 0, 1], [1, 1, 1], [2, 2, 0]])
    model = initialise(OneCoinIRBM(3, 3), votes, "mv", use_weighted=False)
    torch.testing.assert_close(model.weight.detach(), torch.full((3,), 2.0))
    order = torch.tensor([1, 2, 0])
    model.rename_classes(order)
    assert model.predict_classes(votes).argmax(1).tolist() == [0, 1, 2]


def test_it_beats_the_full_table_where_votes_are_few():
    """Both rank as they should: few votes favour one number, structured errors a table."""

    def accuracies(codes, truth, k):
        votes = read_votes(codes, n_classes=k)
        found = []
        for cls in (OneCoinIRBM, SoftIRBM):
            model = cls(votes.n_classifiers, k, pseudo_counts=PseudoCounts(0, 0.1, 0, 0, 0))
            model.double().start_from_shares(votes, as_generator(0))
            model.fit(votes, solver=ExactEM(1e-5))
            found.append(float((model.predict_classes(votes).argmax(1).numpy() == truth).mean()))
        return found

    codes, truth = one_coin_votes(np.linspace(0.2, 0.8, 40), n=200, k=8)
    codes[np.random.default_rng(1).random(codes.shape) < 0.85] = -1
    few = accuracies(codes, truth, 8)
    assert few[0] > few[1] + 0.02
    simulated = conditionally_independent(3000, 6, 3, random_state=0)
    table = accuracies(simulated.votes, simulated.truth, 3)
    assert table[1] >= table[0]
