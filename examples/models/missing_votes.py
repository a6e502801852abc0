"""Show that a missing vote is summed out: it neither helps nor hurts any class."""

import torch

from deem.core.reading import read_votes
from deem.datasets import wine_votes
from deem.models import SoftIRBM


def main():
    wine = wine_votes()
    votes = read_votes(wine.votes, n_classes=3)
    model = SoftIRBM(votes.n_classifiers, votes.n_classes).fit(votes)

    v = votes.one_hot(slice(0, 1))
    v[:, 0] = 0
    filled = v.repeat(3, 1, 1)
    filled[:, 0] = torch.eye(3)
    with torch.no_grad():
        one = model.score_samples(v)
        all_ways = model.score_samples(filled).logsumexp(0)
        nothing = torch.zeros_like(v)
        posterior = model.p_h(nothing).mean[0, 0]
        prior, _ = model.class_tables()
    print(f"log p with a gap {one.item():.4f}, summed over all fillings {all_ways.item():.4f}")
    print(f"log p of no votes at all {model.score_samples(nothing).item():.4f}")
    print("its posterior is the class prior:", torch.allclose(posterior, prior, atol=1e-5))


if __name__ == "__main__":
    main()
