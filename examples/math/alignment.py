"""Name hidden states by the majority vote: contingency table and assignment."""

import numpy as np

from deem.math.hungarian import assign_states, contingency
from deem.math.vote import one_hot, vote_shares


def main():
    votes = np.array(
        [[0, 0, 1], [1, 1, 2], [2, 2, 2], [0, 0, 0], [1, 1, 0], [2, -1, 2], [0, 1, -1]]
    )
    shares = vote_shares(one_hot(votes, n_classes=3).sum(axis=1))
    print("the last sample is a tie:", shares[-1])

    states = np.array([1, 2, 0, 1, 2, 0, 1])
    table = contingency(states, shares)
    print("hidden state against class:")
    print(table)
    class_of = assign_states(table)
    print("class of each hidden state:", class_of)
    print("named states:", class_of[states])


if __name__ == "__main__":
    main()
