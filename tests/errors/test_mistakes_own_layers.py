"""Layers, cells and models of the user's own that are not quite what they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
from mistakes import Row, X, check, check_form, rows

from cellstep import Input, Model, Sequential, layers


class Nothing(layers.Layer):
    """Writes no forward."""


class Alone(layers.Layer):
    """Returns outputs without a pullback: an array of two rows would else be taken for both."""

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        return x


class Called(layers.Layer):
    """Its `call` is NumPy's."""

    def call(self, x: Any) -> Any:  # type: ignore[override]
        return np.sort(x)


class Forgot(layers.Layer):
    """Its constructor does not call the one above."""

    def __init__(self) -> None:
        self.k = 3


class ForgotModel(Model):
    def __init__(self) -> None:
        self.head = layers.Dense(2)


class Silent(Model):
    """Its call returns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.head = layers.Dense(2)

    def call(self, x: Any) -> Any:  # type: ignore[override]
        self.head(x)


class Cell:
    """A cell whose forward gives whatever it is told."""

    def __init__(self, state_size: Any, given: Any = None) -> None:
        self.state_size, self.given = state_size, given

    def forward(self, x: Any, states: Any, training: bool = False) -> Any:
        return self.given

    def __repr__(self) -> str:
        return "<Cell>"


TABLE: list[Row] = [
    (
        "layer without forward",
        lambda: Nothing()(X),
        NotImplementedError,
        (
            "Nothing must write call(x, ...) with layers, operators and functions of cellstep.ops, or forward(x, ...)"
            " -> (y, pullback)"
        ),
    ),
    (
        "call of NumPy",
        lambda: Called()(X),
        TypeError,
        (
            "Called.call of called is run once with tensors, to see what it computes, and <SymbolicTensor x (None, "
            "None, 3) float32> has no values before a model runs: call layers on it, or functions of cellstep.ops"
        ),
    ),
    (
        "call of NumPy, on tensors",
        lambda: type("Draw", (Called,), {})()(Input((3,))),
        TypeError,
        (
            "Draw.call of draw is run once with tensors, to see what it computes, and <SymbolicTensor input_layer "
            "(None, 3) float32> has no values before a model runs: call layers on it, or functions of cellstep.ops"
        ),
    ),
    (
        "call that asks whether",
        lambda: type("Asks", (layers.Layer,), {"call": lambda self, x: x if x > 0 else -x})()(X),
        TypeError,
        (
            "Asks.call of asks is run once with tensors, to see what it computes, and <SymbolicTensor greater (None, "
            "None, 3) bool> has no values before a model runs: let functions of cellstep.ops, such as where, choose "
            "between values"
        ),
    ),
    (
        "call of an array's methods",
        lambda: type("Means", (layers.Layer,), {"call": lambda self, x: x.mean(1)})()(X),
        TypeError,
        (
            "Means.call of means is run once with tensors, to see what it computes, and <SymbolicTensor x (None, None, "
            "3) float32> has no attribute 'mean': call layers on it, or functions of cellstep.ops"
        ),
    ),
    (
        "forward without pullback",
        lambda: Alone()(X),
        TypeError,
        "Alone.forward must return (y, pullback), got ndarray",
    ),
    (
        "two rows without pullback",
        lambda: Sequential([Input((None, 3)), Alone(name="b")]).predict(X[:2], verbose=0),
        TypeError,
        "Alone.forward must return (y, pullback), got ndarray",
    ),
    (
        "name of a weight",
        lambda: layers.Dense(2).add_weight((3,), "ones", name=3),
        TypeError,
        "name must be a string, got 3",
    ),
    (
        "shape of a weight",
        lambda: layers.Dense(2).add_weight((None, 2), name="w"),
        TypeError,
        "shape of w must be a tuple of known sizes, got (None, 2)",
    ),
    (
        "gradients of a weight",
        lambda: layers.Dense(2).add_weight((2,), overwrite_with_gradient=True),
        NotImplementedError,
        "overwrite_with_gradient is not built yet; expected False",
    ),
    ("no super in a layer", Forgot, RuntimeError, "Forgot.__init__ must call super().__init__() first"),
    ("no super in a model", ForgotModel, RuntimeError, "ForgotModel.__init__ must call super().__init__() first"),
    (
        "call that returns nothing",
        lambda: Silent()(X),
        TypeError,
        (
            "what Silent.call returns must be symbolic tensors, such as Input(...) or what layers give for it, got "
            "NoneType"
        ),
    ),
    (
        "cell with a word for state_size",
        lambda: layers.RNN(Cell("3")),
        TypeError,
        "state_size of the cell must be a positive integer, got '3'",
    ),
    (
        "cell without state_size",
        lambda: layers.RNN(Cell(None)),
        ValueError,
        "cell must have state_size, one integer or one for each state, got none in <Cell>",
    ),
    (
        "cell that gives one array",
        lambda: layers.RNN(Cell(3, np.ones(3)))(X),
        ValueError,
        "expected forward of <Cell> to give ((y, new_states), pullback)",
    ),
    (
        "cell with states of another width",
        lambda: layers.RNN(Cell(3, ((X[:, 0], [X[:, 0, :2]]), abs)))(X),
        ValueError,
        "expected a state from forward of <Cell> of shape (4, 3), got (4, 2)",
    ),
    (
        "cell with a state too few",
        lambda: layers.RNN(Cell([3, 3], ((X[:, 0], [X[:, 0]]), abs)))(X),
        ValueError,
        "expected forward of <Cell> to give 2 states, got 1",
    ),
]


@rows(TABLE)
def test_the_sentence(make: Any, error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    names_no_argument = {"two rows without pullback", "no super in a layer", "no super in a model"}
    check_form([row for row in TABLE if row[0] not in names_no_argument])
