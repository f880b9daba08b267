"""Variables and weights as scripts for Keras use them; values are those of Keras 3.15 on JAX."""

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Variable, initializers, layers, optimizers

V = np.arange(6.0, dtype="float32").reshape(2, 3)


def test_operators_compute_with_the_values() -> None:
    v = cellstep.Variable(V)
    found = [v + 1, 1 - v, v * v, 2 / (v + 1), v // 2, v % 2, v**2, v @ V.T, -v, abs(-v), v[0], v[:, 1], v == v]
    wanted = [V + 1, 1 - V, V * V, 2 / (V + 1), V // 2, V % 2, V**2, V @ V.T, -V, V, V[0], V[:, 1], V == V]
    found += [v != 1, v < 3, v <= 3, v > 3, v >= 3, np.exp(v), np.asarray(v, "float64")]
    wanted += [V != 1, V < 3, V <= 3, V > 3, V >= 3, np.exp(V), V.astype("float64")]
    for have, want in zip(found, wanted, strict=True):
        assert type(have) is np.ndarray
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)
    v += 1
    assert type(v) is np.ndarray


def test_in_place_operators_leave_the_variable_as_it_is() -> None:
    v = w = cellstep.Variable(V)
    for operator in ("+", "-", "*", "/", "//", "%", "**"):
        exec(f"v {operator}= 2", {}, names := {"v": w})
        np.testing.assert_array_equal(names["v"], eval(f"V {operator} 2"))
    np.testing.assert_array_equal(w, V)
    assert v is w


def test_assignments_give_the_new_values() -> None:
    v = cellstep.Variable(V)
    np.testing.assert_array_equal(v.assign(V + 1), V + 1)
    np.testing.assert_array_equal(v.assign_add(np.ones((2, 3))), V + 2)
    np.testing.assert_array_equal(v.assign_sub(1.0), V + 1)
    np.testing.assert_array_equal(v.assign(v * 2), 2 * V + 2)
    assert (v.shape, v.ndim, v.dtype, len(v), v.size) == ((2, 3), 2, "float32", 2, 6)
    with pytest.raises(TypeError, match="does not support item assignment"):
        v[0] = 1  # type: ignore[index]


def test_one_number_is_a_number() -> None:
    v = cellstep.Variable(2.5)
    assert (float(v), int(v), bool(v), round(v), f"{v:.2f}") == (2.5, 2, True, 2.0, "2.50")
    with pytest.raises(ValueError, match="ambiguous"):
        bool(cellstep.Variable(V))


@pytest.mark.parametrize(
    ("arguments", "shape", "dtype", "total"),
    [
        (([1, 2, 3],), (3,), "int32", 6),
        (([1.0, 2.0],), (2,), "float32", 3),
        ((1,), (), "int32", 1),
        (([True, False],), (2,), "bool", 1),
        ((V,), (2, 3), "float32", 15),
        (("ones", (2, 3)), (2, 3), "float32", 6),
        (("ones", (2,), "int32"), (2,), "int32", 2),
        ((initializers.Constant(2.0), (2,), "float64"), (2,), "float64", 4),
        ((lambda shape, dtype: np.ones(shape, dtype), (2, 3), "float32", False), (2, 3), "float32", 6),
        ((V, (2, 3), "float64"), (2, 3), "float64", 15),
    ],
)
def test_what_a_variable_is_made_of(arguments: Any, shape: Any, dtype: str, total: float) -> None:
    v = cellstep.Variable(*arguments)
    assert (v.shape, v.dtype, v.numpy().sum(), v.trainable) == (shape, dtype, total, len(arguments) < 4)


def test_variables_have_the_names_that_keras_gives() -> None:
    layers.reset_names()
    made = cellstep.Variable(1), cellstep.Variable(2, name="k"), cellstep.Variable(3)
    assert [repr(v) for v in made] == [
        "<Variable path=variable, shape=(), dtype=int32, value=1>",
        "<Variable path=k, shape=(), dtype=int32, value=2>",
        "<Variable path=variable_1, shape=(), dtype=int32, value=3>",
    ]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: cellstep.Variable(V, (3, 2)), ValueError, "expected the initial variable of shape (3, 2), got (2, 3)"),
        (lambda: cellstep.Variable("a"), ValueError, "initializer must be one of"),
        (lambda: cellstep.Variable(V, dtype="float16"), ValueError, "dtype must be 'float32' or 'float64'"),
        (lambda: cellstep.Variable(None), TypeError, "expected the initial variable to be an array, got None"),
    ],
)
def test_what_no_variable_is_made_of(make: Any, error: type[Exception], message: str) -> None:
    layers.reset_names()
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


