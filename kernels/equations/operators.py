"""What a step may compute of its values, unit by unit: each operator with its function in NumPy and its slopes.

A slope is itself a graph: `slope(g, d, y, *arguments)` gives for each argument the gradient that it gets from d, the
gradient of the outcome y, or None for none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..cells import ACTIVATIONS
from ..reference.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE, SHRINK, sigmoid

if TYPE_CHECKING:
    from .graph import Graph

Slope = Callable[..., tuple[int | None, ...]]


class Operator(NamedTuple):
    """One operator.

    Attributes:
        function: of arrays. slope: see above; None where the outcome is a truth value.
        costly: whether it takes a processor many instructions, so that its outcome is kept rather than made again.
    """

    function: Callable[..., Any]
    slope: Slope | None
    costly: bool = False


_erfc = np.frompyfunc(math.erfc, 1, 1)


def erfc(v: Any) -> Any:
    """1 - erf, in v's dtype."""
    return np.asarray(_erfc(np.asarray(v, np.float64)), np.asarray(v).dtype)


def _less(g: Graph, d: int, y: int, a: int, b: int) -> tuple[int | None, ...]:
    """Of the lesser of two: all to the first one where they are equal."""
    first = g.add("less_equal", a, b)
    return g.where(first, d, 0.0), g.where(first, 0.0, d)


def _greater(g: Graph, d: int, y: int, a: int, b: int) -> tuple[int | None, ...]:
    first = g.add("greater_equal", a, b)
    return g.where(first, d, 0.0), g.where(first, 0.0, d)


def _divide(g: Graph, d: int, y: int, a: int, b: int) -> tuple[int | None, ...]:
    share = g.add("divide", d, b)
    return share, g.add("negative", g.add("multiply", share, y))


def _absolute(g: Graph, d: int, y: int, v: int) -> tuple[int | None, ...]:
    zero = g.constant(0.0)
    down = g.where(g.add("less", v, zero), g.add("negative", d), 0.0)
    return (g.where(g.add("greater", v, zero), d, down),)


def _times(factor: Callable[..., int]) -> Slope:
    """The slope of a function of one argument, as a factor of (g, y, v)."""
    return lambda g, d, y, v: (g.add("multiply", d, factor(g, y, v)),)


def _minus(g: Graph, a: float | int, b: int) -> int:
    return g.add("subtract", g.constant(a), b)


OPERATORS: dict[str, Operator] = {
    "add": Operator(np.add, lambda g, d, y, a, b: (d, d)),
    "subtract": Operator(np.subtract, lambda g, d, y, a, b: (d, g.add("negative", d))),
    "multiply": Operator(np.multiply, lambda g, d, y, a, b: (g.add("multiply", d, b), g.add("multiply", d, a))),
    "divide": Operator(np.true_divide, _divide, True),
    "minimum": Operator(np.minimum, _less),
    "maximum": Operator(np.maximum, _greater),
    "negative": Operator(np.negative, lambda g, d, y, v: (g.add("negative", d),)),
    "absolute": Operator(np.absolute, _absolute),
    "exp": Operator(np.exp, _times(lambda g, y, v: y), True),
    "expm1": Operator(np.expm1, _times(lambda g, y, v: g.add("add", y, g.constant(1.0))), True),
    "log": Operator(np.log, lambda g, d, y, v: (g.add("divide", d, v),), True),
    "log1p": Operator(np.log1p, lambda g, d, y, v: (g.add("divide", d, g.add("add", v, g.constant(1.0))),), True),
    "sqrt": Operator(np.sqrt, lambda g, d, y, v: (g.add("divide", d, g.add("add", y, y)),), True),
    "sin": Operator(np.sin, _times(lambda g, y, v: g.add("cos", v)), True),
    "cos": Operator(np.cos, _times(lambda g, y, v: g.add("negative", g.add("sin", v))), True),
    "tanh": Operator(np.tanh, _times(lambda g, y, v: _minus(g, 1.0, g.add("multiply", y, y))), True),
    "sigmoid": Operator(sigmoid, _times(lambda g, y, v: g.add("multiply", y, _minus(g, 1.0, y))), True),
    "erfc": Operator(
        erfc,
        _times(
            lambda g, y, v: g.add(
                "multiply",
                g.constant(-2 / math.sqrt(math.pi)),
                g.add("exp", g.add("negative", g.add("multiply", v, v))),
            )
        ),
        True,
    ),
    "where": Operator(np.where, lambda g, d, y, c, a, b: (None, g.where(c, d, 0.0), g.where(c, 0.0, d))),
    # the sum over the units of a row; what it gives is one number a row, which broadcasts
    "total": Operator(lambda v: v.sum(-1, keepdims=True), lambda g, d, y, v: (d,), True),
    "less": Operator(np.less, None),
    "less_equal": Operator(np.less_equal, None),
    "greater": Operator(np.greater, None),
    "greater_equal": Operator(np.greater_equal, None),
    "equal": Operator(np.equal, None),
    "not_equal": Operator(np.not_equal, None),
    "logical_and": Operator(np.logical_and, None),
    "logical_or": Operator(np.logical_or, None),
    "logical_not": Operator(np.logical_not, None),
}


