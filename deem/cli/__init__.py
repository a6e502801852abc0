"""The command line: votes in files come in, labels and reports go out as files."""

from deem.cli.commands import app, main
from deem.cli.ensemble import ensemble

__all__ = ["main"]

app.add_typer(ensemble)
