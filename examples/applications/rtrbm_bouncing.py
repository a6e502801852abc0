"""Forecast a ball that bounces between two walls from the frames before."""

import sys

import torch

from deem.core.solvers import ContrastiveDivergence
from deem.models import RBM, RTRBM

LONG = "--long" in sys.argv
LENGTH, BALL, TIME = (12, 3, 12) if LONG else (6, 2, 6)


def bouncing(n, seed):
    """Sequences (n, TIME, LENGTH): a ball of BALL units moves by one a frame."""
    places = LENGTH - BALL + 1
    generator = torch.Generator().manual_seed(seed)
    phase = torch.randint(2 * places - 2, (n, 1), generator=generator) + torch.arange(TIME)
    phase = phase % (2 * places - 2)
    place = torch.minimum(phase, 2 * places - 2 - phase)
    return sum(torch.eye(LENGTH)[place + i] for i in range(BALL))


train, test = bouncing(200, 0), bouncing(100, 1)
last, before = test[:, -1], test[:, :-1]

# steps of Adam suit the recurrent weights, which start to learn only once the others have
solver = ContrastiveDivergence(3, 0.05, optimizer="adam", monitor=False)
hidden, epochs = (20, 100) if LONG else (16, 25)
frames = RBM(LENGTH, hidden).fit(train.flatten(0, 1), epochs=10, solver=solver, random_state=0)
model = RTRBM(LENGTH, hidden)
model.fit(train, epochs=epochs, batch_size=20, solver=solver, random_state=0)

forecasts = {
    "mean of all frames": train.mean((0, 1)).expand_as(last),
    "last frame again": before[:, -1],
    "frame-wise RBM": frames.reconstruct(before[:, -1]),
    "RTRBM": model.extend(before, n_steps=1, deterministic=True)[:, 0],
}
for name, guess in forecasts.items():
    error = (guess - last).square().sum(1).mean()
    print(f"{name}: squared error of the next frame {error:.3f}")

with torch.no_grad():
    alone = frames.score_samples(test.flatten(0, 1)).reshape(len(test), -1).sum(1).mean()
    print(f"log-likelihood of a sequence by frames alone: {alone:.2f} nats")
    print(
        f"log-likelihood of a sequence by the RTRBM: {model.score_samples(test).mean():.2f} nats"
    )

print("a beginning | and how the model goes on")
new = model.extend(test[:1, :3], n_steps=8, deterministic=True)[0]
for i, frame in enumerate(torch.cat([test[0, :3], new])):
    print("".join(".o#"[int(2 * x + 0.5)] for x in frame.tolist()), "|" if i == 2 else "")
