"""The command line: votes in files come in, labels and reports go out as files."""

from deem.cli.commands import main

__all__ = ["main"]
