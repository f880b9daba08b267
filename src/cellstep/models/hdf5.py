"""HDF5: the arrays in a file of weights, with a checksum of the whole file.

The file may come from anyone, or be damaged: names, shapes and dtypes are checked before anything is read, and whatever
HDF5 says of damage becomes a ValueError that names the file and the place.

The checksum stands behind the end of what HDF5 knows of: readers of HDF5 ignore it, and a program that changes the file
cuts it off. A file without one, such as Keras's, is read without the check.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .hdf5_texts import Texts, header_of

Array = NDArray[Any]

#: What an HDF5 file begins with.
SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: What stands before the checksum, eight hexadecimal digits.
MARK = b"\ncellstep CRC-32 "
#: How many groups may be in each other, where all are listed.
DEPTH = 50
#: What h5py and HDF5 raise for damaged files.
DAMAGE = (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError)


def h5py() -> Any:
    try:
        import h5py as module  # type: ignore[import-untyped, unused-ignore]
    except ModuleNotFoundError as error:
        if error.name != "h5py":
            raise
        raise ModuleNotFoundError("files of models and weights need h5py: pip install h5py", name="h5py") from error
    return module


def _checksum(file: BinaryIO, size: int) -> bytes:
    """Of the first `size` bytes."""
    file.seek(0)
    value = 0
    while size > 0 and (piece := file.read(min(size, 2**20))):
        value, size = zlib.crc32(piece, value), size - len(piece)
    return b"%08x" % value


def add_checksum(file: BinaryIO) -> None:
    """Put the checksum behind a file that is complete and open for reading and writing."""
    checksum = _checksum(file, file.seek(0, os.SEEK_END))
    file.seek(0, os.SEEK_END)
    file.write(MARK + checksum)


def check_checksum(file: BinaryIO, path: str) -> None:
    """ValueError where a file has a checksum that is not its own."""
    size = file.seek(0, os.SEEK_END) - len(MARK) - 8
    if size < 0:
        return
    file.seek(size)
    end = file.read()
    if end.startswith(MARK) and _checksum(file, size) != end[len(MARK) :]:
        raise ValueError(f"{path} must be as it was saved, got bytes that do not fit its checksum")


class Entry(NamedTuple):
    """A dataset that is plain numbers.

    place: its name in the file. data: h5py's object, not read yet.
    """

    path: str
    place: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data: Any

    def read(self) -> Array:
        """All of it, as it is in the file."""
        with _blamed(self.path, self.place):
            return np.asarray(self.data[()])

    def read_as(self, dtype: np.dtype[Any]) -> Array:
        """All of it; ValueError where it is another kind of numbers, or some are too large for this dtype."""
        kinds, wanted = ("f", "floating-point numbers") if dtype.kind == "f" else ("iu", "integers")
        if self.dtype.kind not in kinds:
            raise ValueError(f"{self.path} must hold {wanted} in {self.place}, got {self.dtype}")
        own = self.read()
        with np.errstate(over="ignore"):
            array = own.astype(dtype, copy=False)
        lost = np.isinf(array) & np.isfinite(own) if dtype.kind == "f" else array != own
        if lost.any():
            raise ValueError(f"{self.path} must hold numbers in {self.place} that {dtype} can hold, got {own[lost][0]}")
        return array


class File:
    """An HDF5 file that is open for reading; see `opened`. A place is the names of groups, with slashes."""

    def __init__(self, file: Any, path: str, content: BinaryIO) -> None:
        self._file, self.path, self._content = file, path, content
        self._texts: Texts | None = None

    def count(self, place: str) -> int:
        """How many entries a group has; 0 where there is none."""
        group = self._group(place)
        with _blamed(self.path, place):
            return 0 if group is None else len(group)

    def has_attribute(self, place: str, name: str) -> bool:
        """Whether a group has an attribute."""
        group = self._group(place) if place else self._file
        with _blamed(self.path, place):
            return group is not None and name in group.attrs

    def texts(self, place: str, name: str, max_bytes: int = 2**24) -> list[str]:
        """An attribute of a group that is a text, or a list of texts.

        Raises:
            ValueError: it is something else, or takes more memory.
        """
        group = self._group(place) if place else self._file
        with _blamed(self.path, f"attribute {name} of {place or 'the file'}"):
            if self._texts is None:
                self._texts = Texts(self._content, max_bytes + 2**24)
            return self._texts.attribute(header_of(h5py(), group), name)

    def entry(self, place: str) -> Entry:
        """A dataset.

        Raises:
            ValueError: there is none, or it is not simply stored numbers: a link, which could lead out of the file, or
            chunks, of which few bytes may become many.
        """
        above, _, name = place.rpartition("/")
        group = self._group(above) if above else self._file
        with _blamed(self.path, place):
            data = None if group is None or not _hard(group, name) else group[name]
            entry = None
            if isinstance(data, h5py().Dataset) and not (data.is_virtual or data.external or data.chunks):
                entry = Entry(self.path, place, tuple(data.shape), data.dtype, data)
                stored = data.id.get_storage_size()
        whole = entry is not None and stored == math.prod(entry.shape) * entry.dtype.itemsize
        if entry is None or not whole or entry.dtype.kind not in "fiub":
            raise ValueError(f"{self.path} must hold plain arrays of numbers, got something else at {place}")
        return entry

    def entries(self, place: str = "", depth: int = 0) -> Iterator[Entry]:
        """All datasets below a place, in the order of names, without any links followed.

        Raises:
            ValueError: one is not simply stored numbers; see `entry`.
        """
        group = self._group(place) if place else self._file
        if depth > DEPTH:
            raise ValueError(f"{self.path} must have at most {DEPTH} groups in each other, got more at {place}")
        with _blamed(self.path, place):
            names = sorted(group)
        for name in names:
            below = f"{place}/{name}".lstrip("/")
            with _blamed(self.path, below):
                inner = _hard(group, name) and isinstance(group[name], h5py().Group)
            if inner:
                yield from self.entries(below, depth + 1)
            else:
                yield self.entry(below)

    def _group(self, place: str) -> Any:
        """A group, or None."""
        group = self._file
        for name in place.split("/"):
            with _blamed(self.path, place):
                link = group.get(name, getlink=True)
                linked = link is not None and not isinstance(link, h5py().HardLink)
                below = None if link is None or linked else group[name]
            if linked:
                raise ValueError(f"{self.path} must hold no links, got one at {place}")
            if not isinstance(below, h5py().Group | None):
                raise ValueError(f"{self.path} must hold a group at {place}, got an array")
            if below is None:
                return None
            group = below
        return group


def _hard(group: Any, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py().HardLink)


@contextmanager
def opened(file: BinaryIO, path: str) -> Iterator[File]:
    """What is in an open binary file.

    Raises:
        ValueError: it is no HDF5 file, or damaged.
    """
    module = h5py()
    with _blamed(path, "the beginning"):
        opened = module.File(file, "r")
    try:
        yield File(opened, path, file)
    finally:
        opened.close()


@contextmanager
def _blamed(path: str, place: str) -> Iterator[None]:
    """What HDF5 raises in the block becomes a ValueError that names the file and the place."""
    try:
        yield
    except DAMAGE as error:
        raise ValueError(f"{path} must be a whole HDF5 file, got damage at {place}: {error}") from error