class Weighted(layers.Layer):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(name="w")
        self.asked = args, options

    def build(self, input_shape: Any) -> None:
        args, options = self.asked
        self.made = self.add_weight(*args, **options)
        super().build(input_shape)


@pytest.mark.parametrize(
    ("args", "options", "path", "shape", "dtype", "trainable"),
    [
        ((), {}, "w/variable", (), "float32", True),
        (((2,),), {}, "w/variable", (2,), "float32", True),
        (((2, 3), "zeros"), {"name": "q"}, "w/q", (2, 3), "float32", True),
        ((), {"shape": [2], "trainable": False, "initializer": "ones"}, "w/variable", (2,), "float32", False),
        ((), {"shape": (1,), "dtype": "int32", "trainable": False}, "w/variable", (1,), "int32", False),
        ((), {"shape": (1,), "dtype": "float64", "autocast": True, "name": "d"}, "w/d", (1,), "float64", True),
        (("nm", (2, 3)), {}, "w/nm", (2, 3), "float32", True),
        (("nm", (2, 3), "ones", False), {}, "w/nm", (2, 3), "float32", False),
        (("nm",), {"shape": (2,), "initializer": "ones"}, "w/nm", (2,), "float32", True),
        (((2, 3), V), {"aggregation": "mean"}, "w/variable", (2, 3), "float32", True),
    ],
)
def test_weights_are_asked_for_in_either_order(
    args: Any, options: Any, path: str, shape: Any, dtype: str, trainable: bool
) -> None:
    layer = Weighted(*args, **options)
    layer.build((None, 3))
    made = layer.made
    assert [w is made for w in layer.weights] == [True]
    assert (made.path, made.shape, made.dtype, made.trainable) == (path, shape, dtype, trainable)
    assert layer.add_variable(shape=()).name == ("variable_1" if path == "w/variable" else "variable")


def test_constants_are_arrays_too() -> None:
    np.testing.assert_array_equal(initializers.Constant(np.arange(3.0))((2, 3)), [[0, 1, 2]] * 2)
    layer = layers.Embedding(2, 3, embeddings_initializer=initializers.Constant(V))
    np.testing.assert_array_equal(layer(np.array([[1, 0]])), V[None, ::-1])
    again = layers.Embedding.from_config(layer.get_config())
    np.testing.assert_array_equal(again(np.array([[1, 0]])), V[None, ::-1])
    by_keras = {"value": {"class_name": "__numpy__", "config": {"value": [0.0, 1.0], "dtype": "float64"}}}
    np.testing.assert_array_equal(initializers.Constant.from_config(by_keras)((2,)), [0, 1])
    np.testing.assert_array_equal(initializers.get(V)((2, 3)), V)
    with pytest.raises(ValueError, match=r"value must broadcast to \(2, 4\), the weight's, got \(3,\)"):
        initializers.Constant([1, 2, 3.0])((2, 4))


def flags() -> list[Any]:
    """Layers and optimizers with the arguments of theirs that are True or False."""
    found = []
    kinds = [getattr(layers, name) for name in layers.__all__] + [optimizers.SGD, optimizers.Adam]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, layers.Layer | optimizers.Optimizer):
            parameters = inspect.signature(kind).parameters
            names = [
                n for n, p in parameters.items() if isinstance(p.default, bool) and n not in ("use_cudnn", "sparse")
            ]
            required = {n: 2 for n, p in parameters.items() if p.default is p.empty and n in ("units", "filters")}
            required |= {"kernel_size": 1} if "kernel_size" in parameters else {}
            try:
                kind(**required)
            except Exception:
                continue
            found += [pytest.param(kind, required, name, id=f"{kind.__name__}-{name}") for name in names]
    return found


