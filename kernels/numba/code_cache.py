"""Machine code on disk: in a folder of the user's, by a key that says all that the code depends on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

#: Bytes of a digest.
_SEAL = 32


def folder() -> Path:
    """Where code is kept: NUMBA_CACHE_DIR, where Numba's is too; else the user's folder for such."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "cellstep"


def kept(key: str, make: Callable[[], bytes]) -> bytes:
    """What is kept by this key, or is made and kept now. Where nothing can be written, each process makes its own."""
    try:
        file = folder() / key
        with contextlib.suppress(FileNotFoundError):
            whole = file.read_bytes()
            if _sealed(key, whole[:-_SEAL]) == whole:
                return whole[:-_SEAL]
    except (OSError, RuntimeError):  # no home
        return make()
    made = make()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(number, "wb") as out:
            out.write(_sealed(key, made))
        os.replace(name, file)
    return made


def _sealed(key: str, code: bytes) -> bytes:
    """The code, and a digest of it and its key: a file that is cut short, damaged or has another's name is not run."""
    return code + hashlib.sha256(key.encode() + code).digest()
