"""Cells written as their equations: gradients, agreement with the built-in cells, and all that a layer does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written import NAMES

from cellstep import Cell, Input, Sequential, activations, cells, kernels, layers, models, ops, testing, use_backend
from cellstep.activations import sigmoid

X = np.random.default_rng(0).standard_normal((3, 6, 2))

GELU = {"activation": "gelu", "recurrent_activation": "hard_sigmoid"}
#: A cell, the built-in one that it is, and options of both.
PAIRS: list[tuple[str, Any, dict[str, Any]]] = [
    ("WrittenRNN", layers.SimpleRNNCell, {}),
    ("WrittenLSTM", layers.LSTMCell, {}),
    ("WrittenLSTM", layers.LSTMCell, GELU),
    ("WrittenGRU", layers.GRUCell, {}),
    ("WrittenGRU", layers.GRUCell, {"reset_after": False}),
]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_with_finite_differences(name: str, written: dict[str, Any]) -> None:
    testing.check_cell(written[name])


def test_gradients_of_a_product_of_what_the_step_made(written: dict[str, Any]) -> None:
    testing.check_cell(written["WrittenGRU"](4, reset_after=False))


def run(cell: Any, backend: kernels.Backend, weights: list[Any]) -> list[Any]:
    """Outputs and all gradients of a cell in a layer, with a mask and recurrent dropout left out."""
    with use_backend(backend.name):
        layer = layers.RNN(cell, return_sequences=True)
        layer.build(X.shape)
        cell.set_weights(weights)
        y, back = layer.forward(X, mask=np.arange(6) < np.array([[6], [3], [5]]))
        for w in cell.weights:
            w.zero_grad()
        return [y, back(np.cos(y)), *(w.grad for w in cell.weights)]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_masked_step_holds_reaches_nothing(name: str, backend: kernels.Backend, written: dict[str, Any]) -> None:
    cell, rng = written[name](5, dtype="float64"), np.random.default_rng(0)
    mask, found = rng.random((3, 6)) > 0.4, []
    for outside in (0.0, np.nan, np.inf):
        with use_backend(backend.name):
            layer = layers.RNN(cell, return_sequences=True)
            layer.build(X.shape)
            y, back = layer.forward(np.where(mask[..., None], X, outside), mask=mask)
            for w in cell.weights:
                w.zero_grad()
            found.append([y, back(np.cos(y)), *(w.grad for w in cell.weights)])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("states", ["q", "p q"])
def test_states_may_be_called_anything(states: str) -> None:
    def step(self: Any, z: Any, *now: Any) -> Any:
        return tuple(np.tanh(z.f + now[-1] * (k + 1)) for k in range(len(now)))

    testing.check_cell(type("Named", (Cell,), {"gates": "f", "states": states, "step": step}))


def test_a_step_of_hundreds_of_operations() -> None:
    class Long(Cell):
        gates = "n"

        def step(self, z: Any, h: Any) -> Any:
            value = z.n
            for i in range(300):
                value = value * 0.99 + h * (i / 1000)
            return np.tanh(value)

    testing.check_cell(Long, steps=2, units=2)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join([pair[0], *map(str, pair[2].values())]))
def test_the_same_as_the_built_in_cell(pair: Any, backend: kernels.Backend, written: dict[str, Any]) -> None:
    name, kind, options = pair
    ours, built_in = written[name](5, dtype="float64", **options), kind(5, dtype="float64", **options)
    layers.RNN(built_in).build(X.shape)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(w.shape) for w in built_in.weights]
    for mine, theirs in zip(run(ours, backend, weights), run(built_in, backend, weights), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_of_its_own_trains_streams_and_is_saved(name: str, tmp_path: Path, written: dict[str, Any]) -> None:
    cell = written[name]
    model = Sequential(
        [Input((6, 2)), layers.Bidirectional(cell.Layer(3, return_sequences=True)), cell.Layer(4), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    x, y = X.astype("float32"), X[:, 0, :1].astype("float32")
    history = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    one = Sequential([Input((None, 2)), layers.RNN(cell(3), return_sequences=True), layers.Dense(1)])
    stream, whole = one.stream(3), one.predict(x, verbose=0)
    for t in range(6):
        np.testing.assert_allclose(stream.step(x[:, t]), whole[:, t], atol=1e-6)
    assert pickle.loads(pickle.dumps(stream)).step(x[:, 0]).shape == (3, 1)


def test_hyperparameters_are_arguments(written: dict[str, Any]) -> None:
    WrittenLSTM = written["WrittenLSTM"]
    cell = WrittenLSTM(4, activation="relu", seed=3)
    assert cell.get_config()["activation"] == "relu"
    assert WrittenLSTM.from_config(cell.get_config()).contract is cell.contract
    assert WrittenLSTM(2).contract is WrittenLSTM.contract is not cell.contract
    with pytest.raises(TypeError, match="WrittenLSTM takes no argument actvation"):
        WrittenLSTM(4, actvation="relu")


def test_weights_follow_from_the_step(written: dict[str, Any]) -> None:
    cell = written["WrittenGRU"](4)
    cell.build((None, 2))
    assert [(w.name, w.shape) for w in cell.weights] == [
        ("kernel", (2, 12)),
        ("recurrent_kernel", (4, 12)),
        ("bias", (2, 12)),
    ]


def refused(body: str, kind: Any, match: str, tmp_path: Path) -> None:
    head = "import math\nimport numpy as np\nfrom cellstep import Cell\nclass Wrong(Cell):\n    gates = 'f n'\n"
    text = f"{head}    def step(self, z, h):\n        {body}\n"
    file = tmp_path / "wrong_cell.py"
    file.write_text(text)
    with pytest.raises(kind, match=match) as error:
        exec(compile(text, str(file), "exec"), {"__name__": "wrong_cell", "__qualname__": "wrong"})
    assert f"{file}:" in str(error.value), error.value


def test_functions_of_ops_are_those_of_numpy_and_the_activations() -> None:
    class ByOps(Cell):
        gates = "f n"

        def step(self, z: Any, h: Any) -> Any:
            f = ops.clip(ops.sigmoid(z.f), 0.1, 0.9)
            return ops.where(ops.maximum(z.n, h) > 0, f * h, ops.tanh(z.n) + ops.softplus(h))

    class ByNumPy(Cell):
        gates = "f n"

        def step(self, z: Any, h: Any) -> Any:
            f = np.clip(activations.sigmoid(z.f), 0.1, 0.9)
            return np.where(np.maximum(z.n, h) > 0, f * h, np.tanh(z.n) + activations.softplus(h))

    assert ByOps.row({}).equations.key == ByNumPy.row({}).equations.key  # type: ignore[union-attr]
    with pytest.raises(TypeError, match="softmax is not among the elementwise functions"):

        class Wrong(Cell):
            gates = "f"

            def step(self, z: Any, h: Any) -> Any:
                return ops.softmax(z.f)


def test_a_step_is_a_function() -> None:
    with pytest.raises(TypeError, match=r"step of Wrong must be a function step\(self, z, ...\), got 'h'"):
        type("Wrong", (Cell,), {"gates": "f", "step": "h"})


WRONG: list[tuple[str, Any, str]] = [
    ("if z.f > 0: return z.n", TypeError, "cannot branch"),
    ("return z.n if z.f else h", TypeError, "cannot branch"),
    ("return np.sum(z.f) * z.n", TypeError, "sum is not among the elementwise functions"),
    ("return np.add.reduce(z.f) * z.n", TypeError, "add.reduce is not among"),
    ("return np.sort(z.f) * z.n", TypeError, "sort is not among"),
    ("return (z.f @ h) * z.n", TypeError, "a step is elementwise: write self.product"),
    ("return z.f * '2' + z.n", TypeError, "expected multiply of values of the step and numbers, got str"),
    ("return z.f * None + z.n", TypeError, "expected multiply of values of the step and numbers, got NoneType"),
    ("return z.f * 1j + z.n", TypeError, "expected multiply of values of the step and numbers, got complex"),
    ("return z.f + np.nan * z.n", ValueError, "expected multiply of values of the step and numbers, got NaN"),
    ("return z.f ** np.inf + z.n", ValueError, "expected a power with a finite number, got inf"),
    ("return np.floor(z.f) * z.n", ValueError, "floor has no derivative"),
    ("return np.sign(z.f) * z.n", ValueError, "sign has no derivative"),
    ("return np.where(z.f > 0, 1.0, -1.0) * z.n", ValueError, "where of two numbers has no derivative but zero"),
    ("return z.f / 0 + z.n", ZeroDivisionError, "expected divide with a divisor besides 0"),
    ("return z.f + np.divide(z.n, np.float64(0))", ZeroDivisionError, "expected divide with a divisor besides 0"),
    ("return (z.f > 0) * z.n", TypeError, "a comparison has no derivative"),
    ("return np.tanh(z.f > 0) * z.n", TypeError, "a comparison has no derivative"),
    ("return np.where(z.f, z.n, h)", TypeError, "expected the condition of where to be a comparison"),
    ("return math.tanh(z.f) * z.n", TypeError, "use functions of NumPy, not of math"),
    ("return z.f * z.n, h", ValueError, r"to return 1 states \(h\), got 2"),
    ("return None", TypeError, "return h as a value of the step, got None"),
    ("return 2.0", TypeError, "return h as a value of the step, got 2.0"),
    ("return z.f * z.q", AttributeError, "expected z with a gate of f, n, got z.q"),
    ("return z.f * z.x.q", AttributeError, "got z.x.q"),
    ("return sigmod(z.f) * z.n", NameError, "name 'sigmod' is not defined"),
    ("return self.tau * z.f * z.n", AttributeError, "no attribute 'tau'"),
    ("return z.f * h", ValueError, "does not use z.n"),
    ("return z.f * self.product(h, 'n')", ValueError, "does not use z.n"),
    ("return z.f * (z.x.n + self.product(h, 'q'))", ValueError, "expected product with gates of f, n, got 'q'"),
    ("return z.f * (z.n + self.product(h, 'n'))", ValueError, "gate n has a product with U already"),
    ("return z.f * (self.product(h, 'n') + z.n)", TypeError, "take z.x.n of it"),
    ("return z.f * (z.x.n + self.product(2.0, 'n'))", TypeError, "expected product of a value"),
    ("return z.f[0] * z.n", TypeError, "has no parts"),
    ("a, b = z.f; return a * z.n", TypeError, "cannot be unpacked"),
    ("return z.f ** z.n", TypeError, "expected a power with a number"),
    ("return z.f * np.ones(3) * z.n", TypeError, "values of the step and numbers"),
]


@pytest.mark.parametrize(("body", "kind", "match"), WRONG, ids=[body for body, *_ in WRONG])
def test_what_no_step_may_do(body: str, kind: Any, match: str, tmp_path: Path) -> None:
    before = list(kernels.CELLS)
    refused(body, kind, match, tmp_path)
    assert list(kernels.CELLS) == before


def test_other_arguments_than_states() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'c'"):

        class Wrong(Cell):
            gates = "f"

            def step(self, z: Any, h: Any, c: Any) -> Any:
                return sigmoid(z.f) * c


def test_gates_are_wanted() -> None:
    with pytest.raises(ValueError, match="expected Wrong with gates such as 'f n', a letter each, got ''"):

        class Wrong(Cell):
            def step(self, z: Any, h: Any) -> Any:
                return h


WORDS: list[tuple[dict[str, Any], Any, str]] = [
    ({"gates": "fn"}, ValueError, "gates such as 'f n', a letter each, got 'fn'"),
    ({"gates": "f f"}, ValueError, "expected gates of Wrong to be names that differ, got 'f f'"),
    ({"gates": "f x"}, ValueError, "besides x and h, which are parts of z"),
    ({"states": "x"}, ValueError, "expected states of Wrong besides x, which is the input, got 'x'"),
    ({"vectors": "W"}, ValueError, "vectors, hyperparameters and sizes of Wrong by names of their own, got 'W'"),
    (
        {"vectors": "product"},
        ValueError,
        "vectors, hyperparameters and sizes of Wrong by names of their own, got 'product'",
    ),
    ({"lambda": 1.0}, ValueError, "vectors, hyperparameters and sizes of Wrong by names of their own, got 'lambda'"),
    ({"self": 1.0}, ValueError, "vectors, hyperparameters and sizes of Wrong by names of their own, got 'self'"),
    ({"gates": ("f",)}, TypeError, r"expected gates of Wrong as a text such as 'f n', got \('f',\)"),
    ({"gates": "a b c d e f g i j k l m n o p q r"}, ValueError, "expected Wrong with 1 to 16 gates, got 17"),
    ({"states": ""}, ValueError, "expected Wrong with 1 to 14 states, got 0"),
    ({"states": "h h"}, ValueError, "expected states of Wrong to be names that differ"),
    ({"states": "a b c d e f g i j k l m n o p"}, ValueError, "expected Wrong with 1 to 14 states, got 15"),
    ({"vectors": ["p"]}, TypeError, "expected vectors of Wrong as names or a dictionary"),
    ({"vectors": "a-b"}, ValueError, "expected vectors of Wrong to be names that differ"),
    ({"vectors": "kernel"}, ValueError, "by names of their own, got 'kernel'"),
    ({"vectors": "p", "p": 1.0}, ValueError, "by names of their own, got 'p'"),
    ({"units": 3}, ValueError, "by names of their own, got 'units'"),
]


@pytest.mark.parametrize(("words", "kind", "match"), WORDS, ids=[match for *_, match in WORDS])
def test_words_that_say_nothing(words: dict[str, Any], kind: Any, match: str) -> None:
    def step(self: Any, z: Any, h: Any) -> Any:
        return np.tanh(z.f)

    with pytest.raises(kind, match=match):
        type("Wrong", (Cell,), {"gates": "f", "step": step, **words})


def test_a_class_that_is_defined_again_has_its_own_words() -> None:
    def kind(**words: Any) -> Any:
        def step(self: Any, z: Any, h: Any) -> Any:
            return np.tanh(z.f)

        return type("Again", (Cell,), {"gates": "f", "step": step, **words})

    first, second = kind()(2), kind(gate_names={"f": "candidate"}, roles={"f": "store"})(2)
    assert [cell.contract.gates[0].name for cell in (first, second)] == ["f", "candidate"]
    assert second.contract.gates[0].role == "store"


def test_the_base_has_no_step() -> None:
    with pytest.raises(TypeError, match="Cell has no step"):
        Cell(4)


def test_a_subclass_and_a_constructor_of_ones_own(written: dict[str, Any]) -> None:
    class Slow(written["WrittenRNN"]):  # type: ignore[misc]
        rate = 0.5

        def __init__(self, units: int, rate: float = 0.25, **options: Any) -> None:
            super().__init__(units=units, rate=rate / 2, **options)

        def step(self, z: Any, h: Any) -> Any:
            return (1 - self.rate) * h + self.rate * super().step(z, h)

    cell = Slow(4, rate=0.4)
    assert cell.rate == 0.2
    testing.check_cell(cell, backends=["numpy"])
    with pytest.raises(TypeError, match="rate of Slow must be a number"):
        type("Slow", (written["Diagonal"],), {"rate": 1.0})(3, rate=[1])


def test_where_nothing_compiles_equations(monkeypatch: pytest.MonkeyPatch, written: dict[str, Any]) -> None:
    from cellstep.cells import cell

    monkeypatch.setattr(cell, "has_vector_code", lambda: False)
    cell._say_slow.cache_clear()
    with pytest.warns(RuntimeWarning, match=r"run in NumPy here, slowly: pip install 'cellstep\[numba\]'"):
        written["WrittenRNN"](4)
    written["WrittenRNN"](4)  # once
    monkeypatch.undo()
    cell._say_slow.cache_clear()


@pytest.mark.parametrize(
    "options",
    [{"zero_output_for_mask": True}, {"trainable_initial_state": True}, {"recompute": True}, {"unroll": True}],
    ids=str,
)
def test_layers_keep_their_options(options: dict[str, Any]) -> None:
    layer = cells.MGU.Layer(4, return_sequences=True, **options)
    (name, value), *_ = options.items()
    assert layer.get_config()[name] == value
    copy = type(layer).from_config(layer.get_config())
    assert getattr(copy, name) == value
