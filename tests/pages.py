"""Code blocks of Markdown pages, run as a reader would: in order, in one folder."""

import re
import shlex
from pathlib import Path

# Imported here and not within a test: rich, which comes along, draws from Python's generator.
from typer.testing import CliRunner

import deem.datasets  # noqa: F401
from deem.cli.commands import app

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

EXEMPT = r"(make|pip|git) .*"
"""Shell lines that are not run: they install, or start the whole suite."""


def blocks(page, *languages):
    """Language, first line and text of the code blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        (match[1], text[: match.start()].count("\n") + 2, match[2])
        for match in _BLOCK.finditer(text)
        if match[1] in languages
    ]


def run_page(page, namespace=None):
    """Run all Python and shell blocks of a page in the present folder; return the namespace."""
    namespace = {"__name__": "__main__"} if namespace is None else namespace
    for language, line, text in blocks(page, "python", "sh"):
        if language == "sh":
            for command in text.splitlines():
                run_command(command)
            continue
        # Empty lines in front make the traceback name the line of the page.
        code = compile("\n" * (line - 1) + text, str(ROOT / page), "exec")
        exec(code, namespace)  # noqa: S102
    return namespace


def run_command(command):
    """Run one shell line through the command line interface, unless it is exempt."""
    if re.fullmatch(EXEMPT, command):
        return
    program, *arguments = shlex.split(command)
    assert program == "deem", f"{command!r} is neither of deem nor exempt"
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, f"{command!r}: {result.output}"
