"""Combine classifiers that are fitted already, by their votes and by their probabilities."""

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

from deem import DEEM
from deem.core.votes import Votes


def main():
    X, y = load_digits(return_X_y=True)
    X_train, X_new, y_train, y_new = train_test_split(X, y, train_size=200, random_state=0)
    learners = [
        ("tree", DecisionTreeClassifier(max_depth=6, random_state=0)),
        ("naive Bayes", GaussianNB(var_smoothing=0.01)),
        ("logistic", make_pipeline(MinMaxScaler(), LogisticRegression(C=0.1))),
    ]
    fitted = [(name, learner.fit(X_train, y_train)) for name, learner in learners]
    for name, learner in fitted:
        print(f"{name}: accuracy {learner.score(X_new, y_new):.3f}")

    for method in ("predict", "predict_proba"):
        votes = Votes.from_estimators(fitted, X_new, method)
        consensus = DEEM().fit(votes)
        print(f"consensus of {method}: accuracy {consensus.score(votes, y_new):.3f}")


if __name__ == "__main__":
    main()
