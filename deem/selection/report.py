"""A choice of a model as a table of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["table"]

_COLUMNS = (
    ("held_out", "held-out gain", ".3f"),
    ("agreement", "agreement", ".4f"),
    ("log_score", "log score", ".4f"),
    ("information", "information", ".4f"),
    ("same", "as the vote", ".3f"),
)


def table(selection: Mapping[str, Any]) -> str:
    """The candidates of a choice with their scores, and the reason.

    Parameters
    ----------
    selection : mapping
        ``DEEM.selection_``.

    Returns
    -------
    str
        One line a candidate; the chosen one is marked. Scores are those of
        `deem.selection.rule.Score`.

    Examples
    --------
    >>> from deem import DEEM
    >>> from deem.datasets import conditionally_independent
    >>> data = conditionally_independent(500, 3, 6, random_state=0)
    >>> print(table(DEEM().fit(data.votes).selection_).splitlines()[-1])
    inverse_rbm: no other model has the evidence for it.
    """
    lines = [["", "", *(title for _, title, _ in _COLUMNS)]]
    for row in selection["candidates"]:
        mark = "*" if row["name"] == selection["chosen"] else ""
        cells = [
            "-" if row[name] is None else format(row[name], form) for name, _, form in _COLUMNS
        ]
        lines.append([mark, row["name"], *cells])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [
        "  ".join(
            [line[0].ljust(widths[0]), line[1].ljust(widths[1])]
            + [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
        )
        for line in lines
    ]
    if not selection["candidates"]:
        text = []
    return "\n".join([*text, f"{selection['chosen']}: {selection['reason']}"])
