"""Named series per epoch: what training records and what the plots read."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deem.utils.exception import ArgumentError

__all__ = ["History"]


class History(Mapping):
    """Record of a training: one list of floats a name, and the settings it ran with.

    Reads like a dict of lists. A name that first appears in a later epoch is padded with NaN in
    front, so all series have one entry an epoch.

    Attributes
    ----------
    settings : dict
        Values that held for the whole training, such as the solver's hyperparameters.

    Examples
    --------
    >>> history = History()
    >>> history.append(loss=2.0)
    >>> history.append(loss=1.5, accuracy=0.9)
    >>> history["accuracy"]
    [nan, 0.9]
    >>> history.n_epochs
    2
    """

    def __init__(self, settings: dict[str, Any] | None = None):
        self.settings = dict(settings or {})
        self._series: dict[str, list[float]] = {}
        self.n_epochs = 0

    def append(self, **values: float) -> None:
        """Add one epoch."""
        for name in values:
            self._series.setdefault(name, [float("nan")] * self.n_epochs)
        self.n_epochs += 1
        for name, series in self._series.items():
            series.append(float(values.get(name, "nan")))

    def amend(self, **values: float) -> None:
        """Add values to the last epoch, as a callback does after a measurement."""
        if self.n_epochs == 0:
            raise ArgumentError("there is no epoch to amend; call append() first.")
        for name, value in values.items():
            series = self._series.setdefault(name, [float("nan")] * self.n_epochs)
            series[-1] = float(value)

    def __getitem__(self, name: str) -> list[float]:
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        return f"History({self.n_epochs} epochs: {', '.join(self._series) or 'empty'})"

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of settings, series and the number of epochs."""
        return {"settings": self.settings, "series": self._series, "n_epochs": self.n_epochs}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "History":
        """Inverse of `to_dict`."""
        history = cls(content["settings"])
        history._series = {
            name: [_number(x) for x in series] for name, series in content["series"].items()
        }
        history.n_epochs = int(content["n_epochs"])
        return history

    def to_json(self, path: str | Path | None = None) -> str:
        """JSON text of the history, also written to `path` if one is given.

        JSON has no such numbers, so NaN becomes null and an infinity the text "inf" or "-inf";
        ``from_json`` reads both back.
        """
        content = self.to_dict()
        settings = {name: _plain(value) for name, value in content["settings"].items()}
        series = {name: [_plain(x) for x in values] for name, values in content["series"].items()}
        text = json.dumps({**content, "settings": settings, "series": series}, allow_nan=False)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> "History":
        """Read a history from JSON text, or from the file at a `Path`."""
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        return cls.from_dict(json.loads(text))


def _plain(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
