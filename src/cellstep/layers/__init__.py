"""Layers: weights with Keras's names, and functions of arrays with their gradients. One file a layer."""

from __future__ import annotations

from ..lookup import absent
from ..registry import serialize
from . import added_loss as added_loss  # without it `add_loss` has nothing that adds
from . import operations as operations  # without it tensors have no operators
from . import traced_activation as traced_activation  # without it functions are no activations
from . import weight_tensor as weight_tensor  # without it weights are no tensors in what is traced
from .activation import Activation
from .activity_regularization import ActivityRegularization
from .attention import AdditiveAttention, Attention
from .base import Layer, Pullback
from .batch_normalization import BatchNormalization
from .bidirectional import Bidirectional
from .cell import RecurrentCell
from .concatenate_dot import Concatenate, Dot, concatenate, dot
from .conv1d import Conv1D, Convolution1D
from .conv1d_transpose import Conv1DTranspose, Convolution1DTranspose
from .dense import Dense
from .deserialization import deserialize, offer, register
from .dropout import Dropout, SpatialDropout1D
from .embedding import Embedding
from .gru import GRU, GRUCell
from .identity import Identity
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
from .module import Module
from .multi_head_attention import MultiHeadAttention
from .names import reset_names
from .noise import GaussianDropout, GaussianNoise
from .normalization import Normalization
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
from .separable_conv1d import SeparableConv1D, SeparableConvolution1D
from .simple_rnn import SimpleRNN, SimpleRNNCell
from .softmax import Softmax
from .stacked_rnn_cells import StackedRNNCells
from .stream import Stream, StreamState
from .symbolic import SymbolicTensor
from .time_distributed import TimeDistributed
from .tracing import trace
from .unit_normalization import UnitNormalization
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
    "Conv1DTranspose",
    "Convolution1D",
    "Convolution1DTranspose",
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
    "Identity",
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
    "MultiHeadAttention",
    "Multiply",
    "MaxPool1D",
    "MaxPooling1D",
    "Normalization",
    "PReLU",
    "Permute",
    "Pullback",
    "ReLU",
    "RecurrentCell",
    "RepeatVector",
    "Reshape",
    "SeparableConv1D",
    "SeparableConvolution1D",
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
    "UnitNormalization",
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


offer(*(value for name, value in list(globals().items()) if name in __all__))

absent(globals())
