"""Archive: a `.keras` file as a zip archive, and its members: metadata.json, config.json, model.weights.h5."""

from __future__ import annotations

import zipfile
from typing import Any

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"

#: Keras stores members as they are; one that grows to more than this, and by more than this factor, is a trap.
LARGE, GROWTH = 2**28, 100


def opened(path: Any) -> zipfile.ZipFile:
    """The archive, open for reading.

    Raises:
        ValueError: it is none. FileNotFoundError: there is no such file.
    """
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError(f"filepath must be a .keras file, which is a zip archive, got {path}, which is none") from None


def member(archive: zipfile.ZipFile, name: str, path: Any) -> bytes:
    """The bytes of a member.

    Raises:
        ValueError: there is no such member, or it would grow beyond all reason.
    """
    try:
        info = archive.getinfo(name)
    except KeyError:
        held = ", ".join(archive.namelist()) or "nothing"
        raise ValueError(f"{path} must hold {name} to be a model, got {held}") from None
    if info.file_size > LARGE and info.file_size > GROWTH * info.compress_size:
        raise ValueError(
            f"{path} must hold {name} as it is, got {info.compress_size} bytes that would become {info.file_size}"
        )
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} must be whole, got a damaged {name}: {error}") from None
