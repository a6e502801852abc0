"""What the pictures of ensembles show: curves, error bars, panels and names."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deem.core.history import History
from deem.utils.exception import ArgumentError
from deem.visual import (
    plot_beta_sweep,
    plot_collusion_panel,
    plot_consensus_of_fewer,
    plot_consensus_sweep,
    plot_learner_drop,
    plot_learner_scores_2d,
    plot_train_test_diversity,
    plot_training_curves,
)

BETAS = (0.0, 0.5, 1.0)


def make_rows(metric, seeds, split="test", selection="last"):
    """One row a seed and beta; `seeds` holds the values of each seed, the last beta first."""
    return [
        {
            "seed": seed,
            "beta": beta,
            "split": split,
            "selection": selection,
            "epoch": 60,
            "metric": metric,
            "value": value,
        }
        for seed, values in enumerate(seeds)
        for beta, value in reversed(list(zip(BETAS, values, strict=True)))
    ]


ACCURACY = [[0.9, 0.8, 0.5], [0.8, 0.8, 0.3], [0.7, 0.8, 0.4]]
ROWS = make_rows("accuracy", ACCURACY) + make_rows("accuracy", [[0.9, 0.9, 0.9]], "train", "best")


def legend_of(panel):
    return [text.get_text() for text in panel.get_legend().get_texts()]


def bars_of(container):
    """Lower and upper end of each error bar."""
    return np.array([segment[:, 1] for segment in container.lines[2][0].get_segments()])


def test_a_sweep_shows_means_and_standard_errors_over_seeds():
    ax = plot_beta_sweep(ROWS)
    (container,) = ax.containers
    assert container[0].get_xdata().tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(container[0].get_ydata(), [0.8, 0.8, 0.4])
    # The standard deviations are 0.1, 0 and 0.1.
    ends = bars_of(container)
    errors = np.ptp(ends, axis=1) / 2
    np.testing.assert_allclose(errors, [0.1 / 3**0.5, 0, 0.1 / 3**0.5], atol=1e-12)
    assert legend_of(ax) == ["last epoch"]
    assert ax.get_legend().get_title().get_text() == "mean ± standard error of 3 seeds"
    assert ax.get_ylabel() == "accuracy of the ensemble, test"
    assert ax.get_xlabel() == "β (0 independent, 1 joint)"


def test_seeds_are_thin_lines_on_request():
    ax = plot_beta_sweep(SimpleNamespace(rows=ROWS), show_seeds=True)
    thin = [line.get_ydata() for line in ax.lines if line.get_linewidth() < 1]
    np.testing.assert_array_equal([line for line in thin if len(line) == 3][:3], ACCURACY)


def test_splits_have_colours_and_selections_dashes():
    rows = ROWS + make_rows("accuracy", [[0.9, 0.9, 0.9]], "train")
    ax = plot_beta_sweep(rows, split=("train", "test"))
    assert legend_of(ax) == ["train, last epoch", "train, best epoch", "test, last epoch"]
    looks = [(c[0].get_color(), c[0].get_linestyle()) for c in ax.containers]
    assert looks[0][0] == looks[1][0] != looks[2][0]
    assert looks[0][1] == looks[2][1] != looks[1][1]


def test_one_seed_has_no_bars():
    ax = plot_beta_sweep(ROWS, split="train")
    assert not ax.containers[0].has_yerr
    assert ax.get_legend().get_title().get_text() == ""


def test_values_that_are_not_finite_leave_a_gap_and_missing_cells_do_not():
    rows = make_rows("accuracy", [[0.9, np.inf, 0.5], [0.7, 0.8, None]])
    rows = [row for row in rows if (row["seed"], row["beta"]) != (1, 0.0)]
    np.testing.assert_allclose(
        plot_beta_sweep(rows).lines[0].get_ydata(), [0.9, np.nan, np.nan], equal_nan=True
    )


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "result has no rows"),
        (["metric"], "row 0 of result is 'metric'; expected a dict with seed, beta"),
        ([{"seed": 0}], "row 0 of result has no 'beta'; a row needs seed, beta, split"),
        (ROWS + ROWS[:1], "several rows with metric='accuracy'.*seed=0 and beta=1; keep one"),
        (
            make_rows("loss", ACCURACY),
            "no rows have metric='accuracy', split='test'.*metric: loss; split: test; selection",
        ),
    ],
)
def test_bad_rows_are_named(rows, text):
    with pytest.raises(ArgumentError, match=text):
        plot_beta_sweep(rows)


def test_choices_of_a_sweep_are_checked():
    with pytest.raises(ArgumentError, match="selection is empty"):
        plot_beta_sweep(ROWS, selection=())
    with pytest.raises(ArgumentError, match="no rows have.*split: test, train"):
        plot_beta_sweep(ROWS, split="validation")


def test_diversity_of_train_and_test_on_a_log_axis():
    train, test = [[0.01, 0.1, 1.0]], [[0.1, 0.3, 2.0]]
    rows = make_rows("diversity", train, "train") + make_rows("diversity", test)
    ax = plot_train_test_diversity(rows)
    np.testing.assert_allclose([c[0].get_ydata() for c in ax.containers], train + test)
    assert legend_of(ax) == ["train, last epoch", "test, last epoch"]
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    np.testing.assert_allclose(ticks, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2])
    with_zero = [*rows, *make_rows("diversity", [[0, 0, 0]], "test", "best")]
    assert plot_train_test_diversity(with_zero, selection="best").get_yscale() == "linear"
    ax = plot_train_test_diversity(with_zero, selection=("last", "best"))
    assert ax.get_yscale() == "symlog"


SIGNS = {
    "ensemble_loss": [[0.6, 0.8, 1.0], [0.4, 0.8, 1.0]],
    "diversity": [[0.1, 0.4, 2.0], [0.1, 0.2, 4.0]],
    "debiased_drop": [[-0.1, -0.3, 0.5], [-0.1, -0.1, 0.3]],
}
DROPS = {"drop_half_accuracy": [[0, -0.1, -0.2]], "drop_75_accuracy": [[0, -0.2, -0.4]]}
LOSSES = {"drop_half_loss": [[0, 0.1, 0.2]]}


def rows_of(metrics):
    return [row for metric, seeds in metrics.items() for row in make_rows(metric, seeds)]


def test_three_signs_of_collusion():
    ratio, drop, offsets = plot_collusion_panel(rows_of(SIGNS | DROPS | LOSSES))
    # Means of ratios, not ratios of means.
    np.testing.assert_allclose(ratio.containers[0][0].get_ydata(), [5, 3, 0.375])
    assert ratio.get_yscale() == "log"
    assert legend_of(drop) == ["50 %", "75 %"]
    np.testing.assert_allclose(
        [c[0].get_ydata() for c in drop.containers], [[0, -0.1, -0.2], [0, -0.2, -0.4]]
    )
    assert drop.get_ylabel() == "change of the accuracy"
    np.testing.assert_allclose(offsets.containers[0][0].get_ydata(), [-0.1, -0.2, 0.4])
    np.testing.assert_allclose(np.ptp(bars_of(offsets.containers[0]), axis=1) / 2, [0, 0.1, 0.1])
    note = ratio.figure.get_suptitle()
    assert note == "test, mean ± standard error of 1–2 seeds"


def test_losses_stand_in_for_accuracies():
    drop = plot_collusion_panel(rows_of(SIGNS | LOSSES))[1]
    assert drop.get_ylabel() == "change of the loss"
    np.testing.assert_allclose(drop.containers[0][0].get_ydata(), [0, 0.1, 0.2])


def test_ensembles_without_diversity_have_no_ratio():
    ratio = plot_collusion_panel(rows_of(SIGNS | DROPS | {"diversity": [[0, 0.2, 2]] * 2}))[0]
    np.testing.assert_allclose(
        ratio.containers[0][0].get_ydata(), [np.nan, 4, 0.5], equal_nan=True
    )


@pytest.mark.parametrize("missing", ["diversity", "debiased_drop", "drop_half_accuracy"])
def test_a_missing_sign_is_named(missing):
    metrics = SIGNS | {"drop_half_accuracy": DROPS["drop_half_accuracy"]}
    del metrics[missing]
    with pytest.raises(ArgumentError, match=f"no rows have metric='{missing}'.*there are metric"):
        plot_collusion_panel(rows_of(metrics))


CURVE = [
    {"n_kept": 2, "fraction": 0.5, "loss_increase": 0.4, "loss_increase_std": 0.1},
    {"n_kept": 3, "fraction": 0.25, "loss_increase": 0.1, "loss_increase_std": 0.0},
]
REPORT = {"n_learners": 4, "drop_curve": CURVE}


def test_dropped_learners_start_from_all_of_them():
    (panel,) = plot_learner_drop(REPORT)
    (container,) = panel.containers
    assert container[0].get_xdata().tolist() == [0, 0.25, 0.5]
    assert container[0].get_ydata().tolist() == [0, 0.1, 0.4]
    np.testing.assert_allclose(np.ptp(bars_of(container), axis=1) / 2, [0, 0, 0.1])
    assert panel.get_legend() is None
    assert panel.get_xlabel().endswith("(bars: standard deviation over subsets)")


def test_several_reports_share_panels_and_those_that_know_it_have_accuracies():
    other = {"n_learners": 4, "drop_curve": [{**CURVE[0], "accuracy_change": -0.2}]}
    reports = {"β = 0": REPORT, "β = 1": SimpleNamespace(to_dict=lambda: other)}
    loss, accuracy = plot_learner_drop(reports)
    assert legend_of(loss) == ["β = 0", "β = 1"]
    assert [panel.get_ylabel() for panel in (loss, accuracy)] == [
        "increase of the loss",
        "change of the accuracy",
    ]
    assert accuracy.containers[1][0].get_ydata().tolist() == [0, -0.2]
    assert not accuracy.containers[1].has_yerr
    assert accuracy.get_xlabel() == "share of the learners dropped"
    assert loss.containers[1][0].get_color() == accuracy.containers[1][0].get_color()


@pytest.mark.parametrize(
    ("reports", "text"),
    [
        ({}, "reports is empty"),
        ({"a": {"n_learners": 4, "drop_curve": None}}, r"reports\['a'\] has no drop curve"),
        ({"drop_curve": CURVE}, "reports has no n_learners"),
        ({"n_learners": 4, "drop_curve": [{"n_kept": 2}]}, "know neither loss_increase nor"),
    ],
)
def test_bad_reports_are_named(reports, text):
    with pytest.raises(ArgumentError, match=text):
        plot_learner_drop(reports)


def make_history(parts=("train", "val"), shift=0.0):
    history = History()
    for epoch in range(40):
        fit = {"ensemble_loss": 2 / (epoch + 1), "individual_loss": 3 / (epoch + 1) + shift}
        fit |= {"accuracy": 0.9 - 0.5 / (epoch + 1), "individual_accuracy": 0.5}
        history.append(**{f"{part}_{k}": v for part in parts for k, v in fit.items()})
    return history


def test_training_curves_of_ensembles_and_their_learners():
    runs = {"β = 0": make_history(), "β = 1": make_history(shift=9.0)}
    axes = plot_training_curves(runs)
    assert [(p.get_title(), p.get_ylabel()) for p in axes] == [
        ("training", "loss"),
        ("validation", "loss"),
        ("training", "accuracy"),
        ("validation", "accuracy"),
    ]
    first, second, third, fourth = axes[1].lines
    np.testing.assert_array_equal(first.get_xdata(), np.arange(1, 41))
    np.testing.assert_array_equal(first.get_ydata(), runs["β = 0"]["val_ensemble_loss"])
    np.testing.assert_array_equal(fourth.get_ydata(), runs["β = 1"]["val_individual_loss"])
    assert first.get_color() == second.get_color() != third.get_color()
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")
    assert [p.get_yscale() for p in axes] == ["log", "log", "linear", "linear"]
    assert axes[0].get_ylim() == axes[1].get_ylim()
    (legend,) = axes[0].figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["β = 0", "β = 1", "ensemble", "mean learner"]


def test_what_is_not_recorded_has_no_panel():
    history = History()
    history.append(train_ensemble_loss=1.0, train_individual_loss=0.0)
    history.append(train_ensemble_loss=0.5)
    (panel,) = plot_training_curves(history, ax=Figure().add_subplot())
    # A loss of 0 has no logarithm.
    assert panel.get_yscale() == "linear"
    assert [line.get_xdata().tolist() for line in panel.lines] == [[1, 2], [1]]
    assert legend_of(panel) == ["ensemble", "mean learner"]


@pytest.mark.parametrize("empty", [{}, {"a": History()}])
def test_histories_without_series_are_named(empty):
    with pytest.raises(ArgumentError, match="train_ensemble_loss.*there are: none"):
        plot_training_curves(empty)


def make_methods(**methods):
    return [
        {"seed": seed, "beta": beta, "method": name.replace("_", " "), "accuracy": value + seed}
        for seed in (0, 1)
        for name, values in methods.items()
        for beta, value in zip(BETAS, values, strict=True)
    ]


def test_methods_are_lines_in_a_fixed_order():
    rows = make_methods(
        own=[0.1, 0.1, 0.1], DEEM_soft=[0.8, 0.8, 0.8], vote=[0.8, 0.7, 0.6], other=[0.0, 0.0, 0.0]
    )
    (panel,) = plot_consensus_sweep(rows)
    assert legend_of(panel) == ["vote", "DEEM soft", "own", "other"]
    np.testing.assert_allclose(panel.containers[0][0].get_ydata(), [1.3, 1.2, 1.1])
    # Two values at a distance of 1 have a standard error of 1/2.
    np.testing.assert_allclose(np.ptp(bars_of(panel.containers[0]), axis=1) / 2, 0.5)
    looks = {(c[0].get_color(), c[0].get_linestyle()) for c in panel.containers}
    assert len(looks) == 4


def test_reasons_have_a_panel_of_their_own():
    rows = make_methods(vote=[0.8, 0.7, 0.6], any_learner_right=[0.9, 0.9, 1.0])
    rows += make_methods(error_correlation=[0.6, 0.3, 0.0])
    methods, reasons = plot_consensus_sweep(SimpleNamespace(rows=rows))
    assert legend_of(methods) == ["vote"]
    assert legend_of(reasons) == ["error correlation", "any learner right"]
    np.testing.assert_allclose(reasons.containers[0][0].get_ydata(), [1.1, 0.8, 0.5])
    with pytest.raises(ArgumentError, match="rows has only the methods error correlation"):
        plot_consensus_sweep(make_methods(error_correlation=[0.6, 0.3, 0.0]))
    with pytest.raises(ArgumentError, match="row 0 of rows has no 'method'"):
        plot_consensus_sweep(ROWS)


def test_ensembles_of_one_size_are_drawn():
    rows = [{**row, "n_learners": 8} for row in make_methods(majority_vote=[0.8, 0.7, 0.6])]
    rows += [{**row, "n_learners": 4} for row in make_methods(majority_vote=[0.5, 0.4, 0.3])]
    drawn = [plot_consensus_sweep(rows, n_learners=n)[0].lines[0].get_ydata() for n in (None, 4)]
    np.testing.assert_allclose(drawn, [[1.3, 1.2, 1.1], [1.0, 0.9, 0.8]])
    with pytest.raises(ArgumentError, match="n_learners=5 is unknown; choose one of: 4, 8"):
        plot_consensus_sweep(rows, n_learners=5)

    panel = plot_consensus_of_fewer(rows)
    np.testing.assert_allclose(panel.lines[0].get_xydata(), [[4, 0.8], [8, 1.1]])
    assert panel.get_xlabel() == "learners (β = 1)"
    panel = plot_consensus_of_fewer(rows, beta=0.0)
    np.testing.assert_allclose(panel.lines[0].get_ydata(), [1.0, 1.3])
    with pytest.raises(ArgumentError, match="beta=0.3 is unknown"):
        plot_consensus_of_fewer(rows, beta=0.3)


PLOTS = {
    "sweep": (plot_beta_sweep, ROWS, 1),
    "panel": (plot_collusion_panel, rows_of(SIGNS | DROPS), 3),
    "drop": (plot_learner_drop, {"a": REPORT, "b": REPORT}, 1),
    "training": (plot_training_curves, {"a": make_history()}, 4),
    "scores": (plot_learner_scores_2d, np.eye(2), 1),
    "consensus": (plot_consensus_sweep, make_methods(vote=[0.8, 0.7, 0.6]), 1),
}


@pytest.mark.parametrize("name", PLOTS)
def test_given_axes_are_used_and_pyplot_is_left_alone(name):
    plot, data, n_panels = PLOTS[name]
    figure = Figure((4 * n_panels, 4))
    given = figure.subplots(1, n_panels, squeeze=False).ravel()
    found = plot(data, ax=given if n_panels > 1 else given[0])
    assert np.ravel(found).tolist() == given.tolist()
    FigureCanvasAgg(figure).draw()
    assert plt.get_fignums() == []
    with pytest.raises(ArgumentError, match=f"there are {n_panels} panels"):
        plot(data, ax=[given[0]] * (n_panels + 1))
