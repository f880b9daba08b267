"""Settings of the process, as in `keras.backend`: the dtype of layers that are given none, and the automatic names."""

from __future__ import annotations

from typing import Any

from .core import epsilon, floatx, set_floatx
from .exports import public
from .layers import SymbolicTensor, reset_names

__all__ = ["clear_session", "epsilon", "floatx", "is_keras_tensor", "set_floatx"]


def clear_session(free_memory: bool = True) -> None:
    """Begin the automatic names again at `lstm`. Nothing else is kept between models, so nothing else is cleared.

    Args:
        free_memory: accepted as in Keras; what is no longer referred to is freed at once.
    """
    reset_names()


def is_keras_tensor(x: Any) -> bool:
    """Whether x is a tensor without values yet, such as `Input` gives."""
    return isinstance(x, SymbolicTensor)


__dir__ = public(globals())
