"""Settings, networks and data as JSON has them: where they differ, their descriptions do."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deem.core.dataset import Dataset
from deem.core.splits import Splits

__all__ = ["digest_of_data", "digest_of_networks", "plain"]

_DEPTH = 3
"""How many objects deep a description goes."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """A value as JSON has it.

    Names are not enough for what is called: two functions may have one name, as all lambdas do.
    So they are described by their code and by what they hold, other objects by what they hold.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        return plain(value.tolist(), depth)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v, depth) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, depth) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, (torch.dtype, torch.device)):
        return str(value)
    return _object(value, depth - 1)


def _object(value: Any, depth: int) -> Any:
    name = getattr(value, "__qualname__", type(value).__qualname__)
    # What holds itself has no end.
    if depth < 0 or isinstance(value, type):
        return name
    if isinstance(value, partial):
        held = {"args": value.args, "keywords": value.keywords}
        return {"partial": plain(value.func, depth), **plain(held, depth)}
    if isinstance(value, FunctionType):
        return f"{name} {_code_of(value, depth)}"
    if hasattr(value, "__func__"):
        held = {"method": value.__func__, "of": value.__self__}
        return {key: plain(v, depth) for key, v in held.items()}
    held = getattr(value, "__dict__", {})
    return {"object": f"{name} {_code_of_class(type(value))}", **plain(held, depth)}


def _code_of(function: FunctionType, depth: int = 0) -> str:
    found = hashlib.sha256()
    for part in _parts_of(function.__code__):
        found.update(part)
    held = [function.__defaults__, function.__kwdefaults__, _cells(function)]
    found.update(json.dumps(plain(held, depth), sort_keys=True).encode())
    return found.hexdigest()[:12]


def _cells(function: FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append("empty")
    return found


def _parts_of(code: CodeType) -> Iterable[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts_of(constant)
        else:
            # Sets have another order in every process.
            is_set = isinstance(constant, frozenset)
            yield repr(sorted(map(repr, constant)) if is_set else constant).encode()


def _code_of_class(kind: type) -> str:
    methods = [v for _, v in sorted(vars(kind).items()) if isinstance(v, FunctionType)]
    return _hashed([_code_of(method) for method in methods])


def digest_of_networks(factories: Iterable[Callable[[], nn.Module]]) -> str:
    """Digest of the layers of the networks that factories give, and of what they compute."""
    with torch.random.fork_rng(devices=[]):
        return _hashed([_looks(factory()) for factory in factories])


def _looks(network: nn.Module) -> list[Any]:
    kinds = {type(layer) for layer in network.modules()}
    own = [kind for kind in kinds if not kind.__module__.startswith("torch.")]
    named = (*network.named_parameters(), *network.named_buffers())
    return [
        _ADDRESS.sub("", str(network)),
        [(name, tuple(x.shape), str(x.dtype), x.requires_grad) for name, x in named],
        sorted(f"{kind.__qualname__} {_code_of_class(kind)}" for kind in own),
    ]


def digest_of_data(splits: Splits) -> str:
    """Digest of the data in memory, or of the sizes and targets of what is read from files."""
    n_classes = None if splits.classes is None else len(splits.classes)
    parts = (splits.train, splits.validation, splits.test)
    return _hashed([n_classes, *(_of_part(part) for part in parts)])


def _of_part(part: Any) -> Any:
    if part is None:
        return None
    if isinstance(part, Dataset):
        return [_of_array(part.data), _of_array(part.targets)]
    found = [len(part), tuple(np.shape(part[0][0]))]
    targets = getattr(part, "targets", None)
    return found if targets is None else [*found, _of_array(targets)]


def _of_array(values: Any) -> list[Any]:
    x = torch.as_tensor(values).detach().cpu().contiguous()
    content = hashlib.sha256(x.view(torch.uint8).numpy().tobytes()).hexdigest()
    return [tuple(x.shape), str(x.dtype), content]


def _hashed(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
