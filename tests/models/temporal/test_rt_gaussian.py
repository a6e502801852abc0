"""Sequences of real-valued frames: units of the data, draws, noise and memory."""

import math

import pytest
import torch
from exact import bit_states, real_nodes
from sequences import ExactSequences, Tiny, shuffled
from torch.distributions import Normal

from deem.core.dataset import Dataset
from deem.core.solvers import ContrastiveDivergence
from deem.models import RTGaussianRBM, RTVarianceGaussianRBM

KINDS = pytest.mark.parametrize("cls", [RTGaussianRBM, RTVarianceGaussianRBM])


def swinging(n, time, noise=0.3, seed=0):
    """One unit that is at 1 and -1 by turns, from either on, with noise; (n, time, 1)."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(2, (n, 1, 1), generator=generator)
    sign = 1.0 - 2 * ((start + torch.arange(time)[:, None]) % 2)
    return sign + noise * torch.randn(n, time, 1, generator=generator)


@KINDS
def test_everything_is_in_the_units_of_the_data(cls, close):
    v, models = swinging(40, 4).double(), []
    for data in (v, 50 + 10 * v):
        models.append(cls(1, 3).double().fit(data, epochs=3, batch_size=10, random_state=0))
    one, ten = models
    close(ten.frame.scale, 10 * one.frame.scale)
    close(ten.score_samples(50 + 10 * v), one.score_samples(v) - 4 * math.log(10), 100)
    close(ten.reconstruct(50 + 10 * v), 50 + 10 * one.reconstruct(v), 100)
    draws = [model.sample(20, 3, 5, random_state=0) for model in models]
    close(draws[1], 50 + 10 * draws[0], 100)


@KINDS
def test_locations_and_scales_are_those_of_all_frames_and_stay(cls, close, tmp_path):
    v, weights = swinging(10, 3).double(), torch.arange(1, 11)
    model = cls(1, 2).double().fit(Dataset(v, weights=weights), epochs=1, random_state=0)
    every = v.repeat_interleave(weights, 0).flatten()
    close(model.frame.location, every.mean(0, keepdim=True))
    close(model.frame.scale, every.std(0, correction=0)[None])
    kept = model.frame.scale.clone()
    model.fit(7 * v, epochs=1, random_state=0)
    model.save(tmp_path / "model")
    assert torch.equal(cls.load(tmp_path / "model").frame.scale, kept)
    assert torch.equal(model.frame.scale, kept)
    plain = cls(1, 2, standardise=False).fit(v, epochs=1).frame
    assert torch.equal(plain.scale, torch.ones(1))


def remembering():
    tiny = Tiny(
        RTGaussianRBM,
        {"n_visible": 1, "n_hidden": 1, "standardise": False},
        real_nodes(1)[0],
        bit_states(1),
    )
    model = tiny.build(0)
    with torch.no_grad():
        model.frame.weight.fill_(3.0)
        model.frame.visible_bias.fill_(-1.5)
        model.frame.hidden_bias.fill_(1.0)
        model.recurrent_weight.fill_(-3.0)
    return model


@pytest.mark.parametrize("has_noise", [True, False], ids=["draws", "control: means"])
def test_the_next_frame_is_drawn_from_its_density(has_noise):
    model, (states, weight) = remembering(), real_nodes(1)
    start = int((states[:, 0] - 1.35).abs().argmin())
    exact = ExactSequences(model, states, bit_states(1), torch.tensor([[start, start]]), weight)
    p = (exact.log_frames[0, 1] + weight).exp().detach()
    n = 5000
    before = states[start].expand(n, 1, 1)
    new = model.extend(before, 1, 60, deterministic=not has_noise, random_state=0)[:, 0, 0]
    mean = (p * states[:, 0]).sum()
    variance = (p * (states[:, 0] - mean).square()).sum()
    fits = [
        abs(float(new.mean() - mean)) < 5 * float(variance / n) ** 0.5,
        abs(float(new.var() / variance) - 1) < 0.12,
    ]
    assert all(fits) == has_noise


@pytest.mark.parametrize("has_order", [True, False], ids=["swinging", "control: shuffled"])
def test_memory_beats_the_true_density_of_single_frames(has_order):
    train, test = swinging(200, 6), swinging(100, 6, seed=1)
    if not has_order:
        train, test = shuffled(train), shuffled(test, 1)
    solver = ContrastiveDivergence(1, 0.1, optimizer="adam")
    model = RTVarianceGaussianRBM(1, 4)
    model.fit(train, epochs=25, batch_size=25, solver=solver, random_state=0)
    peaks = torch.stack([Normal(sign, 0.3).log_prob(test) for sign in (-1.0, 1.0)])
    alone = (peaks.logsumexp(0) - math.log(2)).sum((1, 2)).mean().item()
    gain = model.score_samples(test).mean().item() - alone
    # After the first frame one of two signs is certain: five bits at most.
    assert 2.0 < gain < 5 * math.log(2) + 0.1 if has_order else gain < 0.1
    if has_order:
        assert abs(model.frame.noise_variance().sqrt().item() - 0.3) < 0.1
