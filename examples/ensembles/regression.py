"""Joint training of regressors, and two signs of collusion that are formulas there."""

import torch

from deem.datasets import load_task
from deem.ensembles import DeepEnsembleRegressor
from deem.math.decomposition import decompose


def main():
    data = load_task("diabetes")  # features and targets are standardised
    X, y = data.train.data.numpy(), data.train.targets.numpy().ravel()
    X_new, y_new = data.test.data.numpy(), data.test.targets.numpy().ravel()
    for beta in (0, 0.9, 1):
        ensemble = DeepEnsembleRegressor(8, beta=beta, epochs=80, random_state=0).fit(X, y)
        values = ensemble.predict_learners(X_new)  # (n_samples, n_learners)
        found = decompose(torch.tensor(values)[..., None], torch.tensor(y_new), loss="mse")
        print(f"beta {beta}: test error {found.ensemble:.3f}, of a learner {found.individual:.3f}")

        spread = values.var(axis=1).mean()  # Krogh, Vedelsby: the diversity is the variance
        print(f"  diversity {found.diversity:.4f}, variance over learners {spread:.4f}")
        report = ensemble.diagnose(X_new, y_new)
        formula = found.diversity * 4 / (4 * 7)  # of (M - K) / (K (M - 1)) with 4 of 8 kept
        half = report.drop_curve[1].loss_increase
        print(f"  half of them dropped {half:+.4f}, by the formula {formula:+.4f}")
        offsets = (values - values.mean(1, keepdims=True)).mean(0)
        share = (offsets**2).mean() / found.diversity
        print(f"  offsets: {report.debiased_drop:.3f} of it, by the formula {share:.3f}")


if __name__ == "__main__":
    main()
