"""Signs of collusion on made-up learners of which the answer is known."""

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from deem.ensembles.collusion import (
    collusion_index,
    debias,
    debiased_diversity_drop,
    diagnose,
    disagreement,
    drop_curve,
    effective_learners,
    error_correlation,
    generalisation_gap,
    kl_to_consensus,
    learner_offsets,
    oracle_accuracy,
)
from deem.math.decomposition import decompose
from deem.utils.exception import ArgumentError, LabelError, ShapeError

N, M, C = 300, 6, 4


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Y = torch.randint(C, (N,), generator=torch.Generator().manual_seed(3))
VALUES = randn(N, C, seed=4)
OFFSETS = randn(M, C, seed=1)
OFFSETS = OFFSETS - OFFSETS.mean(0)
NOISE = 3 * one_hot(Y, C).double().unsqueeze(1) + randn(N, M, C)
"""Learners that know the class and err on their own."""
SHARED = randn(N, 1, C, seed=2)
COLLUDING = SHARED + 3 * OFFSETS
"""Learners that differ by constants only."""


def near(found, expected):
    assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


def truth(loss):
    return VALUES if loss == "mse" else Y


def test_offsets_are_found_and_cancel_out(close):
    close(learner_offsets(COLLUDING, "mse"), 3 * OFFSETS)
    seen = learner_offsets(COLLUDING)
    close(seen, 3 * (OFFSETS - OFFSETS.mean(1, keepdim=True)))
    for loss in ("ce", "mse"):
        found = learner_offsets(NOISE, loss)
        close(found.sum(0), torch.zeros(C))
        close(learner_offsets(debias(NOISE, loss), loss), torch.zeros(M, C))
        close(debias(NOISE, loss).mean(1), NOISE.mean(1))


def test_what_softmax_does_not_see_is_no_offset(close):
    unseen = NOISE + randn(N, M, 1, seed=5) + 7 * randn(M, 1, seed=6)
    close(learner_offsets(unseen), learner_offsets(NOISE))
    near(collusion_index(unseen), collusion_index(NOISE))
    near(debiased_diversity_drop(unseen), debiased_diversity_drop(NOISE))
    assert collusion_index(unseen, "mse") > 10 * collusion_index(NOISE, "mse")


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_learners_that_differ_by_constants_have_no_other_diversity(loss):
    near(collusion_index(COLLUDING, loss), 1)
    near(debiased_diversity_drop(COLLUDING, loss=loss), 1)
    near(debiased_diversity_drop(COLLUDING, truth(loss), loss=loss), 1)


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_learners_that_err_on_their_own_have_no_offsets(loss):
    assert 0 < collusion_index(NOISE, loss) < 3 / N
    assert abs(debiased_diversity_drop(NOISE, loss=loss)) < 0.05


def test_random_learners_have_an_index_of_one_over_samples():
    found = [collusion_index(randn(5, M, 1, seed=seed), "mse") for seed in range(200)]
    assert np.mean(found) == pytest.approx(1 / 5, abs=0.02)


def test_for_squared_errors_the_index_is_the_drop_in_diversity():
    scores = NOISE + 0.3 * OFFSETS
    diversity = decompose(scores, VALUES, loss="mse").diversity
    expected = learner_offsets(scores, "mse").square().sum(1).mean() / diversity
    assert 0.05 < expected < 0.95
    near(collusion_index(scores, "mse"), expected)
    near(debiased_diversity_drop(scores, VALUES, loss="mse"), expected)


@pytest.mark.parametrize("how", ["score", "prob"])
def test_the_drop_is_that_of_two_decompositions(how):
    scores = NOISE + OFFSETS
    before, after = (decompose(x, Y, how).diversity for x in (scores, debias(scores)))
    near(debiased_diversity_drop(scores, Y, how), 1 - after / before)


def test_offsets_that_bring_learners_together_have_a_negative_drop():
    # Alike where they are in doubt, and unlike where they are sure and it hardly matters.
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]).unsqueeze(-1)
    assert debiased_diversity_drop(torch.cat([z, -z], -1)) < 0


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_learners_that_are_alike_have_no_diversity_to_explain(loss):
    alike = (SHARED / 3).expand(N, M, C)
    assert collusion_index(alike, loss) == debiased_diversity_drop(alike, loss=loss) == 0
    assert collusion_index(NOISE[:, :1], loss) == 0


def test_small_units_are_no_rounding():
    near(collusion_index(1e-12 * COLLUDING, "mse"), 1)
    near(debiased_diversity_drop(1e-12 * COLLUDING, loss="mse"), 1)


