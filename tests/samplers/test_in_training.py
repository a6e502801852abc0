"""Every sampler inside contrastive divergence: history, tuning, resume, model files."""

import pytest
import torch
from tiny import TINY_MODELS, TINY_SAMPLERS

from deem import DEEM, load
from deem.core.solvers import ContrastiveDivergence
from deem.core.training import Checkpoint
from deem.samplers import DiscreteLangevin, GibbsWithGradients, ParallelTempering

SOFT = TINY_MODELS[0]
MADE = {
    **{name: cls() for name, cls in TINY_SAMPLERS.items()},
    "Two replicas": ParallelTempering(GibbsWithGradients(), (1, 2)),
    "Unadjusted": DiscreteLangevin(adjusted=False),
}
every_sampler = pytest.mark.parametrize("sampler", MADE.values(), ids=MADE)


def data(n=60):
    v = SOFT.data(n)
    v[::4, 0] = 0
    v[0] = 0
    return v


def solver(sampler, persistent):
    return ContrastiveDivergence(3, 0.1, persistent=persistent, sampler=sampler)


@every_sampler
@pytest.mark.parametrize("persistent", [False, True])
def test_training_records_what_the_chains_do(sampler, persistent):
    before = {name: repr(value) for name, value in sampler.settings().items()}
    model = SOFT.build().fit(
        data(), epochs=3, batch_size=25, solver=solver(sampler, persistent), random_state=0
    )
    expected = {"free_energy_gap", "free_energy"}
    if not isinstance(sampler, TINY_SAMPLERS["Gibbs"]):
        expected |= {"acceptance", "stuck"}
    if isinstance(sampler, ParallelTempering):
        expected.add("swap_rate")
    if hasattr(sampler, "step_size"):
        expected.add("step_size")
    assert set(model.history) == expected
    assert all(torch.tensor(series).isfinite().all() for series in model.history.values())
    assert {name: repr(value) for name, value in sampler.settings().items()} == before


@every_sampler
def test_an_interrupted_training_resumes_exactly(sampler, tmp_path):
    whole = SOFT.build().fit(
        data(), epochs=4, batch_size=25, solver=solver(sampler, True), random_state=0
    )
    path = tmp_path / "checkpoint"
    options = {"batch_size": 25, "solver": solver(sampler, True)}
    SOFT.build().fit(data(), epochs=2, random_state=0, callbacks=[Checkpoint(path)], **options)
    resumed = SOFT.build(3).fit(data(), epochs=4, random_state=5, resume=path, **options)
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True)
    )


def test_the_step_size_follows_the_acceptance():
    kernel = solver(DiscreteLangevin(step_size=0.05), True)
    SOFT.build().fit(data(), epochs=10, batch_size=20, solver=kernel, random_state=0)
    assert kernel.state()["sampler"]["step_size"] > 0.2
    assert kernel.state()["sampler"]["tuned"] == 30
    assert kernel.sampler.step_size == 0.05


@pytest.mark.parametrize(
    "sampler",
    [
        TINY_SAMPLERS["Gibbs"](start_temperature=3.0),
        DiscreteLangevin(0.3, warm_up=5),
        ParallelTempering(GibbsWithGradients(), (1, 2)),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_a_model_file_brings_the_sampler_back(sampler, crowd, tmp_path):
    fitted = DEEM(solver="cd", sampler=sampler, epochs=2, random_state=0).fit(crowd.votes)
    fitted.save(tmp_path / "model")
    twin = load(tmp_path / "model").sampler
    assert type(twin) is type(sampler)
    if isinstance(sampler, ParallelTempering):
        assert type(twin.kernel) is GibbsWithGradients
        assert list(twin.temperatures) == [1, 2]
    else:
        assert twin.settings() == sampler.settings()
