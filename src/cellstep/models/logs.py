"""Logs: numbers by name, as steps give them and callbacks get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

#: Numbers by name; arrays where a metric gives one.
Logs = dict[str, Any]


def plain_logs(logs: Mapping[str, Any]) -> Logs:
    """Logs sorted by name, as Keras gives them; the entries of dictionaries among them count as logs."""
    plain: Logs = {}
    for name, value in sorted(logs.items()):
        plain |= plain_logs(value) if isinstance(value, Mapping) else {name: plain_value(value)}
    return plain


def plain_value(value: Any) -> Any:
    """A number as a float, an array as a new array."""
    if isinstance(value, float | int):
        return float(value)
    array = np.asarray(value)
    return float(array) if array.ndim == 0 and array.dtype.kind in "fiub" else array.copy()
