"""Names of layers: Keras's automatic ones, counted over the process, and what a name may be."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import numpy as np

from ..core import brief
from ..lookup import snake_case
from .locks import new_lock

Function = TypeVar("Function", bound=Callable[..., Any])

_names: Counter[str] = Counter()
#: False while layers are made that no one sees, so that those made later are called as if they had not been.
counting_names: ContextVar[bool] = ContextVar("counting_names", default=True)
_names_lock = new_lock()


def auto_name(class_name: str) -> str:
    """lstm, then lstm_1, lstm_2, ..., counted over the process."""
    stem = snake_case(class_name)
    if not counting_names.get():
        return stem
    with _names_lock:
        number = _names[stem]
        _names[stem] += 1
    return f"{stem}_{number}" if number else stem


def reset_names() -> None:
    """Start the automatic names again at `lstm`, as Keras's `clear_session` does."""
    with _names_lock:
        _names.clear()


def check_name(name: Any) -> str:
    """A name that can stand in a path and in a file."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    if not name or "/" in name:
        raise ValueError(f"name must not be empty or contain '/', got {name!r}")
    if "\0" in name or any("\ud800" <= c <= "\udfff" for c in name):
        raise ValueError(f"name must be text that files can hold, without NUL and lone surrogates, got {name!r}")
    return name


def known_sizes(name: str, shape: Any) -> tuple[int, ...]:
    """The shape of a weight as a tuple; () for None."""
    sizes = tuple(shape) if isinstance(shape, Iterable) else None if shape is not None else ()
    if sizes is None or not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes):
        raise TypeError(f"shape of {name} must be a tuple of known sizes, got {brief(shape)}")
    return tuple(map(int, sizes))


def name_first(method: Function) -> Function:
    """A method `add_weight` that takes the name of the weight as its first argument too, as older Keras did."""

    @functools.wraps(method)
    def either(self: Any, *args: Any, **options: Any) -> Any:
        if args and isinstance(args[0], str):
            older = ("name", "shape", "initializer", "trainable", "regularizer", "constraint")
            return method(self, **dict(zip(older, args, strict=False)), **options)
        return method(self, *args, **options)

    return cast(Function, either)
