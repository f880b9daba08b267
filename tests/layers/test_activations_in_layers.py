"""Activations in recurrent layers that no kernel computes: softmax and its kin, and those that users make."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from slopes import check_gradients

import cellstep
from cellstep import activations, kernels, layers
from cellstep.activations import Activation, register
from cellstep.saving import custom_object_scope, get_custom_objects, load_model

RNG = np.random.default_rng(8)
B, T, I, H = 3, 4, 2, 3  # noqa: E741
X = RNG.standard_normal((B, T, I))
HOLES = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 1]], bool)
CELLS: dict[str, dict[str, Any]] = {
    "SimpleRNN": {},
    "LSTM": {"recurrent_activation": "sparsemax"},
    "GRU": {"recurrent_activation": "softmax"},
    "GRU before": {"recurrent_activation": "log_softmax", "reset_after": False},
}


def bent(x: Any) -> Any:
    """x / (1 + x^2): neither a function of the kernels nor one whose derivative follows from its output."""
    return x / (1 + x * x), lambda dy: dy * (1 - x * x) / (1 + x * x) ** 2


def identical(x: Any) -> Any:
    return np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2)


@pytest.fixture
def registered() -> Iterator[Activation]:
    known = dict(get_custom_objects())
    yield register(Activation("bent", bent))
    get_custom_objects().clear()
    get_custom_objects().update(known)


def made(name: str, activation: Any, **options: Any) -> Any:
    kind = getattr(layers, name.split(" ")[0])
    return kind(H, activation=activation, **{"dtype": "float64", **CELLS[name], **options})


@pytest.mark.parametrize("call", [{}, {"mask": HOLES}, {"lengths": [4, 2, 0]}, {"ragged": True}], ids=str)
@pytest.mark.parametrize("activation", ["softmax", "sparsemax", "bent"])
@pytest.mark.parametrize("name", CELLS)
def test_gradients(name: str, activation: str, call: dict[str, Any]) -> None:
    own = Activation("bent", bent) if activation == "bent" else activation
    layer = made(name, own, return_sequences=True, return_state=True, recurrent_dropout=0.3, seed=1)
    x = [X[0], X[1, :2], X[2, :3]] if "ragged" in call else X
    check_gradients(layer, x, training=True, **call)


@pytest.mark.parametrize("name", CELLS)
def test_a_function_that_kernels_know_too_gives_what_they_give(name: str) -> None:
    chosen = {} if name == "SimpleRNN" else {"recurrent_activation": "sigmoid"}
    options: dict[str, Any] = {"return_sequences": True, "go_backwards": True, **chosen}
    theirs, ours = made(name, "tanh", **options), made(name, Activation("tanh", identical), **options)
    theirs.build(X.shape)
    ours.build(X.shape)
    ours.set_weights(theirs.get_weights())
    mine, pullback = ours.forward(X, mask=HOLES)
    right, right_pullback = theirs.forward(X, mask=HOLES)
    np.testing.assert_allclose(mine, right, atol=1e-14)
    np.testing.assert_allclose(pullback(np.ones_like(mine)), right_pullback(np.ones_like(right)), atol=1e-14)
    for a, e in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a.grad, e.grad, atol=1e-13)
    state = ours.cell.get_initial_state(B)
    np.testing.assert_allclose(ours.cell(X[:, 0], state)[0], theirs.cell(X[:, 0], state)[0], atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CELLS)
def test_a_stream_gives_what_the_layer_gives(name: str, dtype: str) -> None:
    layer = made(name, "softmax", return_sequences=True, dtype=dtype)
    x = X.astype(dtype)
    y = layer(x)
    assert y.dtype == dtype
    stream = layer.stream(B)
    for t in range(T):
        np.testing.assert_allclose(stream.step(np.ascontiguousarray(x[:, t])), y[:, t], atol=1e-6)
    stream.reset()
    np.testing.assert_allclose(stream.steps(x), y, atol=1e-6)


def test_what_stands_in_a_masked_step_does_not_reach_the_function() -> None:
    def strict(x: Any) -> Any:
        assert np.isfinite(x).all()
        return bent(x)

    x = X.copy()
    x[~HOLES] = np.nan
    layer = layers.LSTM(H, activation=Activation("strict", strict), dtype="float64")
    y, pullback = layer.forward(x, mask=HOLES)
    assert np.isfinite(y).all()
    assert np.isfinite(pullback(np.ones_like(y))).all()


def test_a_model_trains_with_it_and_explains_it(registered: Activation, capsys: pytest.CaptureFixture[str]) -> None:
    cellstep.set_random_seed(3)
    model = cellstep.Sequential(
        [cellstep.Input((T, I)), layers.GRU(8, activation="bent", name="g"), layers.Dense(1, activation=registered)]
    )
    model.compile("adam", loss="mse")
    x, y = RNG.standard_normal((64, T, I)).astype("float32"), RNG.uniform(0, 0.4, (64, 1)).astype("float32")
    losses = model.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.explain()
    said = "g (GRU): step by step in NumPy and slowly, as no kernel computes activation=bent;"
    assert said in capsys.readouterr().out


def test_a_registered_one_goes_through_configurations_copies_and_files(registered: Activation, tmp_path: Path) -> None:
    for layer in (
        layers.LSTM(H, "bent", recurrent_activation=registered),
        layers.Dense(H, registered),
        layers.Conv1D(H, 1, activation="bent"),
        layers.Activation("bent"),
    ):
        config = json.loads(json.dumps(layer.get_config()))
        assert type(layer).from_config(config).activation is registered
        assert config["activation"]["registered_name"] == "Custom>bent"
        assert copy.deepcopy(layer).activation is registered
    both = layers.Bidirectional(layers.GRU(H, activation="bent", dtype="float64"))
    check_gradients(both, X)
    model = cellstep.Sequential([cellstep.Input((T, I)), layers.LSTM(H, "bent")])
    assert cellstep.models.clone_model(model).layers[0].activation is registered
    assert pickle.loads(pickle.dumps(registered)) is registered
    model.save(tmp_path / "bent.keras")
    again = load_model(tmp_path / "bent.keras")
    assert again.layers[0].activation is registered
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_one_that_is_not_registered_is_copied_and_written_down_by_name() -> None:
    own = Activation("bent", bent, "It bends.")
    layer = layers.LSTM(H, activation=own)
    config = layer.get_config()
    with pytest.raises(ValueError, match="activation must be a known function, got 'bent'"):
        layers.LSTM.from_config(config)
    with custom_object_scope({"bent": own}):
        assert layers.LSTM.from_config(config).activation is own
    again = pickle.loads(pickle.dumps(own))
    assert (again.name, again.__doc__) == ("bent", "It bends.")
    np.testing.assert_array_equal(again(X), own(X))
    np.testing.assert_array_equal(copy.deepcopy(layer)(X), layer(X))


def test_one_in_a_scope_is_found_by_its_name() -> None:
    own = Activation("bent", bent)
    written = {"module": "builtins", "class_name": "function", "config": "bent", "registered_name": "bent"}
    with custom_object_scope({"bent": own}):
        assert activations.get("bent") is own is activations.get(written)
    with pytest.raises(ValueError, match=r"activation must be one of .* got 'bent'"):
        activations.get("bent")
    with pytest.raises(ValueError, match=r"activation must be a known function, got 'bent': register it, or give"):
        activations.get(written)
    with (
        custom_object_scope({"bent": bent}),
        pytest.raises(TypeError, match=r"must have a gradient, got the function bent; make it activations.Activation"),
    ):
        layers.LSTM(H, "bent")


def test_register() -> None:
    @register("doubled")
    def doubled(x: Any) -> Any:
        """Twice."""
        return 2 * x, lambda dy: 2 * dy

    assert activations.get("doubled") is doubled is activations.get("Custom>doubled")
    assert doubled.__doc__ == "Twice."
    np.testing.assert_array_equal(doubled([1, 2]), [2.0, 4.0])
    assert register(Activation("doubled", bent)) is activations.get("doubled")
    for name in ("doubled", "Custom>doubled"):
        del get_custom_objects()[name]
    for name in ("relu", "swish", "glu"):
        with pytest.raises(ValueError, match=f"expected a name that Keras has not taken, got '{name}'"):
            register(name)
    with pytest.raises(TypeError, match="must be an Activation or the name of a new one, got <function bent"):
        register(bent)  # type: ignore[call-overload]


def test_a_name_of_the_kernels_does_not_make_it_theirs() -> None:
    layer = layers.SimpleRNN(H, activation=Activation("relu", bent), use_bias=False)
    layer.build((None, None, I))
    x = X[:, :1].astype("float32")
    np.testing.assert_allclose(layer(x), bent(x[:, 0] @ layer.get_weights()[0])[0], rtol=1e-5)


ERRORS = [
    (lambda: Activation("", bent), TypeError, "name must be a word, got ''"),
    (lambda: Activation("x", 3), TypeError, r"forward must be a function of x that gives \(y, pullback\), got 3"),
    (lambda: Activation("f", np.tanh)(X), TypeError, r"forward of activation 'f' to give \(y, pullback\), got array"),
    (lambda: Activation("f", lambda x: (x, x))(X), TypeError, r"forward of activation 'f' to give \(y, pullback\)"),
    (
        lambda: layers.GRU(H, Activation("f", lambda x: (x[:, :1], bent)), dtype="float64")(X),
        *(ValueError, r"expected y of activation 'f' of x's shape \(3, 3\), got \(3, 1\)"),
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), ERRORS)
def test_errors(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_gradient_of_another_shape_is_refused() -> None:
    layer = layers.GRU(H, Activation("f", lambda x: (x, lambda dy: dy.sum())), dtype="float64")
    y, pullback = layer.forward(X)
    with pytest.raises(ValueError, match=r"expected dx of activation 'f' of x's shape \(3, 3\), got \(\)"):
        pullback(np.ones_like(y))


def test_all_names_are_keras_names() -> None:
    assert set(kernels.ACTIVATIONS) < set(activations.NAMES)
    assert kernels.ACTIVATIONS[-len(kernels.OF_INPUT) :] == kernels.OF_INPUT
    assert activations.swish is activations.silu
