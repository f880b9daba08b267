"""Names of layers: Keras's automatic ones, counted over the process, and what a name may be."""

from __future__ import annotations

import threading
from collections import Counter
from contextvars import ContextVar
from typing import Any

from ..lookup import snake_case

_names: Counter[str] = Counter()
#: False while layers are made that no one sees, so that those made later are called as if they had not been.
counting_names: ContextVar[bool] = ContextVar("counting_names", default=True)
_names_lock = threading.Lock()


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
