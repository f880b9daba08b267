"""HDF5: the arrays in a file of weights, with a checksum of the whole file.

The file may come from anyone, or be damaged: names, shapes and dtypes are checked before anything is read, and whatever
HDF5 says of damage becomes a FileError.

The checksum stands behind the end of what HDF5 knows of: readers of HDF5 ignore it, and a program that changes the file
cuts it off. A file without one, such as Keras's, is read without the check.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..untrusted import DAMAGE, FileError, blamed, library
from . import hdf5_heaps
from .hdf5_texts import Texts, header_of

Array = NDArray[Any]

#: What an HDF5 file begins with.
SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: What stands before the checksum, eight hexadecimal digits.
MARK = b"\ncellstep CRC-32 "
#: How many groups may be in each other, where all are listed.
DEPTH = 50


def h5py() -> Any:
    return library("h5py", "files", "files of models and weights")


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
    """FileError where a file has a checksum that is not its own."""
    size = file.seek(0, os.SEEK_END) - len(MARK) - 8
    if size < 0:
        return
    file.seek(size)
    end = file.read()
    if end.startswith(MARK) and _checksum(file, size) != end[len(MARK) :]:
        raise FileError(path, "", "must be as it was saved, got bytes that do not fit its checksum")


def last_name(place: str) -> str:
    """The name of a weight, without its groups and what TensorFlow adds."""
    return place.rpartition("/")[2].partition(":")[0]


class Entry(NamedTuple):
    """A dataset that is plain numbers.

    place: its name in the file. data: h5py's object, not read yet. change: what makes an array of this shape of it.
    """

    path: str
    place: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data: Any
    change: Callable[[Array], Array] = np.asarray

    def read(self) -> Array:
        """All of it, in its own dtype."""
        with _blamed(self.path, self.place):
            return self.change(np.asarray(self.data[()]))

    def read_as(self, dtype: np.dtype[Any]) -> Array:
        """All of it; FileError where it is another kind of numbers, or some are too large for this dtype."""
        kinds, wanted = ("f", "floating-point numbers") if dtype.kind == "f" else ("iu", "integers")
        if self.dtype.kind not in kinds:
            raise FileError(self.path, self.place, f"must hold {wanted}, got {self.dtype}")
        own = self.read()
        with np.errstate(over="ignore"):
            array = own.astype(dtype, copy=False)
        lost = np.isinf(array) & np.isfinite(own) if dtype.kind == "f" else array != own
        if lost.any():
            raise FileError(self.path, self.place, f"must hold numbers that {dtype} can hold, got {own[lost][0]}")
        return array


class File:
    """An HDF5 file that is open for reading; see `opened`. A place is the names of groups, with slashes."""

    def __init__(self, file: Any, path: str, content: BinaryIO) -> None:
        self._file, self.path, self._content = file, path, content
        self._texts: Texts | None = None
        self._h5py = h5py()

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
            FileError: it is something else, or takes more memory.
        """
        group = self._group(place) if place else self._file
        with _blamed(self.path, f"attribute {name} of {place or 'the file'}"):
            if self._texts is None:
                self._texts = Texts(self._content, max_bytes + 2**24)
            return self._texts.attribute(header_of(self._h5py, group), name)

    def entry(self, place: str) -> Entry:
        """A dataset.

        Raises:
            FileError: there is none, or it is not simply stored numbers: a link, which could lead out of the file, or
            chunks, of which few bytes may become many.
        """
        above, _, name = place.rpartition("/")
        group = self._group(above) if above else self._file
        with _blamed(self.path, place):
            data = None if group is None or not self._hard(group, name) else group[name]
        return self._plain(data, place)

    def entries(self) -> Iterator[Entry]:
        """All datasets, in the order of names, without any links followed.

        Raises:
            FileError: one is not simply stored numbers; see `entry`.
        """
        root, h5g, found = self._file.id, self._h5py.h5g, []

        def add(name: bytes) -> bytes | None:
            found.append(name)
            return name if name.count(b"/") > DEPTH else None  # which ends the walk

        with _blamed(self.path, "the groups"):
            deep = root.links.visit(add)  # HDF5's own walk: one in Python takes three times as long
            kinds = [h5g.get_objinfo(root, name, False).type for name in found]
        if deep is not None:
            raise FileError(self.path, place_of(deep), f"must have at most {DEPTH} groups in each other, got more")
        for name, kind in zip(found, kinds, strict=True):
            if kind != h5g.GROUP:
                with _blamed(self.path, place_of(name)):
                    data = self._file[name] if kind == h5g.DATASET else None
                yield self._plain(data, place_of(name))

    def _plain(self, data: Any, place: str) -> Entry:
        with _blamed(self.path, place):
            entry = None
            if isinstance(data, self._h5py.Dataset) and not (data.is_virtual or data.external or data.chunks):
                entry = Entry(self.path, place, tuple(data.shape), data.dtype, data)
                stored = data.id.get_storage_size()
        whole = entry is not None and stored == math.prod(entry.shape) * entry.dtype.itemsize
        if entry is None or not whole or entry.dtype.kind not in "fiub":
            raise FileError(self.path, place, "must hold plain arrays of numbers, got something else")
        return entry

    def _group(self, place: str) -> Any:
        """A group, or None."""
        group = self._file
        for name in place.split("/"):
            with _blamed(self.path, place):
                link = group.get(name, getlink=True)
                linked = link is not None and not isinstance(link, self._h5py.HardLink)
                below = None if link is None or linked else group[name]
            if linked:
                raise FileError(self.path, place, "must hold no links, got one")
            if not isinstance(below, self._h5py.Group | None):
                raise FileError(self.path, place, "must hold a group, got an array")
            if below is None:
                return None
            group = below
        return group

    def _hard(self, group: Any, name: str) -> bool:
        return isinstance(group.get(name, getlink=True), self._h5py.HardLink)


def place_of(name: bytes) -> str:
    """A name in a file, as a text."""
    return name.decode(errors="backslashreplace")


@contextmanager
def opened(file: BinaryIO, path: str) -> Iterator[File]:
    """What is in an open binary file.

    Raises:
        FileError: it is no HDF5 file, or damaged.
    """
    module = h5py()
    with _blamed(path, "the beginning"):
        file.seek(0)
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise ValueError("other bytes at its beginning")
        hdf5_heaps.check(file)
        opened = module.File(file, "r")
    try:
        yield File(opened, path, file)
    finally:
        opened.close()


def _blamed(path: str, place: str) -> AbstractContextManager[None]:
    return blamed(path, place, DAMAGE, "must be a whole HDF5 file, got")
