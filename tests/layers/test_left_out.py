"""Layers of Keras that are not here: one sentence says what to use, wherever one is asked for."""

from __future__ import annotations

import pytest

from cellstep import layers
from cellstep.lookup import why_left_out

INSTEAD = {
    "Conv2D": "Conv1D is the layer over time",
    "Conv3DTranspose": "Conv1DTranspose is the layer over time",
    "MaxPooling2D": "MaxPooling1D is the layer over time",
    "GlobalAveragePooling3D": "GlobalAveragePooling1D is the layer over time",
    "SpatialDropout2D": "SpatialDropout1D is the layer over time",
    "AdaptiveAveragePooling1D": "AveragePooling1D and GlobalAveragePooling1D are the layers over time",
    "ConvLSTM2D": r"TimeDistributed\(Conv1D\(...\)\) gives features of each step, and LSTM runs over them",
    "ConvLSTM1D": "LSTM runs over them",
    "DepthwiseConv2D": "SeparableConv1D, and Conv1D with groups",
    "TextVectorization": "makes the integers that Embedding takes",
    "StringLookup": "makes the integers that Embedding takes",
    "Discretization": "np.digitize",
    "CategoryEncoding": "utils.to_categorical",
    "Rescaling": "Normalization",
    "RandomFlip": "it is for images",
    "CuDNNLSTM": "LSTM runs on compiled kernels by itself",
    "Wrapper": "holds the other as an attribute",
}


@pytest.mark.parametrize("name", INSTEAD)
def test_a_sentence_says_what_to_use(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}': {name} is left to Keras: .*{INSTEAD[name]}"):
        getattr(layers, name)
    assert not hasattr(layers, name)
    with pytest.raises(ImportError, match=f"cannot import name '{name}' from 'cellstep.layers': .*{INSTEAD[name]}"):
        exec(f"from cellstep.layers import {name}")
    with pytest.raises(
        ValueError, match=f"must be that of a layer of cellstep.layers, got '{name}'; .*{INSTEAD[name]}"
    ):
        layers.deserialize({"module": "keras.layers", "class_name": name, "config": {"name": "a"}})


def test_what_is_here_has_no_such_sentence() -> None:
    for name in layers.__all__:
        assert why_left_out(name) == "", name


@pytest.mark.parametrize("name", ["Conv1", "Conv", "Foo2", "__path_hooks__"])
def test_other_names_are_just_not_there(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
        getattr(layers, name)
