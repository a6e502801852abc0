"""What every model of the library is: a torch module with a history that is saved to one file."""

import inspect
from abc import ABC
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from deem.core.history import History
from deem.core.persistence import read_file, write_file
from deem.utils.exception import ArgumentError, ModelFileError

__all__ = ["Module"]

AnyModule = TypeVar("AnyModule", bound="Module")


class Module(nn.Module, ABC):
    """A torch module whose arguments, parameters and history go into one file.

    Constructor arguments are kept as attributes of the same names, which is how ``save`` finds
    them again.

    Attributes
    ----------
    history : History
        One entry an epoch of the last ``fit``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history = History()

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the parameters."""
        return next(self.parameters()).dtype

    def config(self) -> dict[str, Any]:
        """Constructor arguments that rebuild a model of the same shape."""
        names = inspect.signature(type(self).__init__).parameters
        missing = [name for name in names if name != "self" and not hasattr(self, name)]
        if missing:
            raise ArgumentError(
                f"{type(self).__name__} has no attributes {', '.join(missing)}; keep the "
                "arguments of the constructor as attributes of the same names."
            )
        return {name: getattr(self, name) for name in names if name != "self"}

    def extra_repr(self) -> str:
        """Constructor arguments, for ``repr``."""
        try:
            return ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        except ArgumentError:
            return "..."

    def to_content(self) -> dict[str, Any]:
        """Everything ``save`` writes, as nested plain values and tensors."""
        return {
            "arguments": self.config(),
            "state": dict(self.state_dict()),
            "history": self.history.to_dict(),
        }

    @classmethod
    def from_content(cls: type[AnyModule], content: dict[str, Any]) -> AnyModule:
        """Inverse of `to_content`."""
        model = cls(**content["arguments"])
        floating = [x.dtype for x in content["state"].values() if x.is_floating_point()]
        model.to(floating[0]).load_state_dict(content["state"])
        model.history = History.from_dict(content["history"])
        return model

    def save(self, path: str | Path) -> None:
        """Write the model to one file: class, arguments, parameters and history."""
        write_file(path, type(self).__name__, self.to_content())

    @classmethod
    def load(cls: type[AnyModule], path: str | Path) -> AnyModule:
        """Read a model of this class, or of an imported subclass, that ``save`` wrote.

        Raises
        ------
        ModelFileError
            If the file is damaged, foreign, or holds a model of another class.
        """
        kind, content = read_file(path)
        for found in _concrete_classes(cls):
            if found.__name__ == kind:
                try:
                    return found.from_content(content)
                except (LookupError, TypeError, RuntimeError) as error:
                    raise ModelFileError(
                        f"'{path}' does not fit {kind} ({error}); "
                        "load it with the version of the class that wrote it."
                    ) from error
        raise ModelFileError(f"'{path}' holds a {kind}, expected a {cls.__name__}.")


def _concrete_classes(cls: type[AnyModule]) -> list[type[AnyModule]]:
    below = [found for child in cls.__subclasses__() for found in _concrete_classes(child)]
    return below if inspect.isabstract(cls) else [cls, *below]
