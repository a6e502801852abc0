"""Draw votes from a trained model by block Gibbs sampling, and see how slowly it mixes."""

import torch

from deem.core.reading import read_votes
from deem.datasets import wine_votes
from deem.models import SoftIRBM
from deem.samplers import Gibbs


def main():
    votes = read_votes(wine_votes().votes, n_classes=3)
    model = SoftIRBM(votes.n_classifiers, votes.n_classes).fit(votes)
    prior, confusion = model.class_tables()
    exact = torch.einsum("k,dkl->dl", prior, confusion)

    data = votes.one_hot()
    starts = {"one sample": data[:1].repeat(2000, 1, 1), "all samples": data.repeat(16, 1, 1)}
    for name, start in starts.items():
        v, _ = Gibbs().run(model, start, steps=50, generator=torch.Generator().manual_seed(0))
        stayed = (model(v).argmax(-1) == model(start).argmax(-1)).double().mean()
        # Missing votes stay missing, and count in no frequency.
        counts = v.sum(0)
        difference = (counts / counts.sum(1, keepdim=True) - exact).abs().max()
        print(f"{len(v)} chains from {name}: {stayed:.2f} keep their class for 50 sweeps,")
        print(f"  largest difference from the exact frequency of a vote: {difference:.3f}")


if __name__ == "__main__":
    main()
