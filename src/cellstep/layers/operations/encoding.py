"""What an operation is called with, as a structure of tensors and constants; and as Keras writes it into JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import core
from .sizes import Size


class Slot(NamedTuple):
    """Where a tensor goes, by its number."""

    number: int


def leaves(structure: Any) -> list[Any]:
    """What is in lists, tuples, slices and dictionaries."""
    kind = type(structure)
    if kind is slice:
        return leaves([structure.start, structure.stop, structure.step])
    if kind is dict:
        return leaves(list(structure.values()))
    return [leaf for part in structure for leaf in leaves(part)] if kind in (list, tuple) else [structure]


def replaced(structure: Any, function: Callable[[Any], Any]) -> Any:
    """The same lists, tuples, slices and dictionaries with `function` of what is in them."""
    kind = type(structure)
    if kind in (list, tuple):
        return kind([replaced(part, function) for part in structure])
    if kind is slice:
        return slice(*replaced([structure.start, structure.stop, structure.step], function))
    if kind is dict:
        return {key: replaced(part, function) for key, part in structure.items()}
    return function(structure)


def encoded(value: Any) -> Any:
    """A constant as Keras writes it into JSON."""
    if isinstance(value, Slot):
        return {"class_name": "__slot__", "config": value.number}
    if isinstance(value, list | tuple):
        return [encoded(part) for part in value]
    if isinstance(value, dict):
        return {key: encoded(part) for key, part in value.items()}
    if isinstance(value, slice):
        parts = {key: encoded(getattr(value, key)) for key in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, np.ndarray) and value.ndim:
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": str(value.dtype)}}
    if isinstance(value, np.ndarray | np.generic):
        return value.item()
    if isinstance(value, Size):
        raise TypeError(
            "expected numbers in a model that is written, got the size of an open axis; write -1 for it, or put the "
            "operation into the call of a layer"
        )
    return str(value) if isinstance(value, np.dtype) else value


def decoded(value: Any) -> Any:
    """A constant from what `encoded` gave, or Keras."""
    if isinstance(value, list | tuple):
        return [decoded(part) for part in value]
    if not isinstance(value, dict):
        return value
    name, config = value.get("class_name"), value.get("config")
    if name == "__slot__":
        return Slot(value["config"])
    if name == "__slice__":
        return slice(*(decoded(value["config"][key]) for key in ("start", "stop", "step")))
    if name == "__ellipsis__":
        return Ellipsis
    if name in ("__numpy__", "__tensor__") and isinstance(config, dict):
        dtype = np.dtype(config["dtype"])
        if dtype.kind not in "fiub":
            raise ValueError(f"expected numbers in a call of the configuration, got {core.brief(config['dtype'])}")
        return np.asarray(config["value"], dtype)
    return {key: decoded(part) for key, part in value.items()}
