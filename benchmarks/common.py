"""What the benchmarks share: vote files, runs in processes of their own, results as JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deem.core.reading import read_votes
from deem.core.votes import Votes

HERE = Path(__file__).resolve().parent
BENCH_ENV = Path(os.environ.get("DEEM_BENCH_ENV", HERE.parent / ".bench-env"))


OWN = ("deem", "deem_plain", "deem_layers", "ebcc")
"""Methods of runner.py that run with this interpreter."""


class RunError(RuntimeError):
    """A process of its own did not end well; `reason` says why in a few words."""

    def __init__(self, reason: str, text: str):
        super().__init__(text)
        self.reason = reason


class VoteFile:
    """Votes with known truth.

    Attributes
    ----------
    votes : Votes
        One row an item, those without votes included.
    item, worker, label : (n_votes,) ints
        The same votes, one an entry.
    gold : (n_items,) ints
        True labels, -1 where unknown; only for scoring.
    """

    def __init__(self, path: Path):
        self.path, self.name = path, path.stem
        with np.load(path) as data:
            self.gold = data["gold"]
            item, worker, label = data["item"], data["worker"], data["label"]
            self.n_classes = int(data["n_classes"])
        self.item, self.worker, self.label = item, worker, label
        silent = np.setdiff1d(np.arange(len(self.gold)), item)
        columns = {
            "task": np.concatenate([item, silent]),
            "worker": np.concatenate([worker, np.zeros_like(silent)]),
            "label": np.concatenate([label, np.full_like(silent, -1)]),
        }
        self.votes: Votes = read_votes(pd.DataFrame(columns), n_classes=self.n_classes)

    def accuracy(self, labels: Any) -> float:
        """Accuracy in % on the items with known truth."""
        known = self.gold >= 0
        return 100 * float((np.asarray(labels)[known] == self.gold[known]).mean())


def vote_files(folder: Path) -> list[Path]:
    """Every vote file of a folder, by name."""
    found = sorted(folder.glob("*.npz"))
    if not found:
        raise SystemExit(f"{folder} holds no .npz files; pass a folder of vote files.")
    return found


def folder_argument(value: Path | None) -> Path:
    """Folder given on the command line, else $DEEM_VOTES."""
    if value is None and "DEEM_VOTES" not in os.environ:
        raise SystemExit("pass the folder of vote files, or set DEEM_VOTES.")
    return value or Path(os.environ["DEEM_VOTES"])


def peer_python() -> Path | None:
    """Interpreter of the peers' environment, None if ``make bench-env`` has not run."""
    python = BENCH_ENV / "bin" / "python"
    return python if python.exists() else None


def peer_version(name: str) -> str | None:
    """Name and version of a package in the peers' environment, None if there is none."""
    if peer_python() is None:
        return None
    code = f"from importlib.metadata import version; print('{name}', version('{name}'))"
    command = [str(peer_python()), "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run_apart(
    path: Path, method: str = "deem", *, probas: bool = False, **options: Any
) -> dict[str, Any]:
    """Figures, ``labels`` and perhaps ``probas`` of one method in a process of its own.

    Parameters
    ----------
    path : Path
        A vote file.
    method : str
        As in runner.py; everything but those of ``OWN`` runs in the peers' environment.
    probas : bool
        Whether to ask for probabilities, which are None where a method has none.
    **options
        Further options of runner.py.

    Raises
    ------
    RunError
        If the process fails or runs into one of the limits among the options.
    """
    python = [sys.executable] if method in OWN else [str(peer_python()), "-I"]
    with tempfile.TemporaryDirectory() as folder:
        files = {"labels": Path(folder) / "labels.npy"}
        if probas:
            files["probas"] = Path(folder) / "probas.npy"
        command = [*python, str(HERE / "runner.py"), str(path), "--method", method]
        for name, value in {**files, **options}.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            text = f"{' '.join(command)} failed:\n{done.stderr[-2000:]}"
            raise RunError(_reason(done.returncode, done.stderr), text)
        figures = json.loads(done.stdout.splitlines()[-1])
        arrays = {name: np.load(file) if file.exists() else None for name, file in files.items()}
        return {**figures, **arrays}


def _reason(code: int, stderr: str) -> str:
    """Why a process failed."""
    if code == -signal.SIGXCPU:
        return "time"
    if any(sign in stderr for sign in ("MemoryError", "bad_alloc", "allocate memory")):
        return "memory"
    if code < 0:
        # Warnings that came before say nothing of what ended it.
        return signal.Signals(-code).name
    return stderr.strip().splitlines()[-1][:200] if stderr.strip() else f"exit code {code}"


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    names = ("deem", "torch", "numpy", "scipy", "scikit-learn")
    return {"python": sys.version.split()[0], **{name: version(name) for name in names}}


def write_json(name: str, content: dict[str, Any]) -> Path:
    """Write results beside the benchmarks."""
    path = HERE / "results" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
