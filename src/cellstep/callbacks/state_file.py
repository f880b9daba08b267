"""State files: numbers, texts and arrays in lists and dictionaries, as JSON with the arrays' bytes behind it.

    cellstep state 1 <SHA-256 of all that follows, hexadecimal>
    {"state": ..., "arrays": [["float32", [3, 4]], ...]}
    the bytes of the arrays, one after another, little-endian

In `state` the array number n is {" array": n}. Nothing in a file is ever run, and nothing is taken from one whose
checksum does not fit. Reading takes no more memory than twice the size of the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import replacing
from ..untrusted import FileError, blamed

ARRAY = " array"
_HEAD = b"cellstep state 1 "
_DTYPES = {"bool", *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"}


def dump(state: Any) -> bytes:
    """A state as the bytes of a file; TypeError for what is no number, text, array, list or dictionary."""
    return b"".join(_pieces(state))


def _pieces(state: Any) -> list[Any]:
    """The bytes of a file, its arrays where they are in memory."""
    arrays: list[NDArray[Any]] = []
    tree = plain(state, arrays, "state")
    table = [[a.dtype.name, list(a.shape)] for a in arrays]
    head = json.dumps({"state": tree, "arrays": table}).encode() + b"\n"
    pieces: list[Any] = [
        head,
        *(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(-1).view(np.uint8) for a in arrays),
    ]
    checksum = hashlib.sha256()
    for piece in pieces:
        checksum.update(piece)
    return [_HEAD + checksum.hexdigest().encode() + b"\n", *pieces]


def plain(value: Any, arrays: list[NDArray[Any]], at: str) -> Any:
    """What JSON can hold of a value, with its arrays added to a list."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.name in _DTYPES:
        arrays.append(np.asarray(value))
        return {ARRAY: len(arrays) - 1}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(part, arrays, f"{at}[{key!r}]") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part, arrays, f"{at}[{i}]") for i, part in enumerate(value)]
    raise TypeError(f"{at} must be a number, a text, an array, or lists and dictionaries of them, got {value!r}")


def load(data: bytes, path: Any) -> Any:
    """The state in the bytes of a file; tuples are lists. `path` is for messages.

    Raises:
        FileError: they are no such file, or were damaged.
    """
    begin = len(_HEAD) + 65
    rest = memoryview(data)[begin:]
    if data[:begin] != _HEAD + hashlib.sha256(rest).hexdigest().encode() + b"\n":
        what = "a damaged one" if data.startswith(_HEAD[:9]) else "another kind of file"
        raise FileError(os.fspath(path), "", f"must be a file of training state, got {what}")
    end = data.find(b"\n", begin)
    with blamed(os.fspath(path), wanted="must hold states and arrays, got"):
        whole = json.loads(data[begin:end])
        arrays = _arrays(whole["arrays"], memoryview(data)[end + 1 :])
        return _filled(whole["state"], arrays)


def _arrays(table: Any, body: memoryview) -> list[NDArray[Any]]:
    arrays, at = [], 0
    for name, shape in table:
        if name not in _DTYPES or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"no array is {name} of shape {shape}")
        dtype = np.dtype(name).newbyteorder("<")
        count = math.prod(shape)
        if count * dtype.itemsize > len(body) - at:
            raise ValueError(f"{len(body) - at} bytes hold no {name} of shape {tuple(shape)}")
        arrays.append(np.frombuffer(body, dtype, count, at).reshape(shape).astype(np.dtype(name)))
        at += count * dtype.itemsize
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes are left over")
    return arrays


def _filled(tree: Any, arrays: list[NDArray[Any]]) -> Any:
    if isinstance(tree, list):
        return [_filled(part, arrays) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.keys() == {ARRAY}:
        array = arrays[tree[ARRAY]]
        return array if array.ndim else array[()]
    return {key: _filled(part, arrays) for key, part in tree.items()}


def write(path: Path, state: Any, before: Path | None = None) -> None:
    """Write a state to a file, which is replaced as a whole or not at all.

    Args:
        before: what the file held until then goes there. At any time one of the two files is whole.
    """
    pieces = _pieces(state)
    with replacing(path) as file:
        for piece in pieces:
            file.write(piece)
        if before is not None and path.exists():
            file.flush()
            os.fsync(file.fileno())
            path.replace(before)


def read(path: Path) -> Any:
    """The state in a file; FileError as from `load`, or FileNotFoundError."""
    return load(path.read_bytes(), path)
