"""Compare four samplers on a model whose probabilities can be listed."""

import torch

from deem.math.chains import effective_sample_size
from deem.math.energy import enumerate_one_hot
from deem.models import SoftIRBM
from deem.samplers import DiscreteLangevin, Gibbs, GibbsWithGradients, ParallelTempering

CHAINS, FORGOTTEN, KEPT = 400, 30, 60


def compare(sampler, model, states, generator):
    """Acceptance, share of independent draws, and distance of the histogram from the truth."""
    chains = sampler.start(states[:1].repeat(CHAINS, 1, 1), generator)
    chains, _ = sampler.run(model, chains, FORGOTTEN, generator)
    energies, counts, acceptance = [], torch.zeros(len(states)), 0.0
    for _ in range(KEPT):
        chains, metrics = sampler.run(model, chains, 1, generator)
        draws = sampler.draws(chains)
        energies.append(model.free_energy(draws).detach())
        counts += (draws.flatten(1) @ states.flatten(1).T == states.shape[1]).sum(0)
        acceptance += float(metrics.get("acceptance", 1.0)) / KEPT
    size = float(effective_sample_size(torch.stack(energies))) / (KEPT * CHAINS)
    exact = model.score_samples(states).exp().detach()
    return acceptance, size, float((counts / counts.sum() - exact).abs().sum() / 2)


def main():
    generator = torch.Generator().manual_seed(0)
    model, states = SoftIRBM(n_classifiers=5, n_classes=3), enumerate_one_hot(5, 3, torch.float32)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=generator)

    langevin = DiscreteLangevin(step_size=0.1)
    samplers = {
        "Gibbs": Gibbs(),
        "Gibbs with gradients": GibbsWithGradients(),
        "Langevin": langevin,
        "Langevin, tuned": langevin.tune(model, states, generator),
        "parallel tempering": ParallelTempering(GibbsWithGradients(), (1, 2)),
    }
    for name, sampler in samplers.items():
        acceptance, size, distance = compare(sampler, model, states, generator)
        print(f"{name}: accepts {acceptance:.2f}, {100 * size:.1f} % of the draws count, ", end="")
        print(f"distance {distance:.3f}")


if __name__ == "__main__":
    main()
