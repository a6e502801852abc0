"""Pictures of ensembles, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deem.ensembles.collusion import CollusionReport
from deem.ensembles.consensus import ConsensusResult
from deem.ensembles.results import SweepResult

__all__ = ["draw_consensus", "draw_diagnosis", "draw_sweep"]

_DPI = 120
_SAMPLES = 2
"""Most samples whose scores are drawn."""

Files = list[tuple[Path, str]]


def draw_sweep(result: SweepResult, folder: Path) -> Files:
    """Draw a sweep into files of a folder.

    Returns
    -------
    list of (path, description)
    """
    from deem.visual import plot_beta_sweep, plot_collusion_panel, plot_train_test_diversity

    metrics = result.metrics()
    name = "accuracy" if "accuracy" in metrics else "ensemble_loss"
    files = [
        _saved(plot_beta_sweep(result, name), folder / f"{name}.png", f"test {_read(name)}"),
        _saved(
            plot_train_test_diversity(result),
            folder / "diversity.png",
            "diversity of training and of test samples",
        ),
    ]
    # A single learner has nobody to collude with.
    if next(iter(result.cells[0].scores.values())).shape[1] > 1:
        axes = plot_collusion_panel(result)
        files.append(_saved(axes[0], folder / "collusion.png", "three signs of collusion"))
    return [*files, _training(result, folder)]


def draw_diagnosis(
    result: SweepResult, reports: Mapping[str, CollusionReport], selection: str, folder: Path
) -> Files:
    """Draw the training, what dropped learners change, and scores; see `draw_sweep`."""
    from deem.visual import plot_learner_drop, plot_learner_scores_2d

    files = [_training(result, folder)]
    first = [cell for cell in result.cells if cell.seed == result.seeds[0]]
    shown = {
        f"β = {cell.beta:g}": reports[f"seed {cell.seed}, β = {cell.beta:g}"] for cell in first
    }
    if all(report.drop_curve for report in shown.values()):
        axes = plot_learner_drop(shown)
        files.append(_saved(axes[0], folder / "dropped.png", "when learners are dropped"))
    if first[0].scores[selection].shape[-1] > 1:
        scores = {f"β = {cell.beta:g}": cell.scores[selection].numpy() for cell in first}
        samples = range(min(_SAMPLES, len(first[0].targets)))
        axes = plot_learner_scores_2d(scores, first[0].targets.numpy(), samples=list(samples))
        files.append(_saved(axes[0], folder / "scores.png", "scores of the learners"))
    return files


def draw_consensus(found: ConsensusResult, folder: Path) -> Files:
    """Draw the accuracies of all learners' consensus; see `draw_sweep`."""
    from deem.visual import plot_consensus_of_fewer, plot_consensus_sweep

    files = [
        _saved(plot_consensus_sweep(found)[0], folder / "consensus.png", "the same as a picture")
    ]
    if len({row["n_learners"] for row in found.rows}) > 1:
        ax = plot_consensus_of_fewer(found)
        files.append(_saved(ax, folder / "fewer.png", "the same with fewer learners"))
    return files


def _training(result: SweepResult, folder: Path) -> tuple[Path, str]:
    from deem.visual import plot_training_curves

    ends = sorted({result.betas[0], result.betas[-1]})
    histories = {f"β = {beta:g}": result[result.seeds[0], beta].history for beta in ends}
    axes = plot_training_curves(histories)
    return _saved(axes[0], folder / "training.png", f"training of seed {result.seeds[0]}")


def _saved(ax: Any, path: Path, description: str) -> tuple[Path, str]:
    ax.figure.savefig(path, dpi=_DPI)
    return path, description


def _read(name: str) -> str:
    return name.replace("ensemble_loss", "loss of the ensemble")
