"""Configurations of objects of all kinds are Keras's, and each reads the other's."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import cellstep

#: Of Keras, on newer NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MAKE: dict[str, Any] = {
    "constant": lambda k: k.initializers.Constant(2.0),
    "array constant": lambda k: k.initializers.Constant([[1.0, 2.0]]),
    "glorot": lambda k: k.initializers.GlorotUniform(seed=3),
    "penalty": lambda k: k.regularizers.L1L2(0.25, 0.5),
    "constraint": lambda k: k.constraints.MinMaxNorm(0.5, 2.0, 0.25, 1),
    "loss": lambda k: k.losses.CategoricalCrossentropy(label_smoothing=0.25),
    "metric": lambda k: k.metrics.TopKCategoricalAccuracy(k=3),
    "schedule": lambda k: k.optimizers.schedules.CosineDecay(0.5, 10),
    "activation": lambda k: k.activations.relu,
    "loss function": lambda k: k.losses.mean_squared_error,
    "many": lambda k: {"a": np.arange(2.0), "b": [k.regularizers.L2(0.5), None, "x"], "c": {"d": np.float32(2)}},
}


@pytest.mark.parametrize("name", MAKE)
def test_objects_are_written_as_keras_writes_them_and_read(name: str) -> None:
    ours, theirs = MAKE[name](cellstep), MAKE[name](keras)
    written = cellstep.saving.serialize_keras_object(ours)
    by_keras = keras.saving.serialize_keras_object(theirs)
    if name == "glorot":
        by_keras["config"] = {"seed": by_keras["config"]["seed"]}
    assert written == by_keras
    again = cellstep.saving.deserialize_keras_object(by_keras)
    assert cellstep.saving.serialize_keras_object(again) == written
    read = keras.saving.deserialize_keras_object(written)
    assert type(read) is type(theirs)


def test_layers_and_models_are_read_from_either_json() -> None:
    def model(k: Any) -> Any:
        layer = k.layers.LSTM(3, kernel_regularizer="l2", recurrent_initializer=k.initializers.Constant(0.5), name="l")
        return k.Sequential([k.Input((4, 2)), layer, k.layers.Dense(1, activation="tanh", name="d")], name="s")

    x = np.random.default_rng(0).standard_normal((2, 4, 2)).astype("float32")
    theirs, ours = model(keras), model(cellstep)
    for one, other, k in ((theirs, ours, cellstep), (ours, theirs, keras)):
        read = k.models.model_from_json(one.to_json())
        read.set_weights(one.get_weights())
        np.testing.assert_allclose(read.predict(x, verbose=0), one.predict(x, verbose=0), atol=1e-6)
        assert [layer.name for layer in read.layers] == [layer.name for layer in other.layers]


@pytest.mark.parametrize(
    "module", ["initializers", "regularizers", "constraints", "losses", "metrics", "optimizers", "layers"]
)
def test_deserialize_finds_what_serialize_wrote(module: str) -> None:
    kind = {"initializers": "HeNormal", "regularizers": "L2", "constraints": "UnitNorm", "losses": "Huber"}
    kind |= {"metrics": "AUC", "optimizers": "Adam", "layers": "ReLU"}
    by_keras = getattr(keras, module)
    ours = getattr(cellstep, module)
    config = keras.saving.serialize_keras_object(getattr(by_keras, kind[module])())
    assert type(ours.deserialize(config)).__name__ == kind[module]
    assert type(ours.deserialize(config, custom_objects={})).__name__ == kind[module]
