"""Operations between tensors: gradients by finite differences, shapes, configurations, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import operation_cases
import pytest

import cellstep
from cellstep import layers, math, models, ops
from cellstep.layers.operations import OPERATIONS

RNG = np.random.default_rng(2)
#: (B, T, F), away from 0 and from each other, so that no difference crosses a kink.
X = RNG.permutation(np.linspace(0.3, 2.7, 24)).reshape(2, 4, 3)
Z = RNG.permutation(np.linspace(0.35, 2.65, 24)).reshape(2, 4, 3)
SIGNED = X - 1.52

#: By the name of an operation: a function of tensors, and the arrays that it is tried on.
CASES: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "Add": (lambda x, z: 1 + x + z[:, :1], [X, Z]),
    "Subtract": (lambda x, z: 2.0 - (x - z), [X, Z]),
    "Multiply": (lambda x, z: x * z * 3, [X, Z]),
    "TrueDivide": (lambda x, z: 1 / x + x / z, [X, Z]),
    "Divide": (lambda x, z: math.divide(x, z), [X, Z]),
    "Power": (lambda x, z: x**2 + 2**x + x**z, [X, Z]),
    "Mod": (lambda x, z: math.mod(x, 0.4), [X, Z]),
    "Maximum": (lambda x, z: math.maximum(x, z) + math.maximum(x, 1.0), [X, Z]),
    "Minimum": (lambda x, z: math.minimum(x, z), [X, Z]),
    "Negative": (lambda x: -x, [X]),
    "Absolute": (lambda x: abs(x), [SIGNED]),
    "Sign": (lambda x: math.sign(x) * x, [SIGNED]),
    "Where": (lambda x, z: math.where(x > z, x, 2 * z), [X, Z]),
    "Clip": (lambda x: math.clip(x, 0.8, 1.9), [X]),
    "Cast": (lambda x: math.cast(math.cast(x, "float64"), "float64") * x, [X]),
    "StopGradient": (lambda x: x * x, [X]),
    "OneHot": (lambda x: math.one_hot(math.cast(x, "int32"), 3)[:, :, 0] * x, [X]),
    "ZerosLike": (lambda x: math.zeros_like(x) + x, [X]),
    "OnesLike": (lambda x: math.ones_like(x) * x, [X]),
    "GetItem": (lambda x: x[:, -1, None] + x[..., 1:3, ::-1] + x[0, :1], [X]),
    "Concatenate": (lambda x, z: math.concatenate([x, z, x], axis=1), [X, Z]),
    "Stack": (lambda x, z: math.stack([x, z], axis=-1), [X, Z]),
    "Split": (lambda x: math.split(x, 2, axis=1)[0] * math.split(x, [1, 3], axis=1)[1], [X]),
    "Reshape": (lambda x: math.reshape(x, (-1, 6)), [X]),
    "ExpandDims": (lambda x: math.expand_dims(x, 1), [X]),
    "Squeeze": (lambda x: math.squeeze(x[:, :1], 1), [X]),
    "Transpose": (lambda x: math.transpose(x, (2, 0, 1)), [X]),
    "Swapaxes": (lambda x: math.swapaxes(x, 1, 2), [X]),
    "Moveaxis": (lambda x: math.moveaxis(x, 0, -1), [X]),
    "Flip": (lambda x: math.flip(x, 1), [X]),
    "Roll": (lambda x: math.roll(x, 3, axis=1), [X]),
    "Repeat": (lambda x: math.repeat(x, 2, axis=1), [X]),
    "Tile": (lambda x: math.tile(x, (2, 1, 1, 3)), [X]),
    "Pad": (lambda x: math.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=3), [X]),
    "Take": (lambda x: math.take(x, [[0, 3], [3, 3]], axis=1), [X]),
    "Sum": (lambda x: math.sum(x, axis=(0, 2)), [X]),
    "Mean": (lambda x: math.mean(x, axis=1, keepdims=True), [X]),
    "Var": (lambda x: math.var(x, axis=1), [X]),
    "Std": (lambda x: math.std(x), [X]),
    "Max": (lambda x: math.max(x, axis=1), [X]),
    "Min": (lambda x: math.min(x, axis=(1, 2), keepdims=True), [X]),
    "Cumsum": (lambda x: math.cumsum(x, axis=1), [X]),
    "Matmul": (lambda x, z: x @ math.transpose(z, (0, 2, 1)) @ z[0], [X, Z]),
    "Dot": (lambda x, z: math.dot(x, z[0, 0]) + math.dot(x, np.ones((3, 1)))[..., 0], [X, Z]),
    "Einsum": (lambda x, z: math.einsum("btf,bsf->bts", x, z) + math.einsum("btf->bt", x)[..., None], [X, Z]),
}
#: Of one argument, by name alone.
_UNARY = [
    *("Square", "Sqrt", "Rsqrt", "Reciprocal", "Exp", "Expm1", "Log", "Log1p", "Sin", "Cos", "Tanh", "Relu", "Relu6"),
    *("Selu", "Sigmoid", "HardSigmoid", "Silu", "Softplus", "Softsign", "LogSigmoid", "Softmax", "LogSoftmax"),
]
CASES |= {name: (lambda x, f=OPERATIONS[name].function: getattr(math, f)(x), [X]) for name in _UNARY}
#: Through which no gradient goes.
STILL: dict[str, Callable[..., Any]] = {
    "Greater": lambda x, z: x > z,
    "GreaterEqual": lambda x, z: x >= z,
    "Less": lambda x, z: x < z,
    "LessEqual": lambda x, z: x <= z,
    "Equal": math.equal,
    "NotEqual": math.not_equal,
    "LogicalAnd": lambda x, z: (x > 1) & (z > 1),
    "LogicalOr": lambda x, z: (x > 1) | (z > 1),
    "LogicalNot": lambda x, z: ~(x > z),
    "FloorDivide": lambda x, z: x // z,
    "Floor": lambda x, z: math.floor(x),
    "Ceil": lambda x, z: math.ceil(x),
    "Isnan": lambda x, z: math.isnan(x),
    "Any": lambda x, z: math.any(x > 2, 1),
    "All": lambda x, z: math.all(x > 2, 1),
    "Argmax": lambda x, z: math.argmax(x, axis=1),
    "StopGradient": lambda x, z: math.stop_gradient(x),
}
CASES |= {name: (lambda x, z, f=f: f(ops, x, z), [X, Z]) for name, f in operation_cases.CASES.items()}
STILL |= {name: (lambda x, z, f=f: f(ops, x, z)) for name, f in operation_cases.STILL.items()}


def model(function: Callable[..., Any], arrays: list[Any], dtype: str = "float64", free: int = 1) -> models.Model:
    """The function between tensors of these shapes, the first axes of which are open."""
    tensors = [layers.Input(batch_shape=((None,) * free + a.shape[free:]), dtype=dtype) for a in arrays]
    return models.Model(tensors, function(*tensors))


def test_every_operation_has_a_case() -> None:
    assert set(CASES) | set(STILL) == {
        kind.name for kind in OPERATIONS.values() if kind.arguments and kind.module != "random"
    }


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    function, arrays = CASES[name]
    net = model(function, arrays)
    assert any(part.keras_name == name for part in net.operations) or name == "StopGradient"
    y, pullback = net.forward(arrays if len(arrays) > 1 else arrays[0])
    assert y.dtype == np.float64
    assert len(net.output_shape) == y.ndim
    assert all(n in (None, m) for n, m in zip(net.output_shape, y.shape, strict=True))
    dy = RNG.standard_normal(y.shape)
    dx = pullback(dy) if len(arrays) > 1 else [pullback(dy)]
    for i, found in enumerate(dx):
        wanted = np.zeros_like(arrays[i])
        for place in np.ndindex(*arrays[i].shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [a.copy() for a in arrays]
                moved[i][place] += step
                ends.append(np.sum(dy * net(moved if len(arrays) > 1 else moved[0])))
            wanted[place] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(np.zeros_like(wanted) if found is None else found, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", STILL)
def test_no_gradient_goes_through_steps(name: str) -> None:
    net = model(STILL[name], [X, Z])
    y, pullback = net.forward([X, Z])
    assert all(d is None or not d.any() for d in pullback(np.ones(y.shape)))


@pytest.mark.parametrize("name", [*CASES, *STILL])
def test_arrays_give_at_once_what_tensors_give_later(name: str) -> None:
    function, arrays = CASES.get(name) or (STILL[name], [X, Z])
    net = model(function, arrays, "float32")
    small = [a.astype("float32") for a in arrays]
    later = net(small if len(small) > 1 else small[0])
    np.testing.assert_allclose(later, function(*small), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*CASES, *STILL])
def test_configurations_lead_back(name: str) -> None:
    function, arrays = CASES.get(name) or (STILL[name], [X, Z])
    net = model(function, arrays)
    x = arrays if len(arrays) > 1 else arrays[0]
    for again in (models.Model.from_config(json.loads(json.dumps(net.get_config()))), models.clone_model(net)):
        np.testing.assert_array_equal(again(x), net(x))


def test_a_mask_ends_at_an_operation_as_in_keras() -> None:
    x = layers.Input((4, 3))
    masked = layers.Masking()(x)
    data = np.ones((1, 4, 3), "float32")
    data[0, 2:] = 0
    for between, same in ((masked, True), (masked * 1.0, False), (layers.Add()([masked, masked]), True)):
        y = models.Model(x, layers.GRU(2, return_sequences=True)(between)).predict(data, verbose=0)
        assert np.array_equal(y[0, 1], y[0, 3]) == same


def test_whole_numbers_divided_are_floats_of_the_model() -> None:
    words = layers.Input((4,), dtype="int32")
    net = models.Model(words, [words / 2, math.mean(words, axis=1), words + 1])
    assert [str(y.dtype) for y in net(np.arange(8).reshape(2, 4))][:2] == ["float32", "float32"]
    assert [str(y.dtype) for y in net.outputs] == ["float32", "float32", "int32"]


def test_numpy_functions_and_arrays_beside_tensors() -> None:
    net = model(lambda x: np.ones(3) + np.tanh(x) * np.float64(2), [X], "float32")
    y = net(X)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, 1 + 2 * np.tanh(X), rtol=1e-6)


def test_tensors_have_the_methods_of_arrays_that_scripts_use() -> None:
    x = layers.Input((4, 3))
    outputs = [
        x.reshape(-1, 6),
        x.reshape((-1, 12)),
        x[:, :1].squeeze(1),
        x.astype("int32"),
        np.arctan(x),
        (x > 1) ^ (x > 2),
    ]
    data = X.astype("float32")
    wanted = [
        data.reshape(-1, 6),
        data.reshape(-1, 12),
        data[:, 0],
        data.astype("int32"),
        np.arctan(data),
        (data > 1) ^ (data > 2),
    ]
    for found, value in zip(models.Model(x, outputs)(data), wanted, strict=True):
        assert found.dtype == value.dtype
        np.testing.assert_allclose(found, value, rtol=1e-6)


def test_sizes_of_open_axes_stand_where_numbers_do() -> None:
    x = layers.Input((None, 3))
    batch, steps, features = ops.shape(x)
    assert features == 3
    outputs = [
        ops.reshape(x, (batch * steps, 3)),
        ops.zeros((batch, 2)) + ops.arange(2),
        ops.tile(ops.reshape(ops.arange(steps - 1, dtype="float32"), (1, -1, 1)), [batch, 1, 1]) + x[:, 1:, :1],
        x[:, : steps // 2],
        x / ops.cast(steps, "float32"),
    ]
    data = RNG.standard_normal((2, 5, 3)).astype("float32")
    net = models.Model(x, outputs)
    assert net.output_shape == [(None, 3), (None, 2), (None, None, 1), (None, None, 3), (None, None, 3)]
    wanted = [
        data.reshape(10, 3),
        np.zeros((2, 2)) + np.arange(2),
        np.arange(4).reshape(1, 4, 1) + data[:, 1:, :1],
        data[:, :2],
        data / 5,
    ]
    for found, value in zip(net(data), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-6)
    with pytest.raises(
        TypeError, match="expected numbers in a model that is written, got the size of an open axis; write"
    ):
        net.get_config()
    with pytest.raises(ValueError, match="got the size of an open axis, which is known when a model runs"):
        range(batch)


class Positions(layers.Layer):
    """Embeddings of words and of their places."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = layers.Embedding(9, 4), layers.Embedding(20, 4)

    def call(self, x: Any) -> Any:
        steps = ops.shape(x)[-1]
        return self.words(x) + self.places(ops.arange(start=0, stop=steps, step=1))


