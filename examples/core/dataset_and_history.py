"""Show batches of a `Dataset`, and the `History` that a training leaves behind."""

from deem.core.dataset import Dataset
from deem.core.history import History
from deem.core.reading import read_votes
from deem.datasets import wine_votes
from deem.models import SoftIRBM


def main():
    wine = wine_votes()
    votes = read_votes(wine.votes, n_classes=3)
    data = Dataset(votes)
    print(f"{len(data)} samples in batches of", [len(batch) for batch in data.batches(50)])

    model = SoftIRBM(votes.n_classifiers, votes.n_classes).fit(data)
    history = model.history
    print(f"solver {history.settings['solver']}, {history.n_epochs} passes")
    print(f"objective from {history['objective'][0]:.3f} to {history['objective'][-1]:.3f} nats")

    again = History.from_json(history.to_json())
    print("the same after JSON:", again["objective"] == history["objective"])


if __name__ == "__main__":
    main()