def all_subsets(scores, y, n_kept, how, loss):
    """Losses and accuracies of all ensembles of some of the learners."""
    losses, right = [], []
    for kept in combinations(range(scores.shape[1]), n_kept):
        part = scores[:, list(kept)]
        losses.append(decompose(part, y, how, loss).ensemble)
        mean = part.softmax(-1).mean(1) if how == "prob" else part.mean(1)
        right.append((mean.argmax(-1) == y).double().mean() if loss == "ce" else 0)
    return torch.stack(losses), torch.as_tensor(right)


@pytest.mark.parametrize(("how", "loss"), [("score", "mse"), ("score", "ce"), ("prob", "ce")])
def test_the_drop_curve_is_the_mean_over_all_subsets(how, loss):
    scores, y = NOISE + OFFSETS, truth(loss)
    curve = drop_curve(scores, y, (0.0, 0.3, 0.5, 0.9), 20, how, loss)
    assert [point.n_kept for point in curve] == [6, 4, 3, 1]
    start, right = all_subsets(scores, y, M, how, loss)
    for point in curve:
        losses, accuracies = all_subsets(scores, y, point.n_kept, how, loss)
        assert point.is_exact
        near(point.loss_increase, losses.mean() - start[0])
        near(point.loss_increase_std, losses.std(correction=0))
        if loss == "ce":
            near(point.accuracy_change, accuracies.mean() - right[0])
            near(point.accuracy_change_std, accuracies.std(correction=0))
        else:
            assert point.accuracy_change is point.accuracy_change_std is None


def test_for_squared_errors_a_formula_replaces_draws():
    few = drop_curve(NOISE, VALUES, n_draws=2, loss="mse")
    many = drop_curve(NOISE, VALUES, n_draws=100, loss="mse")
    for one, other in zip(few, many, strict=True):
        near(one.loss_increase, other.loss_increase)
    drawn = drop_curve(NOISE, VALUES, (0.5,), 1000, loss="mse", exact=False)[0]
    error = 4 * drawn.loss_increase_std / 1000**0.5
    assert not drawn.is_exact
    assert drawn.loss_increase != pytest.approx(many[1].loss_increase, rel=1e-9)
    assert drawn.loss_increase == pytest.approx(many[1].loss_increase, abs=error)


def test_draws_are_repeatable_and_do_not_depend_on_other_fractions():
    curve = drop_curve(NOISE, Y, n_draws=5, random_state=1)
    assert [x.is_exact for x in curve] == [False] * 3
    assert [x.n_subsets for x in curve] == [5] * 3
    assert drop_curve(NOISE, Y, (0.5,), 5, random_state=1) == curve[1:2]
    assert drop_curve(NOISE, Y, n_draws=5, random_state=2) != curve
    exact = drop_curve(NOISE, Y, (0.5,), 5, exact=True)[0]
    assert (exact.n_subsets, exact.is_exact) == (20, True)
    assert exact == drop_curve(NOISE, Y, (0.5,), 20)[0]


def test_one_learner_always_stays():
    for scores in (NOISE[:, :1], NOISE[:, :2]):
        for point in drop_curve(scores, Y, (0.5, 0.99)):
            assert point.n_kept == 1
            assert (point.loss_increase == 0) == (scores.shape[1] == 1)
    (point,) = drop_curve(NOISE[:, :1], VALUES, (0.5,), loss="mse")
    assert point.loss_increase == 0


LABELS = torch.tensor([[0, 0, 1], [1, 1, 1], [0, 2, 1], [2, 2, 2]])
RIGHT = torch.tensor([0, 0, 2, 2])


def test_labels_are_compared_by_hand():
    assert disagreement(LABELS) == pytest.approx((2 + 0 + 3 + 0) / (3 * 4))
    assert oracle_accuracy(LABELS, RIGHT) == 3 / 4
    scores = one_hot(LABELS, 3).double()
    assert disagreement(scores) == disagreement(LABELS.numpy())
    assert oracle_accuracy(scores, RIGHT) == 3 / 4
    assert disagreement(LABELS[:, :1]) == 0


def test_error_correlation_is_that_of_numpy():
    wrong = (RIGHT[:, None] != LABELS).double().numpy()
    expected = np.corrcoef(wrong.T)[np.triu_indices(3, 1)].mean()
    assert error_correlation(LABELS, RIGHT) == pytest.approx(expected)
    residuals = (NOISE[..., 0] - VALUES[:, :1]).numpy()
    expected = np.corrcoef(residuals.T)[np.triu_indices(M, 1)].mean()
    found = error_correlation(NOISE[..., 0], VALUES[:, 0], "mse")
    assert found == pytest.approx(expected)
    # Another output that is the same but for its mean changes nothing.
    twice = torch.stack([NOISE[..., 0], NOISE[..., 0] + 5], -1)
    assert error_correlation(twice, VALUES[:, [0, 0]], "mse") == pytest.approx(expected)