class Causal(layers.Layer):
    """Attention to the steps before."""

    def call(self, x: Any) -> Any:
        steps, features = ops.shape(x)[1:]
        before = ops.arange(steps)[:, None] >= ops.arange(steps)
        scores = ops.matmul(x, ops.transpose(x, (0, 2, 1))) / ops.sqrt(ops.cast(features, "float32"))
        return ops.matmul(ops.softmax(ops.where(before, scores, -1e9)), x)


def test_sizes_in_the_call_of_a_layer() -> None:
    words, layer = layers.Input((None,), dtype="int32"), Positions()
    net = models.Model(words, layer(words))
    x = np.array([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(net(x), layer.words(x) + layer.places(np.arange(3)))
    series = layers.Input((None, 3))
    attended = models.Model(series, Causal()(series))
    whole = attended(X.astype("float32"))
    np.testing.assert_allclose(attended(X[:, :2].astype("float32")), whole[:, :2], rtol=1e-5)


def test_operations_are_no_layers_but_shown(capsys: Any) -> None:
    net = model(lambda x: layers.Dense(2)(x[:, -1] * 2), [X])
    assert [type(layer).__name__ for layer in net.layers] == ["InputLayer", "Dense"]
    assert [part.keras_name for part in net.operations] == ["InputLayer", "GetItem", "Multiply", "Dense"]
    net.summary(print_fn=print)
    assert "(GetItem)" in capsys.readouterr().out


def test_an_attention_of_ones_own_is_trained() -> None:
    cellstep.set_random_seed(1)
    x = layers.Input((None, 3))
    h = layers.GRU(8, return_sequences=True)(x)
    share = math.softmax(layers.Dense(1)(h), axis=1)
    net = models.Model(x, layers.Dense(1)(math.sum(share * h, axis=1)))
    net.compile(cellstep.optimizers.Adam(0.02), "mse")
    data = RNG.standard_normal((64, 6, 3)).astype("float32")
    wanted = data[..., 0].max(axis=1, keepdims=True)
    first, *_, last = net.fit(data, wanted, epochs=30, verbose=0).history["loss"]
    assert last < 0.3 * first


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda t: t[[0, 1]], TypeError, r"takes slices, integers, None and ... in brackets, got \[0, 1\]; use .*take"),
        (lambda t: t + np.ones(5), ValueError, r"expected inputs that add can take, got shapes \(None, 4, 3\): "),
        (lambda t: math.concatenate([t, t[:, 0]]), ValueError, "expected inputs that concatenate can take"),
        (lambda t: math.sum(X, axis=3), ValueError, r"expected an axis that an array of shape \(2, 4, 3\) has, got 3"),
        (lambda t: t + "a", TypeError, "unsupported operand"),
        (lambda t: math.mean(t, axes=1), TypeError, r"mean\(x, axis=None, keepdims=False\) was called wrongly: "),
        (lambda t: math.pad(t, 1, mode="reflect"), NotImplementedError, "mode='reflect' is not built"),
        (lambda t: math.einsum("b...f->bf", t), NotImplementedError, "subscripts must be like 'bij,bjk->bik'"),
        (
            lambda t: math.unique(t),
            AttributeError,
            "no function 'unique'; numpy.unique does it on arrays; there are abs, ",
        ),
        (lambda t: math.while_loop(t), AttributeError, "no function 'while_loop': Python's own if and for do it"),
        (lambda t: math.vstack([t, t]), AttributeError, "no function 'vstack': ops.concatenate does it"),
        (lambda t: np.sort(t), TypeError, "has no values before a model runs: call layers on it, or functions of"),
        (lambda t: np.spacing(t), TypeError, "has no values before a model runs"),
        (lambda t: bool(t > 0), TypeError, "has no values before a model runs"),
    ],
)
def test_errors(run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(layers.Input((4, 3)))


def test_a_row_that_a_batch_lacks_is_said() -> None:
    x = layers.Input((4, 2))
    model = models.Model(x, x[3])
    assert model.predict(np.ones((4, 4, 2)), verbose=0).shape == (4, 2)
    with pytest.raises(ValueError, match=r"that has the entries \(3,\), got shape \(3, 4, 2\)"):
        model.predict(np.ones((3, 4, 2)), verbose=0)