@pytest.mark.parametrize(("kind", "required", "name"), flags())
def test_zero_and_one_are_false_and_true(kind: Any, required: Any, name: str) -> None:
    for value in (0, 1):
        made = []
        for given in (value, np.int64(value), bool(value)):
            try:
                made.append(kind(**required, **{name: given}).get_config().get(name))
            except (NotImplementedError, ValueError) as error:
                made.append(str(error).replace(repr(given), repr(bool(value))))
        assert [repr(m) for m in made] == [repr(made[-1])] * 3


def test_the_learning_rate_is_a_variable() -> None:
    optimizer = optimizers.Adam(0.01)
    rate = optimizer.learning_rate
    assert (float(rate), rate.numpy(), rate.value, rate * 0.5, rate == 0.01, rate < 1) == (
        0.01,
        0.01,
        0.01,
        0.005,
        1,
        1,
    )
    assert (rate.name, rate.path, rate.shape, f"{rate:.3f}") == ("learning_rate", "adam/learning_rate", (), "0.010")
    rate.assign(0.5)
    optimizer.learning_rate.assign(optimizer.learning_rate * 0.1)
    assert float(rate) == optimizer.rate == optimizer.get_config()["learning_rate"] == 0.05
    optimizer.learning_rate = optimizers.SGD(0.2).learning_rate
    assert float(rate) == 0.2
    assert type(optimizer.rate) is float
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert rate.numpy() == 0.1
    with pytest.raises(TypeError, match=r"learning_rate cannot be set to 0\.1: it follows the schedule"):
        rate.assign(0.1)
    for wrong, error in ((-1.0, ValueError), ([0.1, 0.2], ValueError), ("fast", TypeError)):
        with pytest.raises(error, match="learning_rate"):
            optimizers.SGD().learning_rate.assign(wrong)
    assert float(pickle.loads(pickle.dumps(optimizers.SGD(0.3).learning_rate))) == 0.3


def test_the_updates_done_are_a_variable() -> None:
    optimizer = optimizers.SGD(1.0)
    done = optimizer.iterations
    v = cellstep.Variable([1.0, 2.0])
    optimizer.apply([[1, 1]], [v])
    assert (int(done), done.numpy(), done.name, done.path, done + 1) == (1, 1, "iteration", "sgd/iteration", 2)
    optimizer.iterations.assign(7)
    assert (optimizer.updates, optimizer.calls_of_each) == (7, [7])
    optimizer.iterations = 3
    assert int(done) == 3


def test_numpy_cannot_write_into_a_variable() -> None:
    """It would not be told: what remembers the values compares versions."""
    variable = Variable(np.zeros(2))
    for write in (lambda: np.add.at(variable, [0], 1), lambda: np.add(np.ones(2), 1, out=variable)):
        with pytest.raises(TypeError, match="out of add must be an array, got variable; assign changes a variable"):
            write()
    assert not variable.numpy().any()


MADE: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Variable(2**40), ValueError, "to hold values that int32 can hold, got 1099511627776"),
    (lambda: Variable(1e40), ValueError, r"to hold values that float32 can hold, got 1e\+40"),
    (lambda: Variable(1).assign(2**40), ValueError, "to hold values that int32 can hold, got 1099511627776"),
    (lambda: Variable("zeros", shape=3), TypeError, "must be a tuple of known sizes, got 3"),
    (lambda: Variable("zeros", shape=(None, 2)), TypeError, r"must be a tuple of known sizes, got \(None, 2\)"),
    (lambda: Variable(1.0, name=3), TypeError, "name must be a string, got 3"),  # type: ignore[arg-type]
    (lambda: Variable(1.0, trainable="no"), TypeError, "trainable must be True or False, got 'no'"),  # type: ignore[arg-type]
    (lambda: Variable(1.0).assign_add("a"), TypeError, "to hold real numbers, got dtype <U1, a string"),
    (lambda: Variable(1.0).assign_sub(None), TypeError, "to be an array, got None"),
    (lambda: Variable([1.0, 2]).assign_add(np.ones((2, 2))), ValueError, r"of shape \(2,\), got \(2, 2\)"),
]


@pytest.mark.parametrize(("make", "error", "message"), MADE)
def test_what_a_variable_cannot_be(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("make", [initializers.Constant, initializers.get])
def test_a_variable_is_an_initializer_as_its_array(make: Any) -> None:
    assert make(Variable([1.0, 2.0]))((3, 2)).tolist() == [[1, 2]] * 3
