"""Forecast noisy waves that pass four sensors, and learn how noisy the sensors are."""

import math
import sys

import torch

from deem.core.solvers import ContrastiveDivergence
from deem.models import RTGaussianRBM, RTVarianceGaussianRBM

LONG = "--long" in sys.argv
SENSORS, TIME, NOISE = 4, 8, 1.0


def waves(n, seed):
    """Measured and true heights (n, TIME, SENSORS) of a wave of period 6 and of any phase."""
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(n, 1, 1, generator=generator) + torch.arange(TIME)[:, None] / 6
    place = torch.arange(SENSORS) / SENSORS
    true = 20 + 5 * torch.sin(2 * math.pi * (phase + place))
    return true + NOISE * torch.randn(true.shape, generator=generator), true


train, _ = waves(200, 0)
test, true = waves(100, 1)
before, last = test[:, :-1], test[:, -1]


def error(guess):
    return (guess - last).square().mean().sqrt().item()


print(f"mean of all frames: error of the next frame {error(train.mean((0, 1))):.2f}")
print(f"last frame again: error of the next frame {error(before[:, -1]):.2f}")

solver = ContrastiveDivergence(1, 0.03, optimizer="adam", monitor=False)
for kind in (RTGaussianRBM, RTVarianceGaussianRBM):
    model = kind(SENSORS, n_hidden=12)
    model.fit(train, epochs=200 if LONG else 12, batch_size=20, solver=solver, random_state=0)
    guess = model.extend(before, deterministic=True)[:, 0]
    score = model.score_samples(test).mean().item()
    print(f"{kind.__name__}: error of the next frame {error(guess):.2f}, {score:.1f} nats")
print(f"the true wave: error of the next frame {error(true[:, -1]):.2f}, which is noise")

noise = model.frame.noise_variance().sqrt().mean().item()
print(f"noise of a sensor: learned {noise:.2f}, true {NOISE:.2f}, spread {train.std():.2f}")
