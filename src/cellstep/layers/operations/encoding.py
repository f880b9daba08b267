"""What an operation is called with, as a structure of tensors and constants; and as Keras writes it into JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import registry
from ..sizes import Size


@dataclass(frozen=True)
class Slot:
    """Where a tensor goes, by its number."""

    number: int


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
    if isinstance(value, np.ndarray | np.generic):
        return registry.serialize_keras_object(value) if value.ndim else value.item()
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
        return registry.read_array(config)
    return {key: decoded(part) for key, part in value.items()}
