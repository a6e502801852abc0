"""Write a Metropolis kernel and compare its long run with the exact probabilities."""

import torch
from torch.nn.functional import one_hot

from deem.core.sampler import MetropolisSampler
from deem.math.energy import enumerate_one_hot
from deem.models import SoftIRBM


class Redraw(MetropolisSampler):
    """Give one random site a random category; the proposal is symmetric."""

    def propose(self, state, generator):
        n, sites, categories = state.v.shape
        site = torch.randint(sites, (n,), generator=generator)
        category = torch.randint(categories, (n,), generator=generator)
        proposed = state.v.clone()
        proposed[torch.arange(n), site] = one_hot(category, categories).to(state.v)
        return proposed

    def log_proposal(self, state, proposed):
        return torch.zeros_like(state.free_energy)


def main():
    model = SoftIRBM(n_classifiers=3, n_classes=2)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=generator)

    states = enumerate_one_hot(3, 2, torch.float32)
    v, metrics = Redraw().run(model, states.repeat(1000, 1, 1), 50, generator)
    index = (v.flatten(1) @ states.flatten(1).T).argmax(1)
    found = torch.bincount(index, minlength=8) / len(v)
    exact = model.score_samples(states).exp()
    print(f"accepted {metrics['acceptance']:.2f} of the moves")
    print(f"largest difference of a frequency: {(found - exact).abs().max():.3f}")


if __name__ == "__main__":
    main()
