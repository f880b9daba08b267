"""`cellstep.keras`: layers of Keras's that run our kernels, beside its own, on its backends torch, jax and numpy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import keras_layers
import numpy as np
import pytest

import cellstep
from cellstep import layers

#: What Keras says to NumPy is none of ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(4)
X = RNG.standard_normal((3, 5, 2)).astype("float32")


def on_backend(backend: str, *arguments: str) -> str:
    """What this script prints on a backend of Keras's."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-W", "error::UserWarning", *arguments]
    ran = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(("framework", "first", "last"), [("torch", 0, 85), ("jax", 85, 100), ("tensorflow", 0, 30)])
def test_layers_of_random_options_give_what_keras_gives(framework: str, first: int, last: int) -> None:
    if framework == "tensorflow":
        pytest.importorskip("tensorflow")
    said = on_backend(framework, keras_layers.__file__, framework, str(first), str(last))
    assert f"{last - first} cases on {framework}" in said


def test_on_numpy_layers_give_what_keras_gives() -> None:
    script = (
        "import numpy as np, keras, cellstep.keras\n"
        "x = np.random.default_rng(0).standard_normal((3, 5, 2)).astype('float32')\n"
        "theirs, ours = keras.layers.GRU(4, return_state=True), cellstep.keras.GRU(4, return_state=True)\n"
        "y, s = theirs(x)\n"
        "ours.build(x.shape)\n"
        "ours.set_weights(theirs.get_weights())\n"
        "assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(ours(x), (y, s)))\n"
    )
    on_backend("numpy", "-c", script)


def test_on_tensorflow_a_second_derivative_is_refused() -> None:
    pytest.importorskip("tensorflow")
    script = (
        "import tensorflow as tf, cellstep.keras\n"
        "layer, x = cellstep.keras.GRU(4), tf.ones((3, 5, 2))\n"
        "with tf.GradientTape() as outer:\n"
        "    outer.watch(x)\n"
        "    with tf.GradientTape() as inner:\n"
        "        inner.watch(x)\n"
        "        y = layer(x)\n"
        "    slope = inner.gradient(y, x)\n"
        "try:\n"
        "    outer.gradient(slope, x)\n"
        "except NotImplementedError as error:\n"
        "    print(error)\n"
    )
    said = on_backend("tensorflow", "-c", script)
    assert "expected one derivative of cellstep's kernels, got a second" in said


@pytest.fixture
def ours() -> Any:
    import cellstep.keras

    return cellstep.keras


def test_bits_are_those_of_our_own_layers(ours: Any) -> None:
    layer = ours.LSTM(4, return_sequences=True)
    y = np.asarray(layer(X))
    twin = layers.LSTM(4, return_sequences=True)
    twin.build(X.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(y, twin(X))


def test_a_backward_pass_may_run_twice_and_late(ours: Any) -> None:
    from cellstep.keras import waiting

    layer = ours.GRU(4)
    layer.build(X.shape)
    weights = [v.value for v in layer.trainable_variables]
    others = [v.value for v in layer.non_trainable_variables]

    def run(weights: Any) -> Any:
        return layer.stateless_call(weights, others, jnp.asarray(X))[0]

    y, pull = jax.vjp(run, weights)
    for _ in range(waiting.WAITING + 1):
        jax.vjp(run, weights)
    first, again = pull(y), pull(y)
    late = jax.jit(lambda w: jax.vjp(run, w)[1](y))(weights)
    for a, b, c in zip(first[0], again[0], late[0], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-6, atol=1e-7)


def test_under_vmap(ours: Any) -> None:
    layer = ours.SimpleRNN(3)
    layer.build(X.shape)
    several = jnp.asarray(RNG.standard_normal((2, *X.shape)), "float32")
    both = jax.vmap(layer)(several)
    for x, y in zip(several, both, strict=True):
        np.testing.assert_array_equal(layer(x), y)


def test_configurations_are_those_of_keras(ours: Any) -> None:
    for name in ("LSTM", "GRU", "SimpleRNN"):
        theirs, mine = getattr(keras.layers, name)(3, name="a"), getattr(ours, name)(3, name="a")
        assert mine.get_config() == theirs.get_config()
        assert getattr(ours, name).from_config(theirs.get_config()).get_config() == theirs.get_config()


def test_a_file_with_them_loads_here(ours: Any, tmp_path: Path) -> None:
    net = keras.Sequential([keras.Input((5, 2)), ours.LSTM(4), keras.layers.Dense(1)])
    net.save(tmp_path / "m.keras")
    again = cellstep.models.load_model(tmp_path / "m.keras")
    assert type(again.layers[0]) is layers.LSTM
    np.testing.assert_allclose(again.predict(X, verbose=0), net.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


def test_recurrent_dropout_has_one_mask_for_all_gates(ours: Any) -> None:
    layer = ours.LSTM(400, recurrent_dropout=0.5, use_bias=False, seed=1)
    x, states = np.zeros((2, 1, 1), "float32"), [jnp.ones((2, 400)), jnp.zeros((2, 400))]
    layer.build(x.shape)
    # all four gates of a unit depend on one state alone, which is dropped or doubled for all of them
    layer.set_weights([np.zeros((1, 1600), "float32"), np.tile(np.eye(400, dtype="float32"), 4)])
    sigmoid = 1 / (1 + np.exp(-2.0))
    kept = sigmoid * np.tanh(sigmoid * np.tanh(2.0))
    y = np.asarray(layer(x, initial_state=states, training=True))
    assert np.all(np.isclose(y, 0, atol=1e-6) | np.isclose(y, kept, atol=1e-6))
    assert 0.4 < np.isclose(y, 0, atol=1e-6).mean() < 0.6


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda k: k.LSTM(3, activation=lambda x: x),
            r"activation of lstm\w* must be one of .*; keras.layers.LSTM runs",
        ),
        (lambda k: k.GRU(3, dtype="float16"), r"dtype of gru\w* must compute in float32 or float64, got 'float16'"),
        (lambda k: k.accelerate(keras.layers.Dense(2)), "one of keras.layers' GRU, LSTM, SimpleRNN in it"),
        (lambda k: k.accelerate(3), "expected model to be a model or a layer of Keras, got int"),
    ],
)
def test_what_kernels_cannot_run_is_refused(ours: Any, make: Any, told: str) -> None:
    with pytest.raises((NotImplementedError, ValueError, TypeError), match=told):
        make(ours)


def test_accelerate_leaves_alone_what_kernels_cannot_run(ours: Any) -> None:
    class Own(keras.layers.LSTM):
        pass

    parts = [
        keras.layers.GRU(3, activation=lambda x: x, return_sequences=True),
        Own(3, return_sequences=True),
        keras.layers.LSTM(3),
    ]
    ours.accelerate(keras.Sequential([keras.Input((5, 2)), *parts]))
    assert [type(layer) for layer in parts] == [keras.layers.GRU, Own, ours.LSTM]
