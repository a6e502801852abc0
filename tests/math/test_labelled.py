"""Bits beside a class, against enumeration."""

from itertools import product

import pytest
import torch

from deem.math.distributions import tempered
from deem.math.labelled import LabelledBits
from deem.math.random import as_generator, draw

STATES = torch.tensor(
    [[*bits, *row] for bits in product([0, 1], repeat=2) for row in torch.eye(3).tolist()]
).double()


@pytest.fixture
def labelled():
    generator = as_generator(0)
    logits = (torch.randn(4, n, generator=generator, dtype=torch.float64) for n in (2, 3))
    return LabelledBits(*logits)


def probabilities(distribution):
    """(12, batch): of every state."""
    return torch.stack([distribution.log_prob(s.expand(4, 5)) for s in STATES]).exp()


def test_probabilities_are_those_of_bits_and_a_class(labelled, close):
    assert (labelled.batch_shape, labelled.event_shape) == ((4,), (5,))
    bits, label = labelled.bits.logits.sigmoid(), labelled.label.logits.softmax(-1)
    found = probabilities(labelled)
    close(found.sum(0), torch.ones(4))
    close(found[7], bits[:, 0] * (1 - bits[:, 1]) * label[:, 1])


def test_mean_is_the_expectation(labelled, close):
    close(labelled.mean, probabilities(labelled).t() @ STATES)


def test_draws_have_the_probabilities(labelled):
    generator = as_generator(1)
    draws = torch.stack([draw(labelled, generator) for _ in range(2000)])
    assert (draws[..., 2:].sum(-1) == 1).all()
    shares = torch.stack([(draws == s).all(-1).double().mean(0) for s in STATES])
    p = probabilities(labelled)
    assert ((shares - p).abs() < 5 * (p * (1 - p) / 2000).sqrt() + 1e-3).all()


def test_a_temperature_flattens_every_state_alike(labelled, close):
    expected = probabilities(labelled) ** 0.5
    close(probabilities(tempered(labelled, 2.0)), expected / expected.sum(0))
