"""Calls on Keras's NumPy backend, which has no gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .calls import Call


def run(call: Call, arrays: Sequence[Any], training: bool) -> tuple[Any, ...]:
    """The outputs of a call."""
    outputs = [np.empty(shape, arrays[0].dtype) for shape in call.shapes(arrays)]
    call.forward(arrays, outputs, taped=False)
    return tuple(outputs)
