"""Scaling, and projections onto the simplex that are nearest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deem.math.scale import normalise, project_to_simplex, unitary_scale

finite = st.floats(-1e3, 1e3)
vectors = hnp.arrays(np.float64, st.integers(1, 6), elements=finite)


@given(vectors)
def test_unitary_scale_fills_the_interval_and_keeps_the_order(x):
    scaled = unitary_scale(x)
    assert scaled.min() == 0
    if x.max() - x.min() > 1e-6:
        assert scaled.max() == pytest.approx(1)
    assert ((x[:, None] < x) <= (scaled[:, None] <= scaled)).all()


@pytest.mark.parametrize("value", [0, 3.0, -1e6])
def test_a_constant_scales_to_zero(value):
    assert unitary_scale(np.full((2, 2), value)).tolist() == [[0, 0], [0, 0]]


def test_normalise_by_hand():
    x = np.array([[1, 3], [0, 0]])
    assert normalise(x).tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert normalise(x, axis=0).tolist() == [[1, 1], [0, 0]]
    assert normalise(np.zeros((2, 3)), axis=0).tolist() == [[0.5] * 3] * 2


@given(vectors)
def test_projection_lands_on_the_simplex(x):
    p = project_to_simplex(x)
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1)


@given(vectors)
def test_projection_is_nearest(x):
    # Optimal exactly if (x - p)'(e_k - p) <= 0 for every corner e_k of the simplex.
    p = project_to_simplex(x)
    slack = (x - p) - (x - p) @ p
    assert slack.max() <= 1e-9 * (1 + np.abs(x).max())


@given(st.integers(1, 6).flatmap(lambda n: hnp.arrays(np.float64, n, elements=st.floats(1e-3, 1))))
def test_points_of_the_simplex_stay(x):
    p = x / x.sum()
    assert project_to_simplex(p) == pytest.approx(p)
    assert project_to_simplex(p + 7) == pytest.approx(p)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([0.5, 1.5], [0, 1]),
        ([0.6, 0.6], [0.5, 0.5]),
        ([3.0, 1.0, 0.0], [1, 0, 0]),
        ([1.0, 0.8, -0.2], [0.6, 0.4, 0]),
    ],
)
def test_projections_by_hand(x, expected):
    assert project_to_simplex(np.array(x)) == pytest.approx(np.array(expected))


def test_projection_works_row_by_row():
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    whole = project_to_simplex(x)
    for i in np.ndindex(3, 4):
        assert whole[i] == pytest.approx(project_to_simplex(x[i]))
