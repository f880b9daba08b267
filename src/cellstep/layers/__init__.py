"""Layers: weights with Keras's names, and functions of arrays with their gradients. One file a layer."""

from __future__ import annotations

from typing import Any

from .activation import Activation
from .base import Layer, Pullback
from .cell import RecurrentCell
from .dense import Dense
from .dropout import Dropout
from .embedding import Embedding
from .gru import GRU, GRUCell
from .input import Input, InputLayer
from .lstm import LSTM, LSTMCell
from .masking import Masking
from .module import Module, reset_names, serialize
from .recurrent import RNN
from .simple_rnn import SimpleRNN, SimpleRNNCell
from .stream import Stream, StreamState
from .variable import Variable

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Dense",
    "Dropout",
    "Embedding",
    "GRUCell",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "Masking",
    "Module",
    "Pullback",
    "RecurrentCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "Stream",
    "StreamState",
    "Variable",
    "deserialize",
    "reset_names",
    "serialize",
]


def deserialize(config: dict[str, Any]) -> Any:
    """A layer or cell from what `serialize` gave, or from Keras's dictionary for one.

    Raises:
        TypeError: config is no such dictionary. ValueError: there is no such layer here.
    """
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise TypeError(f"expected config to be a dictionary with class_name and config, got {config!r}")
    name = config.get("class_name")
    found = globals().get(name) if name in __all__ else None
    if not (isinstance(found, type) and issubclass(found, Module)):
        raise ValueError(f"class_name must be that of a layer of cellstep.layers, got {name!r}")
    return found.from_config(config["config"])
