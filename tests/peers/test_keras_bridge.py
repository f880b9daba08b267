"""`bridges.from_keras` and `to_keras`: models and layers in memory, into cellstep and back, with all that they hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import saved_models

import cellstep
from cellstep import bridges, layers, models

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
X = np.random.default_rng(0).standard_normal((3, 5, 4)).astype("float32")

#: Layers that both have, by their constructors' arguments; they take (3, 5, 4) arrays.
LAYERS: dict[str, dict[str, Any]] = {
    "LSTM": {"units": 3, "return_sequences": True, "activation": "softsign"},
    "GRU": {"units": 3, "reset_after": False, "go_backwards": True},
    "SimpleRNN": {"units": 3, "use_bias": False},
    "Dense": {"units": 2, "activation": "relu"},
    "Conv1D": {"filters": 3, "kernel_size": 2, "padding": "causal"},
    "Conv1DTranspose": {"filters": 3, "kernel_size": 2},
    "SeparableConv1D": {"filters": 3, "kernel_size": 2},
    "BatchNormalization": {},
    "LayerNormalization": {},
    "UnitNormalization": {},
    "PReLU": {"shared_axes": [1]},
    "LeakyReLU": {},
    "ELU": {},
    "Softmax": {},
    "Dropout": {"rate": 0.5},
    "SpatialDropout1D": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "Masking": {},
    "Flatten": {},
    "Reshape": {"target_shape": [4, 5]},
    "Permute": {"dims": [2, 1]},
    "MaxPooling1D": {"pool_size": 2},
    "AveragePooling1D": {"pool_size": 2},
    "GlobalMaxPooling1D": {},
    "GlobalAveragePooling1D": {},
    "UpSampling1D": {},
    "ZeroPadding1D": {},
    "Cropping1D": {},
    "Activation": {"activation": "tanh"},
}


def made(k: Any, name: str) -> Any:
    return getattr(k.layers, name)(**LAYERS[name])


def wrapped(k: Any) -> dict[str, Any]:
    L = k.layers
    return {
        "both ways": L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum"),
        "each step": L.TimeDistributed(L.Dense(2)),
        "cells": L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True),
    }


def same(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(np.asarray(ours(X)), np.asarray(theirs(X)), rtol=1e-5, atol=1e-6)
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]


@pytest.mark.parametrize("name", [*LAYERS, *wrapped(cellstep)])
def test_layers_go_both_ways(name: str) -> None:
    theirs = made(keras, name) if name in LAYERS else wrapped(keras)[name]
    theirs(X)
    theirs.set_weights([np.random.default_rng(1).uniform(0.1, 0.9, w.shape) for w in theirs.get_weights()])
    ours = bridges.from_keras(theirs)
    same(ours, theirs)
    same(ours, bridges.to_keras(ours))


@pytest.mark.parametrize("name", saved_models.MODELS)
def test_models_go_both_ways_with_their_optimizers(name: str) -> None:
    make, x = saved_models.MODELS[name]
    theirs = make(keras)
    theirs.compile("adam", "mse")
    y = saved_models.targets(theirs.predict(x, verbose=0))
    theirs.fit(x, y, verbose=0)
    ours = bridges.from_keras(theirs)
    assert ours.optimizer.calls == 1
    again = bridges.to_keras(ours)
    predictions = [saved_models.flat(net.predict(x, verbose=0)) for net in (theirs, ours, again)]
    for a, b, c in zip(*predictions, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(c, a, rtol=1e-6, atol=1e-7)
    for a, b in zip(theirs.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert bridges.from_keras(theirs, compile=False).optimizer is None


@pytest.mark.parametrize("name", saved_models.MODELS)
def test_older_files_of_this_keras(tmp_path: Path, name: str) -> None:
    make, x = saved_models.MODELS[name]
    theirs = make(keras)
    theirs.compile("adam", "mse")
    y = saved_models.flat(theirs.predict(x, verbose=0))
    theirs.save(tmp_path / "m.h5")
    theirs.save_weights(tmp_path / "m.weights.h5")
    ours = models.load_model(tmp_path / "m.h5")
    twin = models.model_from_json(theirs.to_json())
    twin.load_weights(tmp_path / "m.weights.h5")
    for net in (ours, twin):
        for a, b in zip(saved_models.flat(net.predict(x, verbose=0)), y, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_text_goes_both_ways() -> None:
    for make, _ in saved_models.MODELS.values():
        theirs = make(keras)
        ours = models.model_from_json(theirs.to_json())
        again = keras.models.model_from_json(ours.to_json())
        assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in again.weights]
        assert len(again.layers) == len(theirs.layers)


class Extra(keras.layers.Dense):
    """A layer with a weight that its configuration does not tell of."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.more = self.add_weight(shape=(7,), name="more")


def test_what_has_no_place_is_named() -> None:
    odd = Extra(2)
    odd(X)
    with pytest.raises(ValueError, match=r"all weights of extra\w* must have a place, got left over: more \(7,\)"):
        bridges.from_keras(odd, custom_objects={"Extra": layers.Dense})
    with pytest.raises(ValueError, match="class_name must be that of a layer"):
        bridges.from_keras(odd)
    stack = layers.LSTM(3, num_layers=2)
    stack(X)
    with pytest.raises(
        ValueError, match=r"model must be one that Keras 3\.\d+\.\d+ can make, got lstm\w*: .*num_layers"
    ):
        bridges.to_keras(stack)


def test_other_things_are_refused() -> None:
    for wrong in (3, layers.Dense(2), None):
        with pytest.raises(TypeError, match="model must be a model or a layer of Keras, got"):
            bridges.from_keras(wrong)
    for wrong in (3, keras.layers.Dense(2), None):
        with pytest.raises(TypeError, match="model must be a model or a layer of cellstep, got"):
            bridges.to_keras(wrong)
    for function, layer in ((bridges.from_keras, keras.layers.Dense(2)), (bridges.to_keras, layers.Dense(2))):
        with pytest.raises(ValueError, match=r"model must be built, got dense\w* without weights: call it once"):
            function(layer)


def test_without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"models of bridges\.to_keras need keras: pip install 'cellstep\[keras\]'"
    ):
        bridges.to_keras(layers.Dense(2))
