"""Layers: weights with Keras's names, and functions of arrays with their gradients. One file a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import registry
from ..ops import shown
from .activation import Activation
from .activity_regularization import ActivityRegularization
from .attention import AdditiveAttention, Attention
from .base import Layer, Pullback
from .batch_normalization import BatchNormalization
from .bidirectional import Bidirectional
from .cell import RecurrentCell
from .concatenate_dot import Concatenate, Dot, concatenate, dot
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
from .merging import (
    Add,
    Average,
    Maximum,
    Merge,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    maximum,
    minimum,
    multiply,
    subtract,
)
from .module import Module, offered, register, reset_names, serialize
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
from .reading import Reading, current
from .rectifiers import ELU, LeakyReLU, PReLU, ReLU
from .recurrent import RNN
from .reshaping import Cropping1D, Flatten, Permute, RepeatVector, Reshape, UpSampling1D, ZeroPadding1D
from .simple_rnn import SimpleRNN, SimpleRNNCell
from .softmax import Softmax
from .stacked_rnn_cells import StackedRNNCells
from .stream import Stream, StreamState
from .symbolic import SymbolicTensor
from .time_distributed import TimeDistributed
from .tracing import trace
from .variable import Variable

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Average",
    "Add",
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
    "Dot",
    "Concatenate",
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
    "Minimum",
    "Merge",
    "Maximum",
    "Module",
    "Multiply",
    "MaxPool1D",
    "MaxPooling1D",
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
    "SymbolicTensor",
    "Subtract",
    "TimeDistributed",
    "UpSampling1D",
    "Variable",
    "ZeroPadding1D",
    "deserialize",
    "multiply",
    "minimum",
    "maximum",
    "dot",
    "concatenate",
    "average",
    "add",
    "reset_names",
    "serialize",
    "subtract",
    "register",
    "trace",
]


def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A layer, cell or model from what `serialize` gave, or from Keras's dictionary for one.

    Args:
        config: {"class_name", "config"} and more.
        custom_objects: classes of the user's by name; registered ones are known without.

    Raises:
        TypeError: config is no such dictionary. ValueError: there is no such layer here.
    """
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise TypeError(f"expected config to be a dictionary with class_name and config, got {shown(config)}")
    file, number, build_config = current() or Reading(), config.get("shared_object_id"), config.get("build_config")
    if not isinstance(number, int | None) or not isinstance(build_config, dict | None):
        raise TypeError(
            "expected config to have an integer as shared_object_id and a dictionary as build_config, where it has "
            f"them, got {shown(number)} and {shown(build_config)}"
        )
    if number is not None and number in file.known:
        return file.known[number]
    with registry.custom_object_scope(custom_objects), file.at(config):
        made = _class_of(config, custom_objects).from_config(config["config"])
        made.build_from_config(build_config or {})
    if number is not None:
        file.known[number] = made
    return made


def _class_of(config: dict[str, Any], custom_objects: Mapping[str, Any] | None) -> type[Module]:
    name = str(config.get("class_name"))
    found = registry.find(config, custom_objects)
    if found is None:
        found = globals().get(name) if name in __all__ else offered(name)
    if not (isinstance(found, type) and issubclass(found, Module)):
        raise ValueError(
            f"class_name must be that of a layer of cellstep.layers, got {shown(name)}; a class of your own must be "
            f"registered, or given as custom_objects={{{shown(name)}: ...}}"
        )
    return found
