"""Undo collusion without labels: DEEM on the predictions of jointly trained networks."""

from deem import DEEM
from deem.datasets import load_task
from deem.ensembles import DeepEnsembleClassifier
from deem.estimators import MajorityVote


def main():
    data = load_task("digits", label_noise=0.3).standardised()
    X, X_new, y_new = data.train.data.numpy(), data.test.data.numpy(), data.test.targets.numpy()
    for name, beta in (("independent", 0), ("joint", 1)):
        ensemble = DeepEnsembleClassifier(8, beta=beta, epochs=12, learning_rate=0.006)
        ensemble.set_params(random_state=0).fit(X, data.train.targets.numpy())
        votes = ensemble.predict_learners(X_new)  # (n_samples, n_learners)
        soft = ensemble.predict_learners(X_new, "proba")  # (n_samples, n_classes, n_learners)

        fused = {
            "mean of the scores": ensemble.predict(X_new),
            "majority vote": MajorityVote(n_classes=10).fit_predict(votes),
            "DEEM of labels": DEEM(n_classes=10, random_state=0).fit_predict(votes),
            "DEEM of probabilities": DEEM(n_classes=10, random_state=0).fit_predict(soft),
        }
        print(f"{name}, a learner alone: {(votes == y_new[:, None]).mean():.3f}")
        for method, labels in fused.items():
            print(f"  {method}: {(labels == y_new).mean():.3f}")


if __name__ == "__main__":
    main()
