"""The command line: votes in files come in, labels and reports go out as files."""

from deem.cli.app import app, main

__all__ = ["app", "main"]
