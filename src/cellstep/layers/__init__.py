"""Layers: weights with Keras's names, and functions of arrays with their gradients. One file a layer."""

from __future__ import annotations

from typing import Any

from .activation import Activation
from .attention import AdditiveAttention, Attention
from .base import Layer, Pullback
from .batch_normalization import BatchNormalization
from .bidirectional import Bidirectional
from .cell import RecurrentCell
from .conv1d import Conv1D, Convolution1D
from .dense import Dense
from .dropout import Dropout, SpatialDropout1D
from .embedding import Embedding
from .gru import GRU, GRUCell
from .input import Input, InputLayer
from .lambda_layer import Lambda
from .layer_normalization import LayerNormalization
from .lstm import LSTM, LSTMCell
from .masking import Masking
from .module import Module, reset_names, serialize
from .noise import GaussianDropout, GaussianNoise
from .pooling import (
    AveragePooling1D,
    AvgPool1D,
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    MaxPool1D,
    MaxPooling1D,
)
from .rectifiers import ELU, LeakyReLU, PReLU, ReLU
from .recurrent import RNN
from .reshaping import Cropping1D, Flatten, Permute, RepeatVector, Reshape, UpSampling1D, ZeroPadding1D
from .simple_rnn import SimpleRNN, SimpleRNNCell
from .softmax import Softmax
from .stacked_rnn_cells import StackedRNNCells
from .stream import Stream, StreamState
from .time_distributed import TimeDistributed
from .variable import Variable

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "AdditiveAttention",
    "Attention",
    "AveragePooling1D",
    "AvgPool1D",
    "BatchNormalization",
    "Conv1D",
    "Convolution1D",
    "Cropping1D",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPooling1D",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPooling1D",
    "Module",
    "PReLU",
    "Permute",
    "Pullback",
    "ReLU",
    "RecurrentCell",
    "RepeatVector",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "StackedRNNCells",
    "Stream",
    "StreamState",
    "TimeDistributed",
    "UpSampling1D",
    "Variable",
    "ZeroPadding1D",
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
