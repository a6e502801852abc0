"""One logger for the library, silent until somebody listens.

No handler is attached and no file is written at import; `log_to_file` does so on request.
"""

import logging
from pathlib import Path

__all__ = ["get_logger", "log_to_file"]

_LIBRARY = logging.getLogger("deem")


def get_logger(name: str) -> logging.Logger:
    """Logger of a module, a child of the library's logger.

    Parameters
    ----------
    name : str
        Usually ``__name__``.

    Examples
    --------
    >>> get_logger("deem.core.training").parent.name
    'deem'
    """
    return logging.getLogger(name)


def log_to_file(path: str | Path, level: int = logging.INFO) -> logging.Handler:
    """Write the library's log to a file from now on.

    Parameters
    ----------
    path : str or Path
        The file; it is appended to.
    level : int
        Lowest level written, as in the standard library.

    Returns
    -------
    logging.Handler
        Pass it to ``logging.getLogger("deem").removeHandler`` to stop.
    """
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    handler.setLevel(level)
    _LIBRARY.addHandler(handler)
    if _LIBRARY.getEffectiveLevel() > level:
        _LIBRARY.setLevel(level)
    return handler
