"""What the plots of energies show: shares, medians, traces, autocorrelations."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deem.utils.exception import ArgumentError, ShapeError
from deem.visual import plot_energies, plot_traces


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


def shares(ax):
    return [patch.get_data().values for patch in ax.patches]


def edges(ax):
    return [patch.get_data().edges for patch in ax.patches]


def medians(ax):
    return [line.get_xdata()[0] for line in ax.lines]


def autoregressive(rho, steps, chains, rng):
    """Stationary chains whose autocorrelation at lag t is rho to the t."""
    series = np.empty((steps, chains))
    series[0] = rng.standard_normal(chains)
    for step in range(1, steps):
        noise = rng.standard_normal(chains)
        series[step] = rho * series[step - 1] + np.sqrt(1 - rho**2) * noise
    return series


def test_shares_on_common_bins():
    ax = plot_energies([0.0, 0.0, 1.0, 4.0], [0.5, 3.5], bins=4)
    data, chains = shares(ax)
    np.testing.assert_allclose(data, [0.5, 0.25, 0, 0.25])
    np.testing.assert_allclose(chains, [0.5, 0, 0, 0.5])
    np.testing.assert_array_equal(*edges(ax))
    np.testing.assert_allclose(edges(ax)[0], [0, 1, 2, 3, 4])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("free energy (nats)", "share")


def test_unequal_lengths_have_shares_of_sum_one(rng):
    ax = plot_energies(
        rng.normal(size=5000), torch.tensor(rng.normal(size=(70, 3)), requires_grad=True)
    )
    assert [values.sum() for values in shares(ax)] == pytest.approx([1, 1])
    # the square root of 210
    assert len(shares(ax)[0]) == 14


def test_medians_are_marked_and_named():
    ax = plot_energies([-3.0, -2.0, -1.0, 7.0], [[-4.0, -1.0], [-2.0, 100.0]])
    assert medians(ax) == [-1.5, -1.5]
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["data", "median −1.50", "chains", "median −1.50"]


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_weights_count_as_copies(size, rng):
    values, copies = rng.normal(size=size), rng.integers(0, 4, size) + (np.arange(size) == 0)
    weighted = plot_energies(values, [0.0, 1.0], weights=copies, bins=5)
    copied = plot_energies(np.repeat(values, copies), [0.0, 1.0, values.min(), values.max()])
    assert medians(weighted)[0] == pytest.approx(medians(copied)[0])
    counts = np.histogram(values, edges(weighted)[0], weights=copies)[0]
    np.testing.assert_allclose(shares(weighted)[0], counts / copies.sum())


@pytest.mark.parametrize("noise", [0.0, 1e-13])
def test_equal_energies_are_drawn(noise):
    ax = plot_energies(np.full(5, -900.0), -900.0 + noise * np.arange(3))
    assert [values.max() for values in shares(ax)] == [1, 1]
    assert np.ptp(edges(ax)[0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"data": [1.0, np.nan]}, ArgumentError, r"data\[1\]=nan, and 1 of 2 values are not fin"),
        ({"chains": [[0.0], [np.inf]]}, ArgumentError, r"chains\[1, 0\]=inf, and 1 of 2 values"),
        ({"data": []}, ShapeError, r"data has shape \(0,\), expected \(n_samples,\)"),
        ({"data": [[1.0]]}, ShapeError, r"data has shape \(1, 1\)"),
        ({"chains": 1.0}, ShapeError, r"chains has shape \(\), expected \(n_chains,\) or"),
        ({"weights": [1.0]}, ShapeError, "weights has 1 entries, expected 2"),
        ({"weights": [1.0, -1.0]}, ArgumentError, "weights has the smallest entry -1 and the sum"),
        ({"weights": [0.0, 0.0]}, ArgumentError, "weights has the smallest entry 0 and the sum 0"),
        ({"weights": [1.0, np.nan]}, ArgumentError, r"weights\[1\]=nan"),
        ({"bins": 0}, ArgumentError, "bins=0; it must be at least 1"),
    ],
)
def test_bad_energies_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_energies(**{"data": [0.0, 1.0], "chains": [0.5], **arguments})


def test_traces_are_the_chains_with_the_running_mean_of_all(rng):
    series = rng.normal(size=(50, 3))
    panel, _ = plot_traces(series, name="votes for 0")
    *chains, _, mean = panel.lines
    for line, chain in zip(chains, series.T, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), chain)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 51))
    expected = [series[: step + 1].mean() for step in range(50)]
    np.testing.assert_allclose(mean.get_ydata(), expected)
    assert panel.get_title() == "3 chains, running mean in black"
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("step", "votes for 0")


def test_of_many_chains_some_are_shown_and_all_counted(rng):
    series = rng.normal(size=(20, 100))
    panel, _ = plot_traces(series, n_shown=5)
    *chains, _, mean = panel.lines
    shown = series[:, [0, 25, 50, 74, 99]]
    np.testing.assert_array_equal([line.get_ydata() for line in chains], shown.T)
    assert mean.get_ydata()[-1] == pytest.approx(series.mean())
    assert panel.get_title().startswith("5 of 100 chains")


def test_a_warm_up_counts_neither_in_the_mean_nor_in_the_autocorrelation(rng):
    late = rng.normal(size=(40, 2))
    series = np.concatenate([np.full((10, 2), 1e3), late])
    traces, correlation = plot_traces(series, warm_up=10)
    np.testing.assert_array_equal(traces.lines[-1].get_xdata(), np.arange(11, 51))
    np.testing.assert_allclose(traces.lines[-1].get_ydata()[-1], late.mean())
    assert traces.get_xlabel() == "step (shaded: left out)"
    without = plot_traces(late)[1].lines[-1]
    np.testing.assert_allclose(correlation.lines[-1].get_ydata(), without.get_ydata())


def test_the_autocorrelation_is_its_definition(rng):
    series = autoregressive(0.7, 60, 4, rng)
    drawn = plot_traces(torch.tensor(series, requires_grad=True))[1].lines[-1].get_ydata()
    centred = series - series.mean()
    expected = [(centred[: 60 - t] * centred[t:]).sum() / (60 - t) for t in range(len(drawn))]
    np.testing.assert_allclose(drawn, np.array(expected) / expected[0], atol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_autocorrelation_of_an_autoregression_is_known(rho, rng):
    line = plot_traces(autoregressive(rho, 4000, 10, rng))[1].lines[-1]
    lags = line.get_xdata()
    np.testing.assert_allclose(line.get_ydata(), rho**lags, atol=0.1)
    # up to where it has faded, not all of the 4000
    assert lags[-1] < 200


def test_stuck_chains_are_wholly_correlated():
    for series in (np.ones((10, 2)), np.tile([1.0, 5.0], (10, 1))):
        np.testing.assert_allclose(plot_traces(series)[1].lines[-1].get_ydata(), 1)


def test_one_chain_needs_no_second_axis():
    series = np.arange(8.0)
    one, many = plot_traces(series), plot_traces(series[:, np.newaxis])
    np.testing.assert_array_equal(one[0].lines[0].get_ydata(), many[0].lines[0].get_ydata())


def test_given_axes_are_used_and_pyplot_is_left_alone():
    given = Figure().subplots(1, 2)
    assert plot_traces(np.eye(5), ax=given).tolist() == given.tolist()
    assert plot_energies([0.0], [1.0], ax=given[0]) is given[0]
    assert plt.get_fignums() == []


def test_the_legend_stands_above_the_bars_and_fits():
    ax = plot_energies(np.linspace(-1e4, 0, 50), np.linspace(-2e4, -1e4, 50))
    figure = ax.figure
    FigureCanvasAgg(figure).draw()
    legend = ax.get_legend().get_window_extent()
    assert legend.y0 >= ax.get_window_extent().y1
    width, height = figure.get_size_inches() * figure.dpi
    assert legend.x0 >= 0
    assert legend.x1 <= width
    assert legend.y1 <= height


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"series": [[0.0, 1], [np.nan, 1]] * 4}, ArgumentError, r"series\[1, 0\]=nan, and 4 of"),
        ({"series": np.zeros((9, 2, 2))}, ShapeError, r"series has shape \(9, 2, 2\), expected"),
        ({"series": [1.0, 2.0, 3.0]}, ArgumentError, "warm_up=0, but series has 3 steps; leave"),
        ({"warm_up": 6}, ArgumentError, "warm_up=6, but series has 9 steps; leave at least 4"),
        ({"warm_up": -1}, ArgumentError, "warm_up=-1, but"),
        ({"n_shown": 0}, ArgumentError, "n_shown=0; it must be at least 1"),
        ({"ax": Figure().add_subplot()}, ArgumentError, "ax has 1 axes, but there are 2 panels"),
    ],
)
def test_bad_traces_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        plot_traces(**{"series": np.eye(9), **arguments})
