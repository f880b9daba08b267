"""Whether something is a layer, for what takes layers: Sequential and wrappers."""

from __future__ import annotations

from typing import Any

from .. import core
from .base import Layer
from .step_layer import StepLayer


def check_layer(value: Any, name: str = "layer") -> Layer:
    """A layer; TypeError for anything else, that says what was meant where it can."""
    if isinstance(value, Layer) and not isinstance(value, StepLayer):
        return value
    hint = ""
    if isinstance(value, type) and issubclass(value, Layer):
        hint = f"; {value.__name__}(...) makes one"
    elif type(value).__module__.startswith("keras."):
        hint = f"; cellstep.layers.{type(value).__name__} is the layer for models of this package"
    elif hasattr(value, "state_size"):
        hint = "; RNN(cell) makes a layer of a cell"
    elif isinstance(value, list | tuple):
        hint = "; a Sequential of them is one"
    raise TypeError(f"{name} must be a layer, such as LSTM(32), got {core.brief(value)}{hint}")
