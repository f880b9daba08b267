"""Untrusted: files that come from anyone: the one error that they raise, and how much memory reading them may take.

Every reader of files follows these rules. Nothing in a file is run, nor found by a path in it. A size that stands in a
file is held against `Limit` before anything of that size is made. What a library says of damage becomes a `FileError`.
What was there before, such as a model in memory, is changed last, when all of the file has been read and fits.
"""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from .core import brief, check_count

#: What reading a file may take in memory where nothing else is asked for: this many bytes, and this many for each of
#: its own. What Keras or this package wrote takes about three: the file's bytes, the weights, and the optimizer's.
BASE, GROWTH = 2**25, 8
#: What libraries raise for damaged bytes.
DAMAGE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, EOFError),
    *(MemoryError, AssertionError, ImportError),
)


class FileError(ValueError):
    """A file that cannot be used: damaged, or of something that is not known here, or that asks for too much.

    Attributes:
        file: its name. place: where in it, such as "node 3 (LSTM)"; empty for the whole. reason: what is wrong.

    Example:
        >>> str(FileError("m.onnx", "node 3 (LSTM)", "clip must be a number above 0, got -1.0"))
        'm.onnx, node 3 (LSTM): clip must be a number above 0, got -1.0'
    """

    def __init__(self, file: str, place: str, reason: str) -> None:
        super().__init__(file, place, reason)
        self.file, self.place, self.reason = file, place, reason

    def __str__(self) -> str:
        return f"{self.file}{self.place and ', '}{self.place}: {self.reason}"


@contextmanager
def blamed(
    file: str, place: str = "", kinds: tuple[type[BaseException], ...] = DAMAGE, wanted: str = ""
) -> Iterator[None]:
    """What is raised in the block becomes a `FileError` for this file and place, as what came in place of `wanted`; a
    `FileError` stays what it is, but for a missing library, which is the reader's own lack."""
    try:
        yield
    except (FileError, ModuleNotFoundError):
        raise
    except kinds as error:
        raise FileError(file, place, f"{wanted} {said(error)}".lstrip()) from error


def said(error: BaseException) -> str:
    """What an exception says, as a part of a sentence."""
    if isinstance(error, KeyError):
        return f"no {error}"
    if isinstance(error, RecursionError):
        return "parts within parts without end"
    text = " ".join(str(error).split())
    return (text if len(text) <= 400 else f"{text[:390]}...") or type(error).__name__


def named(file: Any, argument: str = "path") -> str:
    """What messages call a file: its path, or of a file that is open its name."""
    name = file if isinstance(file, os.PathLike) else getattr(file, "name", file)
    return os.fspath(name) if isinstance(name, str | os.PathLike) else f"the file given as {argument}"


def open_file(path: Any, argument: str = "path") -> BinaryIO:
    """A file, open for reading.

    Raises:
        TypeError: no path. FileNotFoundError: no regular file: what is there may be a folder, or a pipe, which would be
            waited for.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{argument} must be a path, got {brief(path)}")
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a name with a zero byte in it
        regular = False
    if not regular:
        raise FileNotFoundError(f"{argument} must be a file that exists, got {os.fspath(path)!r}")
    return open(path, "rb")


class Limit:
    """How much memory reading a file may take.

    Args:
        file: its name. size: bytes of the file. max_bytes: what a caller allows; where None, BASE and GROWTH times its
            size.

    Example:
        >>> limit = Limit("m.onnx", 1000)
        >>> limit.take("a tensor", 4096, "tensor W")
    """

    def __init__(self, file: str, size: int, max_bytes: int | None = None) -> None:
        self.file, self.given = file, max_bytes is not None
        self.left = BASE + GROWTH * size if max_bytes is None else check_count("max_bytes", max_bytes)

    def take(self, what: str, number: int, place: str = "") -> None:
        """Before memory of this many bytes is used.

        Raises:
            FileError: it is more than is left.
        """
        if number > self.left:
            raise FileError(
                self.file,
                place,
                f"{what} takes {number} bytes of memory, which is more than the {self.left} that are left; a larger "
                "max_bytes reads it, if you trust the file",
            )
        self.left -= number


def library(name: str, extra: str, purpose: str) -> Any:
    """A library that is not required, imported.

    Args:
        name: of its module. extra: of cellstep, that installs it. purpose: what needs it: "ONNX files".

    Raises:
        ModuleNotFoundError: it is not there.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise ModuleNotFoundError(f"{purpose} need {error.name}: pip install 'cellstep[{extra}]'", name=name) from error
