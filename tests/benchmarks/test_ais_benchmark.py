"""Brackets of many runs, on a model small enough for the suite."""

import pytest
from ais import CASES, build, measure

from deem.models import SoftIRBM


def test_runs_are_counted_and_measured():
    model = build(lambda: SoftIRBM(4, 2), 1.0)
    found = measure(model, n_steps=30, runs=10, n_chains=50)
    assert found["truth"] == pytest.approx(float(model.log_partition().detach()))
    assert found["inside"] >= 9
    assert 0 < found["mean_width"] < found["largest_width"] < 1
    assert found["largest_error"] < found["largest_width"]
    assert 0.2 < found["effective_share"] < 1


@pytest.mark.parametrize("name", CASES)
def test_every_case_can_be_enumerated(name):
    model = build(*CASES[name][:2])
    assert model.n_classes**model.n_classifiers <= 2**16
