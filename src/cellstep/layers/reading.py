"""Reading: what holds while layers are made from the configuration in a file.

A layer that stands in it twice is one layer. Weights get no initial values, as the file holds theirs, and all that is
made counts against a limit of memory, so that a small file cannot ask for a large model. The place is kept, for
messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..core import brief


class Reading:
    """A configuration that is being read.

    Args:
        max_bytes: how much memory may be taken; None for any.

    Attributes:
        known: what was made so far, by `shared_object_id`. left: bytes that may still be taken.
        place: the class and name of what is being made, within what it is a part of; kept where that raised.
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self.known: dict[int, Any] = {}
        self.place: list[str] = []
        self.max_bytes, self.left = max_bytes, max_bytes

    def take(self, what: str, size: int) -> None:
        """Count memory; ValueError where it is more than may be taken."""
        if self.left is None:
            return
        self.left -= size
        if self.left < 0:
            raise ValueError(
                f"{what} takes {size} bytes of memory, which is more than is left of max_bytes={self.max_bytes}; a "
                "larger max_bytes loads it, if you trust the file"
            )

    def weight(self, path: str, shape: Any, dtype: np.dtype[Any]) -> str:
        """The initializer of a weight: zeros, memory of which is taken only where they are written."""
        self.take(f"{path} of shape {brief(tuple(shape))}", math.prod(shape) * dtype.itemsize)
        return "zeros"

    @contextmanager
    def at(self, config: dict[str, Any]) -> Iterator[None]:
        """While the object of a configuration is made."""
        name = config["config"].get("name")
        self.place.append(f"{brief(config.get('class_name'))[1:-1]}{'' if name is None else ' ' + brief(name)}")
        yield
        self.place.pop()  # stays where the block raises


_current: ContextVar[Reading | None] = ContextVar("reading", default=None)


def current() -> Reading | None:
    """The configuration that is being read, if one is."""
    return _current.get()


@contextmanager
def reading(state: Reading) -> Iterator[Reading]:
    """Inside the `with`, layers are made as part of this."""
    token = _current.set(state)
    try:
        yield state
    finally:
        _current.reset(token)
