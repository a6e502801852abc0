"""The command line: votes in files come in, labels and reports go out as files."""

from deem.cli import ensemble
from deem.cli.commands import app, main

__all__ = ["main"]

app.add_typer(ensemble.ensemble)
