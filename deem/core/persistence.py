"""One file a model: tensors in safetensors, everything else as JSON in its header.

Nothing is ever unpickled. The header carries a format version and a sha256 over the tensor bytes
and the JSON, because safetensors itself has no checksum.
"""

import errno
import hashlib
import json
import math
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from deem.utils.exception import ArgumentError, ModelFileError

__all__ = ["FORMAT_VERSION", "read_file", "write_bytes", "write_file"]

FORMAT_VERSION = 1
"""Version written to files; files of later versions are refused."""
_TENSOR, _ARRAY, _TUPLE, _ITEMS = "__tensor__", "__array__", "__tuple__", "__items__"
_FLOAT = "__float__"


def write_file(path: str | Path, kind: str, content: dict[str, Any]) -> None:
    """Write nested content to one file, in one step.

    Parameters
    ----------
    path : str or Path
        Target. A temporary file beside it is renamed onto it, so it is never half written.
    kind : str
        Name of the class the content belongs to.
    content : dict
        Nested dicts, lists and tuples of tensors, numeric arrays, arrays of strings, str, int,
        float, bool and None.

    Raises
    ------
    ArgumentError
        If the content holds anything else; nothing is written.
    OSError
        If the folder is missing or cannot be written to, or `path` is a folder.
    """
    tensors: dict[str, Tensor] = {}
    header = {
        "version": FORMAT_VERSION,
        "kind": kind,
        "content": _pack(content, tensors, "content"),
    }
    text = json.dumps(header, separators=(",", ":"), allow_nan=False)
    metadata = {"deem": text, "sha256": _checksum(text, tensors)}
    write_bytes(path, save(tensors, metadata))


def read_file(path: str | Path, kind: str | None = None) -> tuple[str, dict[str, Any]]:
    """Read what `write_file` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : str, optional
        Expected kind; None accepts any.

    Returns
    -------
    kind, content

    Raises
    ------
    ModelFileError
        If the file is truncated, altered, of a newer version, of another kind, or not ours.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path='{path}' is no file; check the name.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        raise ModelFileError(
            f"'{path}' is truncated or not a model file ({error}); restore it from a copy."
        ) from error
    if "deem" not in metadata:
        raise ModelFileError(f"'{path}' was not written by deem; pass a file that save() wrote.")
    header = _checked_header(path, metadata, tensors)
    if kind is not None and header["kind"] != kind:
        raise ModelFileError(f"'{path}' holds a {header['kind']}, expected a {kind}.")
    return header["kind"], _unpack(header["content"], tensors)


def _checked_header(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor]) -> dict:
    text = metadata["deem"]
    if metadata.get("sha256") != _checksum(text, tensors):
        raise ModelFileError(
            f"'{path}' was altered: its checksum differs; restore it from a copy."
        )
    header = json.loads(text)
    if header["version"] > FORMAT_VERSION:
        raise ModelFileError(
            f"'{path}' has format version {header['version']}, this library reads up to "
            f"{FORMAT_VERSION}; update deem."
        )
    return header


def _checksum(text: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write bytes to a file in one step, in place of those that are there.

    Parameters
    ----------
    path : str or Path
        A temporary file beside it is renamed onto it, so it is never half written.
    data : bytes
        What to write.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written to, or `path` is a folder.
    """
    path = Path(path)
    _check_target(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        # Exclusive creation takes the permissions of any new file from the umask.
        with temporary.open("xb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(
            error.errno or errno.EIO,
            f"path='{path}' cannot be written ({error.strerror or error}); choose a folder you "
            "may write to, with room for the file",
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _check_target(path: Path) -> None:
    folder = path.parent
    if path.is_dir():
        raise IsADirectoryError(f"path='{path}' is a folder; add the name of a file.")
    if folder.is_dir():
        return
    if folder.exists():
        raise NotADirectoryError(f"path='{path}': '{folder}' is a file; choose a folder.")
    raise FileNotFoundError(f"path='{path}': there is no folder '{folder}'; create it first.")


def _pack(value: Any, tensors: dict[str, Tensor], where: str) -> Any:
    if isinstance(value, Tensor):
        return {_TENSOR: _store(value.detach().cpu().contiguous().clone(), tensors, where)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biuf":
            tensor = torch.from_numpy(np.ascontiguousarray(value).copy()).reshape(value.shape)
            return {_ARRAY: _store(tensor, tensors, where), "dtype": str(value.dtype)}
        names = [_pack(x, tensors, where) for x in value.tolist()]
        return {_ARRAY: names, "dtype": str(value.dtype)}
    if isinstance(value, dict):
        packed = {k: _pack(v, tensors, f"{where}.{k}") for k, v in value.items()}
        # JSON has string keys only; optimizers number their parameters.
        plain = all(isinstance(k, str) and not k.startswith("__") for k in packed)
        if plain:
            return packed
        keys = [k.item() if isinstance(k, np.generic) else k for k in packed]
        return {_ITEMS: list(zip(keys, packed.values(), strict=True))}
    if isinstance(value, (list, tuple)):
        items = [_pack(x, tensors, f"{where}.{i}") for i, x in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no NaN and no infinity.
        return {_FLOAT: str(value)}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ArgumentError(
        f"{where} is a {type(value).__name__}, which a model file cannot hold; "
        "use plain values or a registered class."
    )


def _store(tensor: Tensor, tensors: dict[str, Tensor], name: str) -> str:
    # Dots inside keys can give two places one name.
    while name in tensors:
        name += "'"
    tensors[name] = tensor
    return name


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(x, tensors) for x in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    if _ARRAY in value:
        content, dtype = value[_ARRAY], np.dtype(value["dtype"])
        if isinstance(content, str):
            return tensors[content].numpy().astype(dtype, copy=False)
        return np.array([_unpack(x, tensors) for x in content], dtype=dtype)
    if _ITEMS in value:
        return {k: _unpack(v, tensors) for k, v in value[_ITEMS]}
    if _FLOAT in value:
        return float(value[_FLOAT])
    if _TUPLE in value:
        return tuple(_unpack(x, tensors) for x in value[_TUPLE])
    return {k: _unpack(v, tensors) for k, v in value.items()}
