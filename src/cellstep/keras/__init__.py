"""Keras layers that run cellstep's kernels: LSTM, GRU and SimpleRNN, as in keras.layers.

    from cellstep.keras import LSTM, accelerate
    accelerate(model)  # every keras.layers.LSTM, GRU and SimpleRNN inside a model, in place

Keras is needed here and nowhere else in cellstep but for `bridges.to_keras`. Its backend may be torch, jax,
tensorflow or numpy.
"""

from __future__ import annotations

try:
    import keras as _  # noqa: F401 - only to say in one sentence what is missing
except ModuleNotFoundError as error:
    raise ImportError("cellstep.keras needs Keras and one of its backends: pip install 'cellstep[keras]'") from error

from ..exports import public
from .layers import GRU, LSTM, SimpleRNN
from .swapping import accelerate, restore

__all__ = ["GRU", "LSTM", "SimpleRNN", "accelerate", "restore"]

__dir__ = public(globals())
