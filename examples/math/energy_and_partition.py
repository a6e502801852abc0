"""Compare the closed log-partition of an inverse RBM with the sum over all vote patterns."""

import torch

from deem.math.energy import enumerate_one_hot, enumerated_log_partition
from deem.models import SoftIRBM


def main():
    model = SoftIRBM(n_classifiers=6, n_classes=3).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, generator=generator)

    states = enumerate_one_hot(6, 3)
    with torch.no_grad():
        closed = model.log_partition()
        listed = enumerated_log_partition(model.free_energy, states)
        total = model.score_samples(states).exp().sum()
    print(f"{len(states)} vote patterns")
    print(f"log Z in closed form {closed:.6f}, listed {listed:.6f} nats")
    print(f"their probabilities sum to {total:.6f}")


if __name__ == "__main__":
    main()
