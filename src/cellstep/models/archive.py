"""Archive: a `.keras` file as a zip archive, and its members: metadata.json, config.json, model.weights.h5.

The archive may come from anyone: nothing is read before its size is known and allowed.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from .. import untrusted
from ..core import brief
from ..untrusted import FileError, blamed

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"

#: Bytes that are read from an archive at once; its list of members must fit in.
PIECE = 2**20
#: What Python's decoders raise for damaged bytes.
DAMAGE = (*untrusted.DAMAGE, zipfile.BadZipFile, zlib.error)
#: Names of members that lead out of the folder in which an archive would be unpacked.
OUTSIDE = re.compile(r"[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)


class Pieces:
    """A binary file of which nothing large is read at once, whatever the archive in it says."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.seekable, self._file = file.seek, file.tell, file.seekable, file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= PIECE else PIECE + 1)
        if len(data) > PIECE:
            raise zipfile.BadZipFile(f"it needs more than {PIECE} bytes to say what it holds")
        return data


@contextmanager
def opened(file: BinaryIO, path: str) -> Iterator[zipfile.ZipFile]:
    """The archive in an open file.

    Raises:
        FileError: it is none, or a member's name leads out of it.
    """
    pieces: Any = Pieces(file)
    with blamed(path, "", DAMAGE, "must be a zip archive, as .keras and .pt files are, got"):
        archive = zipfile.ZipFile(pieces)
    with archive:
        for name in archive.namelist():
            if OUTSIDE.match(name):
                raise FileError(path, brief(name), "must be a name within the archive, got one that leads out of it")
        yield archive


def content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> bytes:
    """The bytes of a member, whose size has been allowed.

    Raises:
        FileError: it is damaged.
    """
    found = io.BytesIO()
    with blamed(path, info.filename, DAMAGE, "must be whole, got"), archive.open(info) as file:
        while piece := file.read(PIECE):
            found.write(piece)
    return found.getvalue()


def check_sums(archive: zipfile.ZipFile, path: str) -> None:
    """Hold every member against its checksum, a piece at a time.

    Raises:
        FileError: one is damaged.
    """
    for info in archive.infolist():
        with blamed(path, info.filename, DAMAGE, "must be whole, got"), archive.open(info) as file:
            while file.read(PIECE):
                pass


def member(archive: zipfile.ZipFile, name: str, path: str, max_bytes: int) -> bytes:
    """The bytes of a member, whose checksum is right.

    Raises:
        FileError: there is no such member, or two, or it is damaged, or larger than `max_bytes`.
    """
    members = [info for info in archive.infolist() if info.filename == name]
    if len(members) != 1:
        held = f"{len(members)} of it" if members else ", ".join(archive.namelist()[:5]) or "nothing"
        raise FileError(path, "", f"must hold {name} to be a model, got {held}")
    info = members[0]
    if info.file_size > max_bytes:
        raise FileError(
            path,
            name,
            f"must hold at most {max_bytes} bytes, got {info.compress_size} bytes that would become {info.file_size}; "
            "a larger max_bytes reads them, if you trust the file",
        )
    return content(archive, info, path)
