"""Commands: what they are called, what they take, and how they fail."""

import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deem.utils.exception import DeemError, DeemWarning

__all__ = ["app", "main", "not_empty", "write_cures_as_settings"]

_CLICK_ERROR: Any = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)
"""Base of the errors of the parser: of click, or of the copy of it that newer typers carry."""

_WRITTEN = {
    r"\bhealth_\[(['\"])(\w+)\1\]": r"\2 in report.json",
    r"\bhistory_": "history.json",
    r"\bconfusion_(?!\w)": "confusions.png",
}
"""Attributes that a warning may name, and where `deem fit` writes them."""

_ASSIGNMENT = re.compile(r"""\b(\w+)=(["']?)([\w.]*\w)\2(?![\w(])""")
"""A parameter as Python takes it, such as solver="cd" and epochs=5."""


_HAS_SETTINGS: ContextVar[bool] = ContextVar("has_settings", default=False)
"""Whether the command at work takes parameters by --set, and not by options of their names."""


def write_cures_as_settings() -> None:
    """Let errors and warnings of the command at work say --set, where they name parameters."""
    _HAS_SETTINGS.set(True)


class OneLineErrors(TyperGroup):
    """Commands that end a failure by one line on the standard error and exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        standalone = kwargs.get("standalone_mode", True)
        kwargs["standalone_mode"] = False
        _HAS_SETTINGS.set(False)
        with _one_line_warnings():
            try:
                code = super().main(*args, **kwargs)
            except _CLICK_ERROR as error:
                code = _fail(f"{error.format_message().removesuffix('.')}. Try --help.")
            except DeemError as error:
                code = _fail(str(error))
            except OSError as error:
                code = _fail(_of_file(error))
            except typer.Abort:
                code = _fail("interrupted.", 130)
        if standalone:
            sys.exit(code)
        return code


app = typer.Typer(
    cls=OneLineErrors,
    name="deem",
    help="Consensus of classifiers, annotators or judges, without ground truth.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""All commands, as typer runs them."""


def not_empty(text: object) -> Path:
    """Path of an option; an empty one, which would mean this folder, is a slip."""
    if not str(text):
        raise typer.BadParameter("it is empty; pass a name.")
    return Path(str(text))


Votes = Annotated[
    Path,
    typer.Argument(
        metavar="VOTES",
        help="CSV or Parquet file of votes: one classifier a column, or in long form the columns "
        "task, worker, label. Empty cells and -1 are missing votes.",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="File that deem fit wrote.")]
TaskColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column that names what was voted on.", show_default="task"),
]
WorkerColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Column that names who voted, in long form.", show_default="worker"
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Column of the labels.", show_default="label"),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every draw.")]


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Consensus of classifiers, annotators or judges, without ground truth."""
    if version:
        from deem import __version__

        typer.echo(f"deem {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def demo(
    out: Annotated[
        Path,
        typer.Option("--out", parser=not_empty, metavar="DIR", help="Folder for what it writes."),
    ] = Path("demo_output"),
    seed: Seed = 0,
) -> None:
    """Fuse twelve classifiers of handwritten digits, without labels."""
    from deem.demo import run_demo

    run_demo(out, seed)


@app.command()
def fit(
    votes: Votes,
    out: Annotated[
        Path,
        typer.Option("--out", parser=not_empty, metavar="DIR", help="Folder for the results."),
    ],
    task_column: TaskColumn = None,
    worker_column: WorkerColumn = None,
    label_column: LabelColumn = None,
    n_classes: Annotated[
        int | None, typer.Option(help="Labels are 0, 1, ... up to this, in place of those found.")
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Labels known for certain, a file as for deem score --truth."
        ),
    ] = None,
    class_prior: Annotated[
        str | None,
        typer.Option(metavar="FREQUENCIES", help="Of all classes, such as cat=0.3,dog=0.7."),
    ] = None,
    selection: Annotated[
        str,
        typer.Option(
            help="auto: the votes decide on the model; deep: layers compete; none: inverse RBM."
        ),
    ] = "auto",
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a model to take instead, such as OneCoinIRBM."),
    ] = None,
    solver: Annotated[
        str, typer.Option(help="auto, exact, cd or pcd (contrastive divergence).")
    ] = "auto",
    hidden_dim: Annotated[int, typer.Option(help="Hidden units.")] = 1,
    cd_k: Annotated[
        int | None,
        typer.Option(help="Gibbs sweeps between two updates of cd and pcd.", show_default="10"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of cd and pcd.", show_default="100")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of cd and pcd.", show_default="0.001")
    ] = None,
    momentum: Annotated[
        float | None, typer.Option(help="Of cd and pcd.", show_default="0.9")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Of cd and pcd.", show_default="128")
    ] = None,
    init_method: Annotated[
        str | None, typer.Option(help="Start: shares, mv_rand, mv_lo, mv or rand.")
    ] = None,
    n_restarts: Annotated[
        int | None, typer.Option(help="Trainings, of which the best is kept.", show_default="1")
    ] = None,
    auto_hyperparameters: Annotated[
        bool,
        typer.Option(
            "--auto-hyperparameters", help="Choose those left open by what the votes look like."
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    random_state: Seed = 0,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show a progress bar, and all models considered."),
    ] = False,
) -> None:
    """Learn from VOTES and write labels, skills, a report, the model and pictures."""
    given = {name: value for name, value in locals().items() if value is not None}
    from deem.cli.inputs import ColumnNames
    from deem.cli.work import run_fit

    for name in ("votes", "out", "task_column", "worker_column", "label_column"):
        given.pop(name, None)
    if selection == "none":
        given["selection"] = None
    run_fit(votes, out, ColumnNames(task_column, worker_column, label_column), **given)


@app.command()
def predict(
    model: Model,
    votes: Votes,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=not_empty, metavar="FILE", help="CSV or Parquet file for the labels."
        ),
    ] = None,
    probabilities: Annotated[
        Path | None,
        typer.Option(
            parser=not_empty, metavar="FILE", help="CSV or Parquet file for the probabilities."
        ),
    ] = None,
    task_column: TaskColumn = None,
    worker_column: WorkerColumn = None,
    label_column: LabelColumn = None,
) -> None:
    """Label new VOTES by the same classifiers with a trained MODEL."""
    from deem.cli.inputs import ColumnNames
    from deem.cli.work import run_predict

    names = ColumnNames(task_column, worker_column, label_column)
    run_predict(model, votes, names, out, probabilities)


@app.command()
def score(
    model: Model,
    votes: Votes,
    truth: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV or Parquet file of true labels: the columns task and label, or a single "
            "column in the order of the votes. Tasks without a label are left out.",
        ),
    ],
    task_column: TaskColumn = None,
    worker_column: WorkerColumn = None,
    label_column: LabelColumn = None,
) -> None:
    """Compare a trained MODEL on VOTES with the truth, the majority vote and the classifiers."""
    from deem.cli.inputs import ColumnNames
    from deem.cli.work import run_score

    run_score(model, votes, truth, ColumnNames(task_column, worker_column, label_column))


@app.command()
def explain(
    model: Model,
    votes: Votes,
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TASK]...",
            help="Tasks to explain, rows from 0 if they have no names; else the least sure ones.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=not_empty, metavar="FILE", help="JSON file for the same."),
    ] = None,
    task_column: TaskColumn = None,
    worker_column: WorkerColumn = None,
    label_column: LabelColumn = None,
) -> None:
    """Say which VOTES drove the label of each TASK, by a trained MODEL."""
    from deem.cli.inputs import ColumnNames
    from deem.cli.work import run_explain

    names = ColumnNames(task_column, worker_column, label_column)
    run_explain(model, votes, tasks or (), names, out)


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Show each warning of the library as one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DeemWarning)
        warnings.showwarning = _show_warning
        yield


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    typer.echo(f"deem: warning: {_one_line(str(message))}", err=True)


def _fail(text: str, code: int = 2) -> int:
    typer.echo(f"deem: error: {_one_line(text)}", err=True)
    return code


def _one_line(text: str) -> str:
    """Text without line breaks, with files for attributes, and options for parameters."""
    text = " ".join(text.split())
    for attribute, file in _WRITTEN.items():
        text = re.sub(attribute, file, text)
    found, mark, cure = text.rpartition("; ")
    return found + mark + _ASSIGNMENT.sub(_as_option, cure)


def _as_option(match: re.Match[str]) -> str:
    name, _, value = match.groups()
    if _HAS_SETTINGS.get():
        return _as_setting(name, value) or match[0]
    is_option = name in inspect.signature(fit).parameters
    return f"--{name.replace('_', '-')} {value}" if is_option else match[0]


def _as_setting(name: str, value: str) -> str | None:
    from deem.ensembles.config import EnsembleConfig

    if not hasattr(EnsembleConfig, name) or value == "None":
        return None
    return f"--set {name}={value.lower() if value in ('True', 'False') else value}"


def _of_file(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}; check the name and the permissions."
