"""Write a model from its free energy alone and train it: an Ising chain of binary spins."""

import torch
from torch import Tensor, nn

from deem.core.model import Model
from deem.core.sampler import MetropolisSampler, SamplerState
from deem.core.solvers import ContrastiveDivergence


class IsingChain(Model):
    """Spins of -1 and 1 in a row, each coupled to the next."""

    def __init__(self, n_spins: int):
        super().__init__()
        self.n_spins = n_spins
        self.coupling = nn.Parameter(torch.zeros(n_spins - 1))

    def free_energy(self, v: Tensor) -> Tensor:
        return -(v[:, 1:] * v[:, :-1]) @ self.coupling

    def log_partition(self) -> Tensor:
        # Summing the spins out from one end leaves a factor 2 cosh a coupling.
        return (2 * self.coupling.cosh()).log().sum() + torch.log(torch.tensor(2.0))


class Flip(MetropolisSampler):
    """Flip one random spin; the proposal is symmetric."""

    def propose(self, state: SamplerState, generator: torch.Generator) -> Tensor:
        n, sites = state.v.shape
        site = torch.randint(sites, (n, 1), generator=generator, device=state.v.device)
        return state.v.scatter(1, site, -state.v.gather(1, site))

    def log_proposal(self, state: SamplerState, proposed: SamplerState) -> Tensor:
        return torch.zeros_like(state.v[:, 0])


def main():
    truth = IsingChain(6)
    nn.init.constant_(truth.coupling, 0.5)
    generator = torch.Generator().manual_seed(0)
    start = torch.ones(3000, 6)
    spins, _ = Flip().run(truth, start, 100, generator)

    solver = ContrastiveDivergence(steps=5, learning_rate=0.05, persistent=True, sampler=Flip())
    model = IsingChain(6).fit(spins, epochs=10, solver=solver, random_state=0)
    print("true couplings:   ", [0.5] * 5)
    print("learned couplings:", [round(x, 1) for x in model.coupling.tolist()])
    print(f"log-likelihood: {model.score_samples(spins).mean():.2f} nats a sample")


if __name__ == "__main__":
    main()
