"""Build a model of sequences, set weights that make units blink, and check its likelihood."""

from itertools import product

import torch

from deem.models import RTRBM

model = RTRBM(n_visible=2, n_hidden=2, random_state=0)
for name, p in model.named_parameters():
    print(f"{name}: {tuple(p.shape)}")

# each hidden unit is on where its visible unit is, and is held off in the frame that follows
with torch.no_grad():
    model.frame.weight.copy_(10 * torch.eye(2))
    model.frame.visible_bias.fill_(-3)
    model.frame.hidden_bias.fill_(-3)
    model.recurrent_weight.copy_(-9 * torch.eye(2))

    v = model.sample(n=2, n_steps=5, gibbs_steps=100, random_state=0)
    print(f"2 sequences of 5 frames: {tuple(v.shape)}, hidden means {tuple(model(v).shape)}")
    for sequence in v.int().tolist():
        print(" ", *sequence)
    print("free energies in nats:", [f"{x:.2f}" for x in model.free_energy(v).tolist()])

    # what was before changes what follows
    for start in ([0.0, 0.0], [1.0, 0.0], [1.0, 1.0]):
        both = torch.tensor([[start, [1 - x for x in start]]])
        chance = (model.score_samples(both) - model.score_samples(both[:, :1])).exp().item()
        print(f"after {start} comes {both[0, 1].tolist()} with probability {chance:.2f}")

    # the log-partition of a frame depends on the frames before it: with one for each frame the
    # likelihood is exact
    print("log-partitions:", [f"{x:.2f}" for x in model.log_partitions(v)[0].tolist()])
    every = torch.tensor(list(product([0.0, 1.0], repeat=6))).reshape(64, 3, 2)
    total = model.score_samples(every).exp().sum()
    print(f"the probabilities of all 64 sequences of 3 frames sum to {total:.4f}")
