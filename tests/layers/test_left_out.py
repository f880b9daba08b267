"""Layers of Keras that are not here: one sentence says what to use, wherever one is asked for."""

from __future__ import annotations

from typing import Any

import pytest

import cellstep
from cellstep import layers, optimizers, utils
from cellstep.layers.older_config import CUDNN
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
    words = f"has no attribute '{name}': {name} is not in cellstep: .*{INSTEAD[name]}"
    with pytest.raises(AttributeError, match=words):
        getattr(layers, name)
    assert not hasattr(layers, name)
    with pytest.raises(ImportError, match=f"cannot import name '{name}' from 'cellstep.layers': .*{INSTEAD[name]}"):
        exec(f"from cellstep.layers import {name}")
    if name in CUDNN:  # configurations of these are read
        return
    with pytest.raises(
        ValueError, match=f"must be that of a layer of cellstep.layers, got '{name}'; .*{INSTEAD[name]}"
    ):
        layers.deserialize({"module": "keras.layers", "class_name": name, "config": {"name": "a"}})


OLDER = {
    "predict_classes": r"predict\(x\).argmax",
    "predict_proba": r"predict\(x\) gives probabilities",
    "fit_generator": "fit takes generators",
    "train_on_generator": "fit, evaluate and predict take generators",
}


@pytest.mark.parametrize("name", OLDER)
def test_models_of_older_keras(name: str) -> None:
    model = cellstep.Sequential([layers.Input((2,)), layers.Dense(1)])
    with pytest.raises(AttributeError, match=f"'Sequential' object has no attribute '{name}': .*{OLDER[name]}"):
        getattr(model, name)


def test_a_property_says_itself_what_it_lacks() -> None:
    class Own(cellstep.Model):
        @property
        def half(self) -> int:
            return int(self.missing)

    with pytest.raises(AttributeError, match=r"'Own' object has no attribute 'missing'$"):
        Own().half  # noqa: B018


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        (optimizers, "legacy", "without this name before theirs"),
        (layers, "experimental", "without this name before theirs"),
        (cellstep, "wrappers", "cellstep.sklearn has estimators"),
        (utils, "np_utils", "in utils itself"),
        (layers, "core", "in the module above it"),
        (layers, "advanced_activations", "in the module above it"),
        (cellstep, "objectives", "losses is their newer name"),
        (utils, "multi_gpu_model", "cores of one machine"),
        (cellstep, "distribution", "cores of one machine"),
        (cellstep, "mixed_precision", "float32, or in float64"),
        (cellstep, "DTypePolicy", "float32, or in float64"),
        (cellstep, "estimator", "cellstep.sklearn has estimators"),
        (cellstep, "export", "bridges.to_onnx"),
        (cellstep, "version", "cellstep.__version__"),
        (utils, "text_dataset_from_directory", "before `fit`"),
        (cellstep.preprocessing, "text", "makes the integers that Embedding takes"),
        (cellstep.preprocessing, "image", "it is for images"),
        (cellstep, "applications", "it is for images"),
    ],
)
def test_modules_of_older_keras(module: Any, name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}': {name} is not in cellstep: .*{words}"):
        getattr(module, name)


def test_what_is_here_has_no_such_sentence() -> None:
    for name in layers.__all__:
        assert why_left_out(name) == "", name


@pytest.mark.parametrize("name", ["Conv1", "Conv", "Foo2", "__path_hooks__"])
def test_other_names_are_just_not_there(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
        getattr(layers, name)
