"""Stack inverse RBMs: learn layer by layer what classifiers have in common, then all at once."""

import torch

from deem.core.reading import read_votes
from deem.core.solvers import ContrastiveDivergence
from deem.datasets import copying_groups
from deem.math.energy import enumerate_one_hot, enumerated_log_partition
from deem.models import SoftIRBM, StackedIRBM
from deem.models.initialization import initialise
from deem.samplers import DiscreteLangevin


@torch.no_grad()
def tell(name, model, votes, truth):
    """Likelihood, by listing all 6561 vote patterns, and accuracy."""
    v, states = votes.one_hot(), enumerate_one_hot(8, 3, torch.float32)
    log_z = enumerated_log_partition(model.free_energy, states)
    likelihood = float(-model.free_energy(v).mean() - log_z)
    accuracy = (model.predict_classes(votes).argmax(1).numpy() == truth).mean()
    print(f"{name}: {likelihood:.3f} nats a sample, accuracy {accuracy:.3f}")


def main():
    data = copying_groups(1000, 3, groups=(3, 2, 1, 1, 1), accuracy=(0.6, 0.9), random_state=0)
    votes = read_votes(data.votes)

    exact = initialise(SoftIRBM(n_classifiers=8, n_classes=3), votes, "shares").fit(votes)
    tell("one unit", exact, votes, data.truth)

    model = StackedIRBM(n_classifiers=8, n_classes=3, widths=[4, 3])
    initialise(model, votes, "shares", random_state=0)
    tell("layer by layer", model, votes, data.truth)

    v = votes.one_hot()
    for layer in model.layers:
        v = layer(v).detach()
        right = (v.argmax(-1).numpy() == data.truth[:, None]).mean(0)
        print(f"units of {layer.n_out} are right on {right.round(2)}")

    sampler = ContrastiveDivergence(
        steps=5, learning_rate=0.01, momentum=0.9, sampler=DiscreteLangevin(), scheduler="cosine"
    )
    model.fit(votes, epochs=10, solver=sampler, random_state=0)
    tell("all at once", model, votes, data.truth)


if __name__ == "__main__":
    main()
