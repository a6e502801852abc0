"""Build an RBM with dropout, look at its masks, and check what a masked model is."""

import torch

from deem.models import RBM, DropoutRBM

model = DropoutRBM(n_visible=6, n_hidden=4, dropout=0.5, random_state=0)
for name, p in model.named_parameters():
    print(f"{name}: {tuple(p.shape)}")

with torch.no_grad():
    model.weight.normal_(generator=torch.Generator().manual_seed(1))
    v = torch.eye(6)[:3]

    # training draws a mask for each sample before an update and holds it through its chains
    model.redraw(v, torch.Generator().manual_seed(1))
    print("masks of three samples:", model.held.int().tolist())
    off = model(v)[~model.held]
    print(f"largest probability of a unit that is left out: {off.max():.3f}")

    # a sample under its mask sees a smaller RBM: that of the units kept
    kept = model.held[0]
    small = RBM(6, int(kept.sum()))
    small.weight.copy_(model.weight[:, kept])
    print(f"free energies of masked model and smaller RBM: {model.free_energy(v)[0]:.4f}", end="")
    print(f" {small.free_energy(v)[0]:.4f}")

    # out of training it is the mean network: an RBM with weights smaller by the root of 1 - p
    mean = RBM(6, 4)
    mean.weight.copy_(0.5**0.5 * model.weight)
    model.eval()
    print(f"log-likelihoods of mean network and RBM: {model.score_samples(v)[0]:.4f}", end="")
    print(f" {mean.score_samples(v)[0]:.4f}")
