"""Archive: a `.keras` file as a zip archive, and its members: metadata.json, config.json, model.weights.h5.

The archive may come from anyone: nothing is read before its size is known and allowed.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"

#: What reading a file may take in memory where nothing else is asked for: this many bytes, and this many for each of
#: its own. What Keras or this package wrote takes about three: the file's bytes, the weights, and the optimizer's.
BASE, GROWTH = 2**25, 8
#: Bytes that are read from an archive at once; its list of members must fit in.
PIECE = 2**20
#: What Python's decoders raise for damaged bytes, beside zipfile's own exception. RuntimeError: a password is needed.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, LookupError, RuntimeError, OverflowError)


def named(filepath: Any) -> str:
    """A file for messages."""
    return os.fspath(filepath) if isinstance(filepath, str | os.PathLike) else "the file given as filepath"


def existing(path: Path) -> Path:
    """The path of a regular file.

    Raises:
        FileNotFoundError: there is none. What is there may be a folder, or a pipe, which would be waited for.
    """
    if not path.is_file():
        raise FileNotFoundError(f"filepath must be a file that exists, got {os.fspath(path)!r}")
    return path


def allowed(file: BinaryIO, max_bytes: int | None) -> int:
    """How much memory reading an open file may take."""
    return BASE + GROWTH * file.seek(0, os.SEEK_END) if max_bytes is None else max_bytes


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
        ValueError: it is none.
    """
    try:
        archive = zipfile.ZipFile(Pieces(file))  # type: ignore[type-var, arg-type, unused-ignore]
    except (*DAMAGE, NotImplementedError) as error:
        raise ValueError(f"filepath must be a .keras file, which is a zip archive, got {path}: {error}") from error
    with archive:
        yield archive


def member(archive: zipfile.ZipFile, name: str, path: str, max_bytes: int) -> bytes:
    """The bytes of a member, whose checksum is right.

    Raises:
        ValueError: there is no such member, or two, or it is damaged, or larger than `max_bytes`.
    """
    members = [info for info in archive.infolist() if info.filename == name]
    if len(members) != 1:
        held = f"{len(members)} of it" if members else ", ".join(archive.namelist()[:5]) or "nothing"
        raise ValueError(f"{path} must hold {name} to be a model, got {held}")
    info = members[0]
    if info.file_size > max_bytes:
        raise ValueError(
            f"{path} must hold {name} of at most {max_bytes} bytes, got {info.compress_size} bytes that would become "
            f"{info.file_size}; a larger max_bytes reads them, if you trust the file"
        )
    content = io.BytesIO()
    try:
        with archive.open(info) as file:
            while piece := file.read(PIECE):
                content.write(piece)
    except (*DAMAGE, NotImplementedError) as error:
        raise ValueError(f"{path} must be whole, got a damaged {name}: {error}") from error
    return content.getvalue()
