"""Commands on ensembles of neural learners: what they take."""

from pathlib import Path
from typing import Annotated

import typer

from deem.cli.commands import not_empty, write_cures_as_settings

__all__ = ["ensemble"]

ensemble = typer.Typer(
    name="ensemble",
    help="Ensembles of neural learners between independent and joint training.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The commands below ``deem ensemble``."""

Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="TOML or JSON file of settings.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting that wins over the file, such as learner=cnn or betas=[0,1]; repeatable.",
        show_default=False,
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Folder of the results; a call with the same one goes on where it was.",
        show_default="command, data and learner",
    ),
]
Out = Annotated[
    Path, typer.Option("--out", parser=not_empty, metavar="DIR", help="Where the folder lies.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show a progress bar.")]

_OUT = Path("results")


@ensemble.callback(invoke_without_command=True)
def options(context: typer.Context) -> None:
    """Ensembles of neural learners between independent and joint training."""
    write_cures_as_settings()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_TRAINING = {
    "sweep": "Train an ensemble at several degrees of joint training and measure all of them.",
    "table": "Compare independent with joint training over several architectures.",
    "diagnose": "Say whether jointly trained learners collude, beside independent ones.",
    "consensus": "Fuse the learners of a sweep without labels; a sweep that is there is taken.",
}
"""Commands that train, and their help; ``run_...`` of `deem.cli.ensemble_work` does the work."""


def _add(name: str, text: str) -> None:
    def command(
        config: Config = None,
        settings: Settings = None,
        tag: Tag = None,
        out: Out = _OUT,
        verbose: Verbose = False,
    ) -> None:
        from deem.cli import ensemble_work
        from deem.cli.ensemble_folder import Request

        run = getattr(ensemble_work, f"run_{name}")
        run(Request(config, tuple(settings or ()), tag, out, verbose))

    ensemble.command(name, help=text)(command)


for _name, _text in _TRAINING.items():
    _add(_name, _text)


@ensemble.command("list")
def list_names() -> None:
    """List data, learners and all other names that settings take."""
    from deem.cli.ensemble_lists import run_list

    run_list()
