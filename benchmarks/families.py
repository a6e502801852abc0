"""What the rule of choice is worth on kinds of votes that its thresholds have not seen.

    python benchmarks/families.py [FOLDER]

Gathers the evidence for every candidate on every vote file of FOLDER, and the accuracy of each.
Then every family of sets is left out in turn: the thresholds of `deem.selection.rule.decide`
that are best on the other families, of a grid, decide for it. Prints the means and writes
benchmarks/results/families.json, which benchmarks/report.py puts on its page. The shape of the
rule, its candidates and its kinds of evidence, stays the same throughout.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy import family_of, reference_names
from common import VoteFile, folder_argument, vote_files, write_json

from deem import DEEM
from deem.estimators.plan import make_plan
from deem.estimators.selecting import with_chosen_model
from deem.selection.candidates import candidate
from deem.selection.choice import Choice
from deem.selection.rule import Score, Thresholds, decide
from deem.utils.exception import DeemWarning

GRID = {
    "sure": (1.0, 2.0, 3.0),
    "gain": (0.0, 0.005, 0.02),
    "agreement": (0.0, 0.0005, 0.001, 0.002, 0.004),
    "loss": (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04),
    "against": (0.015, 0.02, 0.025, 0.03, 0.04),
    "copied": (0.5, 0.65, 0.8),
}
NEAR = 0.02
"""Points of mean accuracy by which thresholds may be worse than the best and count as equal."""

PLAIN = "inverse_rbm"


@dataclass
class Evidence:
    """What the choice for one set is made from, and what each choice is worth.

    Attributes
    ----------
    scores : dict of Score
        By candidate; empty where the votes allow no choice.
    vote_agreement : float
        Share of the left-out votes that the majority of the others agrees with.
    accuracies : dict of float
        In %, by candidate; always that of the inverse RBM.
    """

    name: str
    family: str
    scores: dict[str, Score]
    vote_agreement: float
    accuracies: dict[str, float]

    def accuracy(self, thresholds: Thresholds) -> float:
        """Accuracy in % of what these thresholds choose."""
        if not self.scores:
            return self.accuracies[PLAIN]
        return self.accuracies[decide(self.scores, self.vote_agreement, thresholds)[0]]


def gather(file: VoteFile) -> Evidence:
    """Evidence for all candidates on one file, and their accuracies."""
    votes = file.votes
    params = DEEM(n_classes=votes.n_classes, random_state=0).get_params()
    plan = make_plan(params, votes.n_classifiers, votes.n_classes)
    _, choice = with_chosen_model(params, plan, votes)
    scores = dict(choice.scores)
    accuracies = {name: accuracy_of(file, name, choice) for name in scores or [PLAIN]}
    return Evidence(file.name, family_of(file.name), scores, choice.vote_agreement, accuracies)


def accuracy_of(file: VoteFile, name: str, choice: Choice) -> float:
    """Accuracy in % of one candidate."""
    known = {item.name: item for item in choice.candidates}
    item = known.get(name) or candidate(name, file.n_classes)
    model = DEEM(
        n_classes=file.n_classes,
        model=item.model_class,
        model_params=dict(item.options),
        random_state=0,
    )
    return file.accuracy(model.fit(file.votes).probas_.argmax(1))


def grid() -> list[Thresholds]:
    """All settings."""
    return [Thresholds(**dict(zip(GRID, x, strict=True))) for x in product(*GRID.values())]


def outcomes(sets: list[Evidence]) -> np.ndarray:
    """Accuracy in % of every setting of the grid on every set, (n_settings, n_sets)."""
    return np.array([[one.accuracy(setting) for one in sets] for setting in grid()])


def middle_of_best(means: np.ndarray) -> int:
    """The setting in the middle of the plateau of the best ones.

    Parameters
    ----------
    means : (n_settings,)
        Mean accuracy in % of every setting of the grid.

    Returns
    -------
    int
        Of the settings within `NEAR` of the best, the one next to their mean place in the grid,
        so that thresholds on the edge of a cliff are not taken for those of one lucky set.
    """
    places = np.array(list(np.ndindex(*(len(values) for values in GRID.values()))))
    best = np.flatnonzero(means >= means.max() - NEAR)
    distance = ((places[best] - places[best].mean(0)) ** 2).sum(1)
    return int(best[distance.argmin()])


def leave_one_family_out(sets: list[Evidence]) -> dict[str, Any]:
    """Accuracies by set in %, and the thresholds chosen.

    Returns
    -------
    dict
        ``accuracies`` has (n_sets,) arrays: ``full`` of the thresholds of the library, ``refit``
        of those best on all sets, ``left_out`` of those best on the other families, ``plain`` of
        the inverse RBM and ``best`` of the best candidate, which needs the truth. ``thresholds``
        are by the family left out, "none" for ``refit``.
    """
    table, settings = outcomes(sets), grid()
    families = np.array([one.family for one in sets])
    everywhere = middle_of_best(table.mean(1))
    chosen, left_out = {"none": settings[everywhere]}, np.empty(len(sets))
    for family in sorted(set(families.tolist())):
        own = families == family
        index = middle_of_best(table[:, ~own].mean(1))
        chosen[family], left_out[own] = settings[index], table[index, own]
    accuracies = {
        "full": np.array([one.accuracy(Thresholds()) for one in sets]),
        "refit": table[everywhere],
        "left_out": left_out,
        "plain": np.array([one.accuracies[PLAIN] for one in sets]),
        "best": np.array([max(one.accuracies.values()) for one in sets]),
    }
    return {"accuracies": accuracies, "thresholds": chosen}


def rows(sets: list[Evidence], found: dict[str, Any], reference: set[str]) -> dict[str, Any]:
    """Means by family, over the sets with a reference figure and over all, with their number."""
    groups: dict[str, list[int]] = {}
    for i, one in sorted(enumerate(sets), key=lambda pair: pair[1].family):
        groups.setdefault(one.family, []).append(i)
    known = [i for i, one in enumerate(sets) if one.name in reference]
    if known:
        groups[f"the {len(known)} sets"] = known
    groups["all sets"] = list(range(len(sets)))
    return {
        name: {
            **{key: float(values[own].mean()) for key, values in found["accuracies"].items()},
            "sets": len(own),
        }
        for name, own in groups.items()
    }


def main() -> None:
    """Gather, leave out, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    folder = folder_argument(parser.parse_args().folder)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeemWarning)
    sets = []
    for path in vote_files(folder):
        sets.append(gather(VoteFile(path)))
        print(path.stem, flush=True)
    found = leave_one_family_out(sets)
    for name, thresholds in found["thresholds"].items():
        print(f"without {name}: {json.dumps(thresholds._asdict())}")
    table = rows(sets, found, reference_names(folder))
    for name, row in table.items():
        figures = ", ".join(f"{key} {value:.2f}" for key, value in row.items() if key != "sets")
        print(f"{name} ({row['sets']}): {figures}")
    print(write_json("families.json", table))


if __name__ == "__main__":
    main()
