"""Options and fixtures of all tests."""

import os
import random

# Threads of two workers on two cores wait for each other; read when numpy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble  # noqa: F401  its import draws from the global generator of Python
import torch
from jury import jury, long_form

hypothesis.settings.register_profile("deem", deadline=None, database=None, derandomize=True)
hypothesis.settings.load_profile("deem")


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device of the contract tests")
    parser.addoption("--dtype", default="float64", choices=("float32", "float64"))


def pytest_configure(config):
    config.addinivalue_line("markers", "global_random: may change the global generators")
    # The tests work on tensors of a few numbers, where a second thread costs more than it brings.
    torch.set_num_threads(1)


@pytest.fixture
def device(request):
    return torch.device(request.config.getoption("--device"))


@pytest.fixture
def dtype(request):
    return getattr(torch, request.config.getoption("--dtype"))


@pytest.fixture
def close(dtype):
    """Compare two tensors up to the rounding of the chosen dtype; moves both to the CPU."""
    tolerance = 1e-9 if dtype == torch.float64 else 2e-4

    def compare(actual, expected, factor=1.0):
        actual, expected = (torch.as_tensor(x).detach().double().cpu() for x in (actual, expected))
        torch.testing.assert_close(
            actual, expected, rtol=factor * tolerance, atol=factor * tolerance
        )

    return compare


@pytest.fixture
def seed():
    return 0


@pytest.fixture
def generator(seed, device):
    return torch.Generator(device).manual_seed(seed)


@pytest.fixture(scope="session")
def crowd():
    """120 complete votes of 5 classifiers on 3 classes, with their truth."""
    return jury()


@pytest.fixture
def votes(crowd):
    return crowd.votes.copy()


@pytest.fixture
def truth(crowd):
    return crowd.truth.copy()


@pytest.fixture
def long_frame(crowd):
    tasks = [f"t{i:03d}" for i in range(len(crowd.votes))]
    return pd.DataFrame(long_form(crowd.votes, tasks, list("abcde")))


def _global_states():
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - watched, not used
    key = legacy["state"]["key"].tobytes()
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (key, legacy["state"]["pos"], legacy["has_gauss"]),
        "random": random.getstate(),
    }


@pytest.fixture(autouse=True)
def _global_generators_untouched(request):
    """Nothing in the library may draw from, or seed, a global generator."""
    with torch.random.fork_rng(devices=[]):
        before = _global_states()
        yield
        after = _global_states()
    if request.node.get_closest_marker("global_random") is None:
        changed = [name for name in before if before[name] != after[name]]
        assert not changed, f"the test changed the global generators of {changed}"