def test_learners_whose_errors_never_change_are_left_out():
    always = torch.stack([RIGHT, (RIGHT + 1) % 3], 1)
    expected = error_correlation(LABELS, RIGHT)
    assert error_correlation(torch.cat([LABELS, always], 1), RIGHT) == pytest.approx(expected)
    assert error_correlation(always, RIGHT) == error_correlation(LABELS[:, :1], RIGHT) == 0
    constant = VALUES[:, :1] + torch.tensor([0.1, 0.3])
    assert error_correlation(constant, VALUES[:, 0], "mse") == 0


def test_independent_errors_do_not_correlate_and_copied_ones_do():
    weak = one_hot(Y, C).double().unsqueeze(1) + randn(N, M, C)
    assert abs(error_correlation(weak, Y)) < 0.05
    assert error_correlation(weak[:, [0, 0, 0]], Y) == pytest.approx(1)


def test_divergence_from_the_consensus():
    near(kl_to_consensus(NOISE), decompose(NOISE, Y).diversity)
    p = NOISE.softmax(-1)
    for how, mean in (
        ("prob", p.mean(1)),
        ("vote", one_hot(NOISE.argmax(-1), C).double().mean(1)),
    ):
        log = torch.where(mean > 0, mean, 1).log()
        expected = (mean * log).sum(-1) - (mean[:, None] * p.log()).sum(-1).mean(1)
        near(kl_to_consensus(NOISE, how), expected.mean())
    near(kl_to_consensus(NOISE[:, :1]), 0)


def test_learners_share_responsibility():
    p = torch.tensor([[0.6, 0.4], [0.2, 0.8]], dtype=torch.float64)
    scores = p.log().unsqueeze(0)
    r = np.array([0.6, 0.2]) / 0.8
    near(effective_learners(scores, [0]), 1 / (r**2).sum())
    both = torch.cat([scores, scores])
    shared = np.array([0.4, 0.8]) / 1.2
    near(effective_learners(both, [0, 1]), (1 / (r**2).sum() + 1 / (shared**2).sum()) / 2)
    near(effective_learners(NOISE[:, [0, 0, 0]], Y), 3)
    alone = torch.cat([300 * one_hot(Y, C).unsqueeze(1), torch.zeros(N, 2, C)], 1)
    alone[:, 1:, :] = -alone[:, :1]
    near(effective_learners(alone, Y), 1)


def test_the_gap_is_test_less_training():
    train, test = decompose(NOISE[:100], Y[:100]), decompose(NOISE[100:], Y[100:])
    gap = generalisation_gap(train, test)
    assert list(gap) == ["individual", "ensemble", "diversity"]
    assert float(gap["ensemble"]) == float(test.ensemble - train.ensemble)
    assert float(gap["individual"] - gap["ensemble"] - gap["diversity"]) == pytest.approx(0)


@pytest.mark.parametrize("how", ["score", "prob"])
def test_a_report_holds_what_the_functions_say(how):
    scores = (NOISE + OFFSETS).float()
    report = diagnose(scores, Y, how, fractions=(0.5,), n_draws=4, random_state=1)
    found = decompose(scores.double(), Y, how)
    assert report.diversity == pytest.approx(float(found.diversity))
    assert report.individual_loss - report.ensemble_loss == pytest.approx(report.diversity)
    assert report.collusion_index == collusion_index(scores)
    assert report.debiased_drop == debiased_diversity_drop(scores, Y, how)
    assert list(report.drop_curve) == drop_curve(scores, Y, (0.5,), 4, how, random_state=1)
    assert np.allclose(report.offsets, learner_offsets(scores))
    each = (scores.argmax(-1) == Y[:, None]).double().mean(0)
    assert report.individual_accuracy_each == tuple(each.tolist())
    assert report.individual_accuracy == pytest.approx(float(each.mean()))
    whole = drop_curve(scores, Y, (0.5,), how=how, exact=True)[0]
    _, right = all_subsets(scores.double(), Y, 3, how, "ce")
    assert report.accuracy == pytest.approx(float(right.mean()) - whole.accuracy_change)
    assert report.error_correlation == error_correlation(scores, Y)
    assert report.disagreement == disagreement(scores)
    assert report.kl_to_consensus == kl_to_consensus(scores, how)
    assert report.effective_learners == effective_learners(scores, Y)
    assert report.oracle_accuracy == oracle_accuracy(scores, Y)
    assert (
        diagnose(scores.numpy(), Y.numpy(), how, fractions=(0.5,), n_draws=4, random_state=1)
        == report
    )


OF_LABELS = ["individual_loss", "ensemble_loss", "error_correlation", "drop_curve"]
OF_CLASSES = ["accuracy", "individual_accuracy", "effective_learners", "oracle_accuracy"]


