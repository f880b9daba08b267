"""Tensor files: arrays by name, with texts beside them, in the safetensors format, which every framework reads.

    8 bytes     the size of the header, little-endian
    header      JSON: {"__metadata__": {text: text, ...}, name: {"dtype", "shape", "data_offsets": [begin, end]}, ...}
    data        the arrays one after another, in C order, little-endian; offsets count from here, and leave no gap

Nothing in such a file can be run. The header is checked whole, and arrays are read when they are asked for.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .atomic import replacing
from .core import brief, plain
from .untrusted import FileError, Limit, blamed, named, open_file

Array = NDArray[Any]

#: The dtypes of the format that are NumPy's, by its names for them.
DTYPES = {
    **{f"F{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    "BOOL": np.dtype(bool),
}
#: And one that is not: the upper half of a float32.
BFLOAT16 = "BF16"
NAMES = {dtype: name for name, dtype in DTYPES.items()}
METADATA = "__metadata__"
#: Bytes that a header may have, as in the reference implementation; memory for each of them, as it is parsed; axes.
HEADER, TEXT, AXES = 100_000_000, 24, 32


class Entry(NamedTuple):
    """An array in a file. dtype: the format's name. begin, end: where it is in the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def write(
    path: Any, arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None, overwrite: bool = True
) -> None:
    """Write a file, as a whole or not at all; see `atomic.replacing`.

    Args:
        path: of the file. arrays: by name, of real numbers. metadata: texts by name. overwrite: replace a file.

    Raises:
        TypeError: an array of something else, such as complex numbers. FileExistsError: without `overwrite`.
    """
    own = {name: np.asarray(plain(name, a)) for name, a in arrays.items()}
    for name, a in own.items():
        if a.dtype.newbyteorder("<") not in NAMES:
            raise TypeError(f"expected {name} to hold real numbers of 8 to 64 bits, got dtype {a.dtype}")
    # the largest items first: then all arrays are aligned
    order = sorted(own, key=lambda name: (-own[name].itemsize, name))
    header: dict[str, Any] = {METADATA: dict(sorted(metadata.items()))} if metadata else {}
    at = 0
    for name in order:
        a = own[name]
        offsets = [at, at := at + a.nbytes]
        header[name] = {
            "dtype": NAMES[a.dtype.newbyteorder("<")],
            "shape": list(a.shape),
            "data_offsets": offsets,
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER:
        raise ValueError(f"names and metadata must take at most {HEADER} bytes, got {len(text)}")
    with replacing(path, overwrite) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in order:
            a = np.ascontiguousarray(own[name], own[name].dtype.newbyteorder("<"))
            file.write(a.reshape(-1).view(np.uint8).data)


class TensorFile:
    """A file that is open for reading.

    Args:
        file: at any position. name: for messages. max_bytes: the most memory that reading it may take; see `Limit`.

    Attributes:
        name: of the file. metadata: texts by name. entries: what arrays it holds, in the order of the data.

    Raises:
        FileError: it is no such file, or damaged.
    """

    def __init__(self, file: BinaryIO, name: str, max_bytes: int | None = None) -> None:
        self.name, self._file = name, file
        whole = file.seek(0, os.SEEK_END)
        self.limit = Limit(name, whole, max_bytes)
        file.seek(0)
        size = int.from_bytes(file.read(8), "little")
        if whole < 8 or not 2 <= size <= min(HEADER, whole - 8):
            got = f"{whole} bytes" if whole < 8 else f"a header of {size} bytes in {whole}"
            raise self._wrong("", f"expected a safetensors file, which begins with the size of its header, got {got}")
        self.limit.take("the header", size * TEXT, "the header")
        self._start = 8 + size
        with blamed(name, "the header"):
            header = json.loads(file.read(size).decode(), object_pairs_hook=_without_doubles)
        if not isinstance(header, dict):
            raise self._wrong("the header", f"expected a dictionary, got {brief(header)}")
        metadata = header.pop(METADATA, {})
        if not (isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())):
            raise self._wrong(METADATA, f"expected texts by name, got {brief(metadata)}")
        self.metadata: dict[str, str] = metadata
        found = {key: self._entry(key, value) for key, value in header.items()}
        self.entries = dict(sorted(found.items(), key=lambda item: item[1][2:]))
        at = 0
        for key, entry in self.entries.items():
            if entry.begin != at:
                raise self._wrong(_tensor(key), f"expected data_offsets to begin at {at}, got {entry.begin}")
            at = entry.end
        if at != whole - self._start:
            raise self._wrong("", f"expected {at} bytes of data behind the header, got {whole - self._start}")

    def read(self, name: str) -> Array:
        """An array, in the dtype that it has; bfloat16 as float32.

        Raises:
            KeyError: there is none of this name. FileError: it takes more memory than is allowed.
        """
        entry = self.entries[name]
        half = entry.dtype == BFLOAT16
        dtype = np.dtype("<u2") if half else DTYPES[entry.dtype]
        self.limit.take("the array", (entry.end - entry.begin) * (4 if half else 1), _tensor(name))
        array = np.empty(math.prod(entry.shape), dtype)
        self._file.seek(self._start + entry.begin)
        if self._file.readinto(array.view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
            raise self._wrong(_tensor(name), "the file has become shorter while it was read")
        if half:
            array = (array.astype(np.uint32) << 16).view(np.float32)
        if entry.dtype == "BOOL":
            array = array.view(np.uint8) != 0  # other bytes than 0 and 1 are True as well
        if sys.byteorder == "big":
            array = array.astype(array.dtype.newbyteorder("="))
        return array.reshape(entry.shape)

    def _entry(self, name: str, value: Any) -> Entry:
        place = _tensor(name)
        if not isinstance(value, dict) or not {"dtype", "shape", "data_offsets"} <= value.keys():
            raise self._wrong(place, f"expected dtype, shape and data_offsets, got {brief(value)}")
        dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
        if dtype != BFLOAT16 and (not isinstance(dtype, str) or dtype not in DTYPES):
            raise self._wrong(
                place, f"expected dtype to be one of {', '.join([*DTYPES, BFLOAT16])}, got {brief(dtype)}"
            )
        if not _sizes(shape) or len(shape) > AXES:
            raise self._wrong(place, f"expected shape to be a list of at most {AXES} sizes, got {brief(shape)}")
        if not _sizes(offsets) or len(offsets) != 2:
            raise self._wrong(place, f"expected data_offsets to be two numbers, got {brief(offsets)}")
        size = math.prod(shape) * (2 if dtype == BFLOAT16 else DTYPES[dtype].itemsize)
        if offsets[1] - offsets[0] != size:
            raise self._wrong(place, f"expected {size} bytes for {dtype} of shape {shape}, got data_offsets {offsets}")
        return Entry(dtype, tuple(shape), *offsets)

    def _wrong(self, place: str, reason: str) -> FileError:
        return FileError(self.name, place, reason)


@contextmanager
def opened(path: Any, max_bytes: int | None = None) -> Iterator[TensorFile]:
    """The file at a path.

    Raises:
        FileNotFoundError: there is none. FileError: it is no such file, or damaged.
    """
    with open_file(path) as file:
        yield TensorFile(file, named(path), max_bytes)


def _tensor(name: str) -> str:
    return f"tensor {brief(name)}"


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and all([type(n) is int and 0 <= n < 2**63 for n in value])


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"expected each name once, got {brief(name)} twice")
        found[name] = value
    return found
