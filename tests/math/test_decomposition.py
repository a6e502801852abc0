"""Losses of ensembles against their closed forms, one sample at a time."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, kl_div, log_softmax, one_hot

from deem.math.decomposition import aggregate, augmented_objective, checked_beta, decompose
from deem.utils.exception import ArgumentError, LabelError, ShapeError

B, M, C = 7, 4, 3
KINDS = [("score", "mse"), ("score", "ce"), ("prob", "ce")]
BETAS = (0.0, 0.3, 1.0)
Y = torch.tensor([0, 1, 2, 2, 1, 0, 1])


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SCORES = 2 * randn(B, M, C)
VALUES = randn(B, C, seed=1)
WEIGHTS = randn(B, M, seed=2).square()


def truth(loss):
    return VALUES if loss == "mse" else Y


def uniform():
    return torch.full((B, M), 1 / M, dtype=torch.float64)


def closed_form(how, loss, shares):
    """Diversity of each sample, written as in the papers."""
    w = shares.unsqueeze(-1)
    mean = (w * SCORES).sum(1)
    if loss == "mse":
        return (w * (SCORES - mean[:, None]) ** 2).sum((1, 2))
    if how == "score":
        consensus = log_softmax(mean, -1)[:, None].expand_as(SCORES)
        divergence = kl_div(SCORES.log_softmax(-1), consensus, log_target=True, reduction="none")
        return (shares * divergence.sum(-1)).sum(1)
    true = SCORES.softmax(-1)[torch.arange(B), :, Y]
    return (shares * true).sum(1).log() - (shares * true.log()).sum(1)


def slope(how, loss, shares, beta):
    """Derivative by the scores, summed over samples."""
    w = shares.unsqueeze(-1)
    mean = (w * SCORES).sum(1, keepdim=True)
    if loss == "mse":
        y = VALUES[:, None]
        return 2 * w * ((1 - beta) * (SCORES - y) + beta * (mean - y))
    y, p = one_hot(Y, C)[:, None], SCORES.softmax(-1)
    if how == "score":
        return w * ((1 - beta) * (p - y) + beta * (mean.softmax(-1) - y))
    true = p[torch.arange(B), :, Y]
    responsible = (shares * true / (shares * true).sum(1, keepdim=True)).unsqueeze(-1)
    return ((1 - beta) * w + beta * responsible) * (p - y)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize(("how", "loss"), KINDS)
def test_values_and_gradients_are_the_closed_forms(how, loss, weights, close):
    shares = uniform() if weights is None else WEIGHTS / WEIGHTS.sum(1, keepdim=True)
    for beta in BETAS:
        leaf = SCORES.clone().requires_grad_()
        found = decompose(leaf, truth(loss), how, loss, weights)
        close(found.diversity, closed_form(how, loss, shares).mean())
        close(found.individual - found.ensemble, found.diversity)
        objective = augmented_objective(found, beta, "mean")
        close(objective, found.individual - beta * found.diversity)
        close(objective, found.ensemble + (1 - beta) * found.diversity)
        (actual,) = torch.autograd.grad(objective, leaf)
        close(actual, slope(how, loss, shares, beta) / B)


def losses(found):
    return torch.stack([found.individual, found.ensemble, found.diversity])


def test_losses_are_those_of_torch(close):
    found = decompose(SCORES, Y)
    each = torch.stack([cross_entropy(SCORES[:, m], Y) for m in range(M)])
    close(found.per_learner, each)
    close(found.individual, each.mean())
    close(found.ensemble, cross_entropy(SCORES.mean(1), Y))
    close(aggregate(SCORES), SCORES.mean(1).log_softmax(-1))
    mixture = SCORES.softmax(-1).mean(1).log()
    close(aggregate(SCORES, "prob"), mixture)
    close(decompose(SCORES, Y, "prob").ensemble, -mixture[torch.arange(B), Y].mean())


def test_at_one_all_learners_get_the_same_gradient():
    leaf = SCORES.clone().requires_grad_()
    augmented_objective(decompose(leaf, Y), 1.0).backward()
    assert torch.equal(leaf.grad, leaf.grad[:, :1].expand(-1, M, -1))


def test_the_sum_trains_a_learner_as_if_alone(close):
    leaf = SCORES.clone().requires_grad_()
    augmented_objective(decompose(leaf, Y), 0.0, "sum").backward()
    alone = SCORES[:, :1].clone().requires_grad_()
    cross_entropy(alone[:, 0], Y).backward()
    close(leaf.grad[:, :1], alone.grad)


def test_rows_of_zeros_do_not_count(close):
    weights = WEIGHTS.clone()
    weights[[1, 4]] = 0
    rest = torch.tensor([0, 2, 3, 5, 6])
    for how, loss in KINDS:
        leaf = SCORES.clone().requires_grad_()
        y = truth(loss)
        found = decompose(leaf, y, how, loss, weights)
        expected = decompose(SCORES[rest], y[rest], how, loss, weights[rest])
        close(losses(found), losses(expected))
        close(found.per_learner, expected.per_learner)
        found.individual.backward()
        assert not leaf.grad[[1, 4]].any()
    nothing = decompose(SCORES, Y, weights=torch.zeros(B, M))
    assert (nothing.individual, nothing.ensemble) == (0, 0)
    close(aggregate(SCORES, weights=weights)[1], SCORES[1].mean(0).log_softmax(-1))


def test_weights_are_shares_of_a_row(close):
    scaled = WEIGHTS * torch.arange(1, B + 1).unsqueeze(1)
    for how, loss in KINDS:
        first = decompose(SCORES, truth(loss), how, loss, WEIGHTS)
        second = decompose(SCORES, truth(loss), how, loss, scaled)
        close(losses(second), losses(first))
        close(second.per_learner, first.per_learner)


@pytest.mark.parametrize("how", ["score", "prob", "vote"])
def test_whole_weights_are_copies_of_learners(how, close):
    counts = torch.tensor([2, 0, 1, 3])
    copies = SCORES.repeat_interleave(counts, 1)
    close(aggregate(SCORES, how, counts.expand(B, M)).exp(), aggregate(copies, how).exp())
    if how != "vote":
        leaf = SCORES.clone().requires_grad_()
        found = decompose(leaf, Y, how, weights=counts.expand(B, M))
        close(losses(found), losses(decompose(copies, Y, how)))
        found.ensemble.backward()
        assert leaf.grad.isfinite().all()
        assert not leaf.grad[:, 1].any()


def test_bootstrap_counts_give_each_learner_its_own_sample(close):
    counts = torch.tensor([[2, 0, 1, 1], [1, 1, 0, 3], [0, 1, 1, 0]]).double()
    found = decompose(SCORES[:3], Y[:3], weights=counts, sample_weight=counts.mean(1))
    each = -SCORES[:3].log_softmax(-1)[torch.arange(3), :, Y[:3]]
    close(found.per_learner, (counts * each).sum(0) / counts.sum(0))


def test_class_weights_are_those_of_torch(close):
    weight = torch.tensor([0.5, 0.0, 3.0], dtype=torch.float64)
    found = decompose(SCORES, Y, class_weight=weight)
    each = torch.stack([cross_entropy(SCORES[:, m], Y, weight) for m in range(M)])
    close(found.per_learner, each)
    close(found.individual, each.mean())
    close(found.ensemble, cross_entropy(SCORES.mean(1), Y, weight))


@pytest.mark.parametrize(("how", "loss"), KINDS)
def test_sample_weights_are_copies_of_samples(how, loss, close):
    counts = torch.tensor([1, 0, 2, 1, 3, 0, 1])
    y = truth(loss)
    found = decompose(SCORES, y, how, loss, sample_weight=counts)
    copies = decompose(
        SCORES.repeat_interleave(counts, 0), y.repeat_interleave(counts, 0), how, loss
    )
    close(losses(found), losses(copies))
    close(found.per_learner, copies.per_learner)


@pytest.mark.parametrize("batch", [B, 1])
@pytest.mark.parametrize(("how", "loss"), KINDS)
def test_ensembles_side_by_side_are_those_one_at_a_time(how, loss, batch, close):
    scores, weights = randn(2, 3, batch, M, C, seed=5), randn(2, 3, batch, M, seed=6) ** 2
    values = randn(2, 3, batch, C, seed=7)
    y = values if loss == "mse" else values.argmax(-1)
    found = decompose(scores, y, how, loss, weights)
    shared = decompose(scores, y[0, 0], how, loss, weights[0, 0])
    for i in range(2):
        for j in range(3):
            one = decompose(scores[i, j], y[i, j], how, loss, weights[i, j])
            close(found.diversity[i, j], one.diversity)
            close(found.per_learner[i, j], one.per_learner)
            one = decompose(scores[i, j], y[0, 0], how, loss, weights[0, 0])
            close(shared.ensemble[i, j], one.ensemble)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_one_output_may_be_left_out_of_the_truth(groups, batch):
    scores, y = randn(groups, batch, M, 1), randn(groups, batch, 1)
    full = decompose(scores, y, loss="mse")
    assert torch.equal(decompose(scores, y[..., 0], loss="mse").ensemble, full.ensemble)
    shared = decompose(scores, y[0], loss="mse")
    assert torch.equal(decompose(scores, y[0, :, 0], loss="mse").ensemble, shared.ensemble)


def test_large_scores_lose_nothing():
    # Learner 0 is sure and right, learner 1 sure and wrong.
    scores = torch.tensor([[[200.0, 0.0], [-200.0, 0.0]]], requires_grad=True)
    found = decompose(scores, torch.tensor([0]), "prob")
    assert found.per_learner.tolist() == [0, 200]
    assert float(found.ensemble.detach()) == pytest.approx(math.log(2))
    wrong = decompose(scores, torch.tensor([1]), "prob").ensemble
    assert float(wrong.detach()) == pytest.approx(math.log(2))
    both = decompose(scores[:, 1:], torch.tensor([0]), "prob").ensemble
    assert float(both.detach()) == 200
    both.backward()
    assert scores.grad[0, 1].tolist() == [-1, 1]


def test_perfect_scores_cost_nothing():
    perfect = 60 * one_hot(Y, C).double().unsqueeze(1).expand(B, M, C)
    for how in ("score", "prob"):
        assert losses(decompose(perfect, Y, how)).abs().max() < 1e-12


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_offsets_that_cancel_are_taken_for_diversity(loss, close):
    offsets = randn(M, C, seed=8)
    offsets -= offsets.mean(0)
    y = truth(loss)
    found = [decompose(SCORES + scale * offsets, y, loss=loss) for scale in (0, 5, 50)]
    for other in found[1:]:
        close(other.ensemble, found[0].ensemble)
    assert found[0].diversity < found[1].diversity < found[2].diversity


def test_probability_means_see_offsets_that_cancel():
    offsets = randn(M, C, seed=8)
    offsets -= offsets.mean(0)
    moved = aggregate(SCORES + 5 * offsets, "prob").exp() - aggregate(SCORES, "prob").exp()
    assert moved.abs().max() > 0.1


def test_ties_split_a_vote(close):
    scores = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]], [[3.0, 3.0, 3.0], [0.0, 0.0, 1.0]]])
    shares = aggregate(scores, "vote").exp()
    close(shares, [[0.25, 0.75, 0], [1 / 6, 1 / 6, 4 / 6]], 1e4)
    assert aggregate(scores, "vote")[0, 2] == -math.inf


@pytest.mark.parametrize(("how", "loss"), KINDS)
def test_one_learner_has_no_diversity(how, loss, close):
    found = decompose(SCORES[:1, :1], truth(loss)[:1], how, loss)
    close(found.diversity, 0)
    close(found.per_learner, found.individual.reshape(1))


floats = st.floats(-50, 50, allow_subnormal=False)


@given(st.lists(floats, min_size=6, max_size=6), st.lists(floats, min_size=2, max_size=2))
def test_diversity_is_never_below_zero(values, offset):
    scores = torch.tensor(values, dtype=torch.float64).reshape(1, 3, 2)
    for how, loss in KINDS:
        y = torch.tensor([offset]) if loss == "mse" else torch.tensor([1])
        assert decompose(scores, y, how, loss).diversity >= -1e-9


@given(st.lists(floats, min_size=6, max_size=6), st.permutations([0, 1, 2]))
def test_the_order_of_learners_does_not_matter(values, order):
    scores = torch.tensor(values, dtype=torch.float64).reshape(1, 3, 2)
    for how in ("score", "prob", "vote"):
        torch.testing.assert_close(aggregate(scores, how), aggregate(scores[:, order], how))


def test_the_number_of_learners_scales_the_sum_only(close):
    found = decompose(SCORES, Y)
    close(augmented_objective(found, 0.4), M * augmented_objective(found, 0.4, "mean"))


def test_each_ensemble_may_have_its_own_beta(close):
    found = decompose(SCORES.expand(3, B, M, C), Y)
    objective = augmented_objective(found, torch.tensor([0.0, 0.25, 1.0]), "mean")
    middle = 0.75 * found.individual[0] + 0.25 * found.ensemble[0]
    close(objective, torch.stack([found.individual[0], middle, found.ensemble[0]]))


@pytest.mark.parametrize(
    "beta", [-0.1, 1.1, math.nan, math.inf, torch.tensor([0.5, 2.0]), "0.5", None, ["a"]]
)
def test_a_beta_outside_of_its_range_is_refused(beta):
    found = decompose(SCORES.expand(2, B, M, C), Y)
    with pytest.raises(ArgumentError, match=r"beta=.*expected a number in \[0, 1\]"):
        augmented_objective(found, beta)


def test_a_beta_takes_type_and_value():
    like = torch.zeros((), dtype=torch.float64)
    assert checked_beta(np.float32(0.5), like).dtype == torch.float64
    assert checked_beta([0, 1], like).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"y": Y + 1}, LabelError, "classes 1 to 3, but the scores are of 3; number"),
        ({"y": Y - 1}, LabelError, "classes -1 to 1"),
        ({"y": Y[:-1]}, ShapeError, r"shape \(6,\); expected classes \(7,\)"),
        ({"y": Y.double()}, ShapeError, "float64.*whole numbers"),
        ({"y": VALUES[:, :2], "loss": "mse"}, ShapeError, r"y has shape \(7, 2\).*\(7, 3\)"),
        ({"y": VALUES[:, 0], "loss": "mse"}, ShapeError, "one true value an output"),
        ({"scores": SCORES[0]}, ShapeError, r"scores has shape \(4, 3\)"),
        ({"how": "vote"}, ArgumentError, "how='vote' is unknown; choose one of: score, prob"),
        ({"how": "prob", "loss": "mse"}, ArgumentError, "how='prob' is unknown"),
        ({"loss": "mae"}, ArgumentError, "loss='mae' is unknown"),
        ({"weights": WEIGHTS[0]}, ShapeError, r"weights has shape \(4,\); expected \(7, 4\)"),
        ({"weights": -WEIGHTS}, ArgumentError, "weights holds values below 0"),
        ({"weights": WEIGHTS / 0}, ArgumentError, "not finite"),
        ({"class_weight": [1, 2]}, ShapeError, r"class_weight has shape \(2,\); expected \(3,\)"),
        ({"class_weight": [1, 2, -1]}, ArgumentError, "class_weight holds values below 0"),
        ({"sample_weight": torch.ones(B, 1)}, ShapeError, r"sample_weight.*expected \(7,\)"),
        ({"sample_weight": -torch.ones(B)}, ArgumentError, "sample_weight holds values below 0"),
        ({"loss": "mse", "class_weight": [1, 1, 1]}, ArgumentError, "loss='mse' has no classes"),
    ],
)
def test_wrong_arguments_are_named(change, error, text):
    with pytest.raises(error, match=text):
        decompose(**{"scores": SCORES, "y": Y, **change})


def test_a_wrong_reduction_is_named():
    with pytest.raises(ArgumentError, match="reduction='max' is unknown"):
        augmented_objective(decompose(SCORES, Y), 0.5, "max")
