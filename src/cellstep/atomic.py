"""Atomic: files that are replaced as a whole, or not at all: no reader, crash or full disk sees or leaves a part."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment, unused-ignore]

#: What a temporary file is called; each has a name of its own, whatever it will be renamed to.
_TEMPORARY = re.compile(r"\.cellstep-[0-9a-f]{16}\.tmp")
#: Seconds without a write after which a temporary file whose lock is free was left by a writer that has died. The lock
#: alone says so on one machine; on a volume that several machines share, locks may not be seen by all.
STALE = 600.0


@contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool = True) -> Iterator[BinaryIO]:
    """A binary file, open for reading and writing, that takes the place of `path` when the block ends.

    It is a temporary file in the same folder until then. It is written to disk before it is renamed, and the folder
    after. If the block raises, also by Ctrl-C or on a full disk, `path` stays as it was and the temporary file is
    removed. Threads, processes and machines may do this with one path at the same time: the last one to end stays.
    A symbolic link stays a link, and its target is replaced; a file that is replaced hands its permissions on. Missing
    folders are made. What is no regular file, such as /dev/stdout, is written to directly.

    Args:
        path: the file. overwrite: replace a file that is there.

    Raises:
        FileExistsError: there is such a file, without `overwrite`. PermissionError: it is read-only.
        OSError: the disk is full, and the like.

    Example:
        >>> with replacing("notes.bin") as file:
        ...     size = file.write(b"all or nothing")
    """
    target = Path(os.path.realpath(path))
    before = _status(target)
    if before is not None and not overwrite:
        raise FileExistsError(f"filepath exists already: {os.fspath(path)}; overwrite=True replaces it")
    if before is not None and not stat.S_ISREG(before.st_mode):
        with open(path, "wb") as file:
            yield file
        return
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", os.fspath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".cellstep-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "x+b") as file:
            _lock(file)
            _remove_stale(temporary)
            yield file
            file.flush()
            if before is not None:
                os.chmod(temporary, stat.S_IMODE(before.st_mode))
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def write(path: str | os.PathLike[str], data: bytes | str, overwrite: bool = True) -> None:
    """Write a whole file at once, text as UTF-8; see `replacing`."""
    with replacing(path, overwrite) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _lock(file: BinaryIO) -> bool:
    """Lock an open file against `_remove_stale` of others, for as long as it is open; False where another has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another has it, or the file system has no locks
        return False
    return True


def _remove_stale(temporary: Path) -> None:
    """Remove what writers that have died left beside a new temporary file, by whose time the age is told: a file
    server's clock need not be this machine's."""
    now = temporary.stat().st_mtime
    for other in temporary.parent.iterdir():
        if _TEMPORARY.fullmatch(other.name):
            with suppress(OSError):  # another process has removed it, or must not be disturbed
                if now - other.stat().st_mtime > STALE:
                    with open(other, "rb") as file:
                        stale = _lock(file)
                    if stale:
                        other.unlink()


def _sync_folder(folder: Path) -> None:
    """Have the new name written to disk too, where the system lets folders be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that writes names at once
            raise
    finally:
        os.close(descriptor)
