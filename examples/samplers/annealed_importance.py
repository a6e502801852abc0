"""Estimate a log-partition by annealed importance sampling, and compare it with enumeration."""

import torch

from deem.core.model import Model
from deem.core.reading import read_votes
from deem.datasets import wine_votes
from deem.math.energy import enumerate_one_hot, enumerated_log_partition
from deem.models import SoftIRBM
from deem.samplers.ais import bracket


class Pairs(Model):
    """An inverse RBM of the votes, and a weight for every pair of classifiers that agree."""

    def __init__(self, votes):
        super().__init__()
        self.n_classifiers, self.n_classes = votes.n_classifiers, votes.n_classes
        self.exact = SoftIRBM(self.n_classifiers, self.n_classes).fit(votes)
        self.weight = torch.nn.Parameter(torch.zeros(self.n_classifiers, self.n_classifiers))

    def free_energy(self, v):
        agree = torch.einsum("nik,njk->nij", v, v)
        return self.exact.free_energy(v) - (self.weight * agree).sum((1, 2))


def main():
    votes = read_votes(wine_votes().votes[:, :8], n_classes=3)
    model = Pairs(votes)
    torch.nn.init.normal_(model.weight, std=0.5, generator=torch.Generator().manual_seed(0))
    states = enumerate_one_hot(8, 3, torch.float32)
    with torch.no_grad():
        exact = float(enumerated_log_partition(model.free_energy, states))
    print(f"{len(states)} configurations, log-partition {exact:.3f}")

    for n_steps in (0, 20, 100):
        generator = torch.Generator().manual_seed(0)
        found = bracket(model, model.exact, generator=generator, n_steps=n_steps)
        print(
            f"{n_steps:3d} steps: between {found.lower:.3f} and {found.upper:.3f}, "
            f"effective share of the chains {found.forward.effective_share:.2f}"
        )


if __name__ == "__main__":
    main()
