"""Operations between tensors against `keras.ops`: outputs, a step of training through them, and files both ways."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import operation_cases
import pytest

import cellstep
from cellstep import ops, random
from cellstep.layers.operations import OPERATIONS

pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(4)
X = RNG.uniform(0.2, 1.5, (6, 4, 3)).astype("float32")


def arithmetic(m: Any, h: Any, z: Any) -> list[Any]:
    ones = np.linspace(0.1, 1, 3).astype("float32")
    return [
        *(1 + h, h - z, h - ones, h * 2, h / z, 1 / h, h**2, 2**h, h**z, -h, abs(h - 1), h % 0.4, h // 0.3),
        *(m.maximum(h, z), m.minimum(h, 0.7), m.mod(h, z), m.divide(h, 3), m.power(h, 1.5), h * ones),
        *(m.where(h > 0.5, h, 0.0), m.where((h < z) | ~(h >= 1), z, h), m.clip(h, 0.3, 0.8)),
        *(m.cast(h > z, "float32"), m.cast((h <= 0.5) & (z > 0.5), "float32"), m.stop_gradient(h) * h),
    ]


def functions(m: Any, h: Any, z: Any) -> list[Any]:
    names = (
        *("square", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sign"),
        *("relu", "relu6", "selu", "sigmoid", "hard_sigmoid", "silu", "softplus", "softsign", "log_sigmoid"),
        *("softmax", "log_softmax", "floor", "ceil", "zeros_like", "ones_like", "negative", "absolute"),
    )
    return [getattr(m, name)(h) for name in names] + [m.softmax(h, axis=1), m.one_hot(m.cast(3 * h, "int32"), 4)]


def shapes(m: Any, h: Any, z: Any) -> list[Any]:
    return [
        *(h[:, -1], h[:, 1:], h[..., :2], h[:, None, ::2], h[:, 0, 1:2], m.concatenate([h, z], axis=1)),
        *(m.stack([h, z], axis=1), m.reshape(h, (-1, 12)), m.expand_dims(h, 1), m.squeeze(h[:, :1], 1)),
        *(m.transpose(h, (0, 2, 1)), m.swapaxes(h, 1, 2), m.moveaxis(h, 1, 2), m.flip(h, axis=1)),
        *(m.roll(h, 1, axis=1), m.repeat(h, 2, axis=1), m.tile(h, (1, 2, 1)), m.pad(h, ((0, 0), (1, 0), (0, 0)))),
        *(m.take(h, [0, 2, 2], axis=1), *m.split(h, 2, axis=1)),
    ]


def sums(m: Any, h: Any, z: Any) -> list[Any]:
    return [
        *(m.mean(h, axis=1), m.sum(h, axis=-1, keepdims=True), m.max(h, axis=1), m.min(h, axis=(1, 2))),
        *(m.var(h, axis=1), m.std(h, axis=1), m.cumsum(h, axis=1), h @ m.transpose(z, (0, 2, 1))),
        *(m.matmul(h, np.ones((3, 2), "float32")), m.dot(h, np.ones((3, 2), "float32"))),
        *(m.einsum("btf,bsf->bts", h, z), m.one_hot(m.argmax(h, axis=-1), 3)),
        m.cast(m.any(h > 0.9, axis=1), "float32") + m.cast(m.all(h > 0.2, axis=1), "float32"),
        m.cast(m.not_equal(h, z), "float32") + m.cast(m.equal(h, h), "float32"),
        m.cast(m.isnan(m.log(h - 1)), "float32") + m.cast(m.logical_not(h > 0.5), "float32"),
    ]


def cases(m: Any, h: Any, z: Any) -> list[Any]:
    found = []
    for name, case in {**operation_cases.CASES, **operation_cases.STILL}.items():
        if name not in FIXED:
            y = case(m, h, z)
            found += [y if y.dtype in ("float32", np.float32) else m.cast(y, "float32")]
    return found


#: Cases that say how many rows there are, or make others; and those that Keras on JAX cannot run in a model.
FIXED = ("BroadcastTo", "Tensordot", "Sort", "Norm", "Quantile", "Median")
PARTS = {f.__name__: f for f in (arithmetic, functions, shapes, sums, cases)}


def make(library: Any, part: str) -> Any:
    """Every operation of a part behind a Dense layer of positive weights, flat, in one output."""
    L, m = library.layers, library.ops if library is keras else library.math
    x = L.Input((4, 3), name="x")
    h = L.Dense(3, kernel_initializer="ones", name="a")(x) / 4.0
    z = L.Dense(3, kernel_initializer="ones", use_bias=False, name="b")(x[:, ::-1]) / 5.0
    found = [L.Flatten()(y) for y in PARTS[part](m, h, z)]
    net = library.Model(x, L.Concatenate()(found), name="net")
    rng = np.random.default_rng(8)
    net.set_weights([rng.uniform(0.3, 0.9, w.shape).astype("float32") for w in net.get_weights()])
    net.compile(library.optimizers.SGD(1e-3), "mse")
    return net


def test_every_operation_is_held_against_keras() -> None:
    # TrueDivide and Divide are one function; the operators of comparison are functions too
    held = {part.keras_name for name in PARTS for part in make(cellstep, name).operations}
    assert {kind.name for kind in OPERATIONS.values() if kind.arguments and kind.module != "random"} <= held | set(
        FIXED
    )


@pytest.mark.parametrize("part", PARTS)
def test_outputs_steps_and_files(tmp_path: Path, part: str) -> None:
    theirs, ours = make(keras, part), make(cellstep, part)
    wanted = np.asarray(theirs(X))
    np.testing.assert_allclose(ours(X), wanted, rtol=2e-5, atol=2e-5)
    for net in (theirs, ours):
        net.save(tmp_path / f"{net.__module__.partition('.')[0]}.keras")
    np.testing.assert_allclose(cellstep.saving.load_model(tmp_path / "keras.keras")(X), wanted, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "cellstep.keras")(X), wanted, rtol=2e-5, atol=2e-5)
    y = np.zeros_like(wanted)
    before = ours.get_weights()
    for net in (theirs, ours):
        net.train_on_batch(X, y)
    for old, a, b in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a - old, b - old, rtol=2e-4, atol=2e-6)


A = RNG.permutation(np.linspace(0.3, 2.7, 24)).reshape(2, 4, 3).astype("float32")
B = RNG.permutation(np.linspace(0.35, 2.65, 24)).reshape(2, 4, 3).astype("float32")


@pytest.mark.parametrize("name", [*operation_cases.CASES, *operation_cases.STILL])
def test_arrays_give_the_values_and_dtypes_of_keras(name: str) -> None:
    case = {**operation_cases.CASES, **operation_cases.STILL}[name]
    wanted = case(keras.ops, keras.ops.convert_to_tensor(A), keras.ops.convert_to_tensor(B))
    found = case(ops, A, B)
    assert str(found.dtype) == str(wanted.dtype)
    np.testing.assert_allclose(found, np.asarray(wanted), rtol=2e-5, atol=2e-5)


#: Calls on floats, integers, booleans and lists, and functions that make arrays.
CALLS: list[Any] = [
    lambda m: m.zeros((2, 3)),
    lambda m: m.ones((2,), dtype="int32"),
    lambda m: m.full((2, 2), 3),
    lambda m: m.full((2, 2), 0.5),
    lambda m: m.arange(5),
    lambda m: m.arange(1, 7, 2),
    lambda m: m.arange(0.5, 3),
    lambda m: m.arange(3, dtype="float32"),
    lambda m: m.linspace(0, 1, 5),
    lambda m: m.eye(3),
    lambda m: m.eye(2, 3, k=1, dtype="int32"),
    lambda m: m.identity(2),
    lambda m: m.tri(3),
    lambda m: m.zeros_like(np.ones(2, "int32")),
    lambda m: m.full_like(np.ones(2, "float32"), 2),
    lambda m: m.convert_to_tensor(0.5),
    lambda m: m.convert_to_tensor([1, 2]),
    lambda m: m.convert_to_tensor([True, False]),
    lambda m: m.convert_to_tensor([1, 2], dtype="float32"),
    lambda m: m.array([[1.0, 2.0]]),
    lambda m: m.cast([1.7, 2.2], "int32"),
    lambda m: m.sqrt(4),
    lambda m: m.add(1, 2),
    lambda m: m.mean([1, 2, 4]),
    lambda m: m.divide(np.array([1, 2], "int32"), 2),
    lambda m: m.sum(np.array([1, 2], "int32")),
    lambda m: m.sum(np.array([True, True])),
    lambda m: m.prod(np.array([2, 3], "int32")),
    lambda m: m.cumsum(np.array([2, 3], "int32")),
    lambda m: m.mean(np.array([True, False])),
    lambda m: m.max(np.array([2, 3], "int32")),
    lambda m: m.multiply(np.array([1, 2], "int32"), np.array([0.5, 1], "float32")),
    lambda m: m.argmax(np.array([[1.0, 3.0, 2.0]]), axis=-1),
    lambda m: m.top_k(np.array([1.0, 3.0, 2.0], "float32"), 2)[1],
    lambda m: m.one_hot([0, 2], 3),
    lambda m: m.log(np.zeros(1, "float32")),
    lambda m: m.where(np.array([True, False]), 1.0, 0.0),
    lambda m: m.clip(np.array([1, 5], "int32"), 2, 3),
    lambda m: m.norm(np.array([3, 4], "int32")),
    lambda m: m.logsumexp(np.full((2, 2), -np.inf, "float32"), axis=0),
    lambda m: m.abs(-2),
    lambda m: m.nn.relu(np.array([-1.0, 1.0], "float32")),
    lambda m: m.linalg.norm(np.array([3.0, 4.0], "float32")),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_dtypes_of_numbers_and_of_what_is_made_are_those_of_keras(number: int) -> None:
    wanted, found = CALLS[number](keras.ops), CALLS[number](ops)
    assert str(found.dtype) == str(wanted.dtype)
    np.testing.assert_allclose(found, np.asarray(wanted), rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in ops.__all__ if n not in ("convert_to_tensor", "array")])
def test_functions_take_what_those_of_keras_take(name: str) -> None:
    theirs = [p for p in inspect.signature(getattr(keras.ops, name)).parameters.values() if p.kind != p.VAR_KEYWORD]
    ours = list(inspect.signature(getattr(ops, name)).parameters.values())
    if name == "linspace":
        theirs = [p for p in theirs if p.name != "retstep"]
    if name == "where":  # of a condition alone it gives places there, as many as there are
        theirs = [p.replace(default=p.empty) for p in theirs]
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize("name", sorted(set(random.__all__) - {"SeedGenerator"}))
def test_random_functions_have_the_arguments_shapes_and_dtypes_of_keras(name: str) -> None:
    theirs, ours = getattr(keras.random, name), getattr(random, name)
    names = [(p.name, p.default) for p in inspect.signature(theirs).parameters.values()]
    assert names == [(p.name, p.default) for p in inspect.signature(ours).parameters.values()]
    given: dict[str, Any] = {"shape": (2, 3), "minval": 0, "maxval": 9, "rate": 0.5}
    given |= {"num_samples": 4, "logits": X[0], "inputs": X, "x": X}
    options = {key: value for key, value in given.items() if (key, inspect.Parameter.empty) in names}
    wanted, found = theirs(**options, seed=1), ours(**options, seed=1)
    assert (found.shape, str(found.dtype)) == (wanted.shape, str(wanted.dtype))
