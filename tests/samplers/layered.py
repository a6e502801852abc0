"""A small model with a layer, whose partition differs from one missing pattern to the next."""

import torch
from exact import one_hot_states

from deem.core.model import Model
from deem.models import SoftIRBM


class Layered(Model):
    """Votes through a softmax layer into an inverse RBM; what is missing adds nothing."""

    supports_missing = True

    def __init__(self, n_classifiers, n_classes):
        super().__init__()
        self.n_classifiers, self.n_classes = n_classifiers, n_classes
        size = (n_classifiers, n_classes)
        self.weight = torch.nn.Parameter(torch.zeros(*size, *size))
        self.head = SoftIRBM(n_classifiers, n_classes)

    def free_energy(self, v):
        known = v.sum(-1, keepdim=True) > 0
        u = torch.einsum("nil,iljm->njm", v, self.weight).softmax(-1) * known
        return -self.head.state_logits(u, ~known.squeeze(-1)).logsumexp(-1)


def drawn(model, scale, seed=0, dtype=torch.float64):
    """The model with normal parameters."""
    generator = torch.Generator().manual_seed(seed)
    model = model.to(dtype)
    with torch.no_grad():
        for p in model.parameters():
            noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            p.copy_(scale * noise)
    return model


def all_states(d, k, present=None):
    """All configurations, with zeros outside `present`."""
    present = torch.ones(d, dtype=torch.bool) if present is None else present
    n = int(present.sum())
    states = torch.zeros(k**n, d, k, dtype=torch.float64)
    if n:
        states[:, present] = one_hot_states(n, k)
    return states


@torch.no_grad()
def log_z(model, d, k, present=None):
    """Log-partition by enumeration."""
    states = all_states(d, k, present).to(model.dtype)
    return float((-model.free_energy(states)).double().logsumexp(0))