def missing(report):
    return {name for name, value in report.to_dict().items() if value is None}


def test_a_report_without_labels_leaves_out_what_needs_them():
    of_classes = {*OF_CLASSES, "individual_accuracy_each"}
    assert missing(diagnose(NOISE)) == {*OF_LABELS, *of_classes}
    assert diagnose(NOISE).diversity == pytest.approx(diagnose(NOISE, Y).diversity)
    unknown = missing(diagnose(NOISE, how="prob"))
    assert unknown == {*OF_LABELS, *of_classes, "diversity", "debiased_drop"}
    of_classes |= {"disagreement", "kl_to_consensus"}
    assert missing(diagnose(NOISE, VALUES, loss="mse")) == of_classes
    assert missing(diagnose(NOISE, loss="mse")) == {*OF_LABELS, *of_classes}
    assert missing(diagnose(NOISE, Y, "prob")) == set()


@pytest.mark.parametrize("shape", [(1, 3), (4, 1), (1, 1)])
@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_one_sample_and_one_learner_are_enough(shape, loss):
    scores, y = NOISE[: shape[0], : shape[1]], truth(loss)[: shape[0]]
    for report in (diagnose(scores, y, loss=loss), diagnose(scores, loss=loss)):
        content = report.to_dict()
        assert json.loads(json.dumps(content, allow_nan=False)) == content
        assert all(line.endswith(".") for line in report.summary())


def test_a_summary_says_what_was_found():
    lines = diagnose(COLLUDING + 0.1 * NOISE, Y).summary()
    assert lines[0].startswith("6 learners on 300 samples; their diversity is ")
    text = " ".join(lines)
    assert "Constant offsets explain 100 % of the diversity" in text
    assert "That is a sign of collusion" in text
    assert "With 3 of them the loss changes by +" in text
    innocent = " ".join(diagnose(debias(NOISE), Y).summary())
    assert "Constant offsets explain none of the diversity and 0 % of the spread" in innocent
    assert "collusion" not in innocent
    assert "without labels the diversity is not known" in diagnose(NOISE, how="prob").summary()[0]
    squared = diagnose(NOISE[..., :1], VALUES[:, 0], loss="mse").summary()
    assert "squared units" in squared[0]
    assert "accuracy" not in " ".join(squared)
    assert len(diagnose(NOISE[:, :1], Y).summary()) == 4


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"scores": NOISE[0]}, ShapeError, r"scores has shape \(6, 4\); expected \(n_samples"),
        ({"scores": NOISE[:0]}, ShapeError, "none of them 0"),
        ({"scores": NOISE[..., :1]}, ShapeError, "one output.*loss='mse'"),
        ({"scores": NOISE / 0}, ArgumentError, "not finite"),
        ({"y": Y[:-1]}, ShapeError, r"expected classes \(300,\)"),
        ({"y": Y + 1}, LabelError, "classes 1 to 4"),
        ({"y": VALUES[:-1], "loss": "mse"}, ShapeError, r"y has shape \(299, 4\)"),
        ({"how": "vote"}, ArgumentError, "how='vote' is unknown"),
        ({"how": "prob", "loss": "mse"}, ArgumentError, "how='prob' is unknown"),
        ({"loss": "mae"}, ArgumentError, "loss='mae' is unknown"),
        ({"fractions": (0.5, 1.0)}, ArgumentError, r"fractions holds 1.0; expected .* \[0, 1\)"),
        ({"fractions": ("half",)}, ArgumentError, "fractions='half'"),
        ({"n_draws": 0}, ArgumentError, "n_draws=0"),
    ],
)
def test_wrong_arguments_are_named(change, error, text):
    with pytest.raises(error, match=text):
        diagnose(**{"scores": NOISE, "y": Y, **change})


def test_missing_labels_and_too_many_subsets_are_named():
    with pytest.raises(ArgumentError, match="y=None, but with how='prob' diversity depends"):
        debiased_diversity_drop(NOISE, how="prob")
    with pytest.raises(ArgumentError, match="y=None; the loss of fewer learners needs the truth"):
        drop_curve(NOISE, None, loss="mse")
    with pytest.raises(ArgumentError, match="15 of 30 learners make 155117520 subsets"):
        drop_curve(NOISE.repeat(1, 5, 1), Y, (0.5,), exact=True)
    with pytest.raises(ArgumentError, match="exact='yes'; expected True, False or None"):
        drop_curve(NOISE, Y, exact="yes")
    with pytest.raises(ShapeError, match="labels is torch.float64 of shape"):
        disagreement(NOISE[..., 0])
    with pytest.raises(ShapeError, match=r"y is torch.int64 of shape \(3,\); expected classes"):
        oracle_accuracy(LABELS, RIGHT[:3])