class _Formula:
    """Values with Python's operators, for the formulas below."""

    def __init__(self, g: Graph, at: int) -> None:
        self.g, self.at = g, at

    def of(self, op: str, *others: Any, back: bool = False) -> _Formula:
        nodes = [other.at if isinstance(other, _Formula) else self.g.constant(other) for other in others]
        return _Formula(self.g, self.g.add(op, *([*nodes, self.at] if back else [self.at, *nodes])))

    def __add__(self, other: Any) -> _Formula:
        return self.of("add", other)

    def __sub__(self, other: Any) -> _Formula:
        return self.of("subtract", other)

    def __mul__(self, other: Any) -> _Formula:
        return self.of("multiply", other)

    def __truediv__(self, other: Any) -> _Formula:
        return self.of("divide", other)

    def __rtruediv__(self, other: Any) -> _Formula:
        return self.of("divide", other, back=True)

    def __neg__(self) -> _Formula:
        return self.of("negative")

    def where(self, yes: Any, no: Any) -> _Formula:
        return self.of("where", yes, no)


def _clip(v: _Formula, low: float, high: float) -> _Formula:
    """Between two numbers, without a slope at either."""
    return v.of("greater", low).where(v.of("less", high).where(v, high), low)


def _elu(v: _Formula) -> _Formula:
    return v.of("greater", 0.0).where(v, v.of("minimum", 0.0).of("expm1"))


def _softplus(v: _Formula) -> _Formula:
    return v.of("maximum", 0.0) + (-v.of("absolute")).of("exp").of("log1p")


def _squareplus(v: _Formula) -> _Formula:
    root = (v * v + 4.0).of("sqrt")
    return v.of("less", 0.0).where(2.0 / (root - v), (v + root) * 0.5)


def _sparse_plus(v: _Formula) -> _Formula:
    r = (v.of("maximum", -1.0) + 1.0) * 0.5
    return v.of("less", 1.0).where(r * r, v)


#: Activations that are no operator of their own.
_FORMULAS: dict[str, Callable[[_Formula], _Formula]] = {
    "linear": lambda v: v,
    "relu": lambda v: v.of("greater", 0.0).where(v, 0.0),
    "hard_sigmoid": lambda v: _clip(v + 3.0, 0.0, 6.0) * (1 / 6),
    "softsign": lambda v: v / (v.of("absolute") + 1.0),
    "elu": _elu,
    "selu": lambda v: v.of("greater", 0.0).where(v, v.of("minimum", 0.0).of("expm1") * SELU_ALPHA) * SELU_SCALE,
    "softplus": _softplus,
    "exponential": lambda v: v.of("exp"),
    "relu6": lambda v: _clip(v, 0.0, 6.0),
    "leaky_relu": lambda v: v.of("greater", 0.0).where(v, v * LEAKY_SLOPE),
    "hard_tanh": lambda v: _clip(v, -1.0, 1.0),
    "celu": _elu,
    "log_sigmoid": lambda v: -_softplus(-v),
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": lambda v: _clip(v + 1.0, 0.0, 2.0) * 0.5,
    "soft_shrink": lambda v: v - _clip(v, -SHRINK, SHRINK),
    "hard_shrink": lambda v: v.of("absolute").of("less_equal", SHRINK).where(0.0, v),
    "gelu": lambda v: v * (v * -math.sqrt(0.5)).of("erfc") * 0.5,
    "silu": lambda v: v * v.of("sigmoid"),
    "hard_silu": lambda v: v * (_clip(v + 3.0, 0.0, 6.0) * (1 / 6)),
    "mish": lambda v: v * _softplus(v).of("tanh"),
    "tanh_shrink": lambda v: v - v.of("tanh"),
}
assert {*_FORMULAS, "tanh", "sigmoid"} == set(ACTIVATIONS)


def activation(g: Graph, name: str, at: int) -> int:
    """The node of an activation of the contract."""
    return g.add(name, at) if name in OPERATORS else _FORMULAS[name](_Formula(g, at)).at
