"""Symbols: what a cell's `step` is run with, to see what it computes.

A symbol stands for one number a unit, or for one a row where it is a total. Operators, NumPy's elementwise functions
and `cellstep.activations` take symbols and give symbols.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from .. import kernels
from ..configured import PACKAGE
from ..kernels.equations.graph import Graph
from ..kernels.equations.operators import OPERATORS, activation

#: NumPy's functions that are operators by other names, or formulas of them.
_NAMES = {"true_divide": "divide", "abs": "absolute", "fabs": "absolute"}
_FORMULAS: dict[str, Callable[..., Any]] = {
    "square": lambda v: v * v,
    "reciprocal": lambda v: 1.0 / v,
    "positive": lambda v: v,
    "power": lambda v, n: v**n,
    "clip": lambda v, a_min=None, a_max=None, **named: _clip(v, named.get("min", a_min), named.get("max", a_max)),
    "exp2": lambda v: np.exp(v * float(np.log(2.0))),
    "log2": lambda v: np.log(v) * float(1 / np.log(2.0)),
    "sinh": lambda v: (np.expm1(v) - np.expm1(-v)) * 0.5,
    "cosh": lambda v: (np.exp(v) + np.exp(-v)) * 0.5,
}
#: What z has the parts of, which no gate is called.
PARTS = ("x", "h")
#: Functions that are flat between jumps.
_FLAT = (
    "floor",
    "ceil",
    "trunc",
    "rint",
    "sign",
    "round",
    "around",
    "floor_divide",
    "heaviside",
    "mod",
    "remainder",
    "fmod",
)


def _clip(v: Symbol, low: Any, high: Any) -> Any:
    v = v if low is None else np.maximum(v, low)
    return v if high is None else np.minimum(v, high)


def user_line() -> str:
    """The line of the user's code that runs now: "file.py:12, `h = ...`"."""
    frame = sys._getframe(1)
    while frame.f_back is not None and f"{frame.f_globals.get('__name__', '')}.".startswith((PACKAGE, "numpy.")):
        frame = frame.f_back
    return _said(frame.f_code.co_filename, frame.f_lineno)


def _said(file: str, number: int) -> str:
    linecache.checkcache(file)
    code = linecache.getline(file, number).strip()
    return f"{file}:{number}" + (f", `{code}`" if code else "")


def line_of(error: BaseException, function: Any) -> str:
    """The line of a function's code in which an error came up, or went through."""
    trace, found = error.__traceback__, function.__code__.co_firstlineno
    while trace is not None:
        if trace.tb_frame.f_code is function.__code__:
            found = trace.tb_lineno
        trace = trace.tb_next
    return _said(function.__code__.co_filename, found)


def refuse(sentence: str, kind: type[Exception] = TypeError) -> NoReturn:
    """Raise an error that says which line of the user's it is about."""
    error: Any = kind(f"{sentence}, in {user_line()}")
    error.said = True
    raise error


def _operator(op: str, back: bool = False) -> Callable[[Any, Any], Any]:
    return lambda v, other: v.apply(op, *((other, v) if back else (v, other)))


class Symbol:
    """A value of a step.

    Attributes:
        graph: that it is a node of. at: which node. truth: whether it is a truth value, of a comparison. size: what its
            numbers are counted by, if not by units: it has no functions then.
    """

    __array_priority__ = 1000

    def __init__(self, graph: Graph, at: int, size: str = "") -> None:
        self.graph, self.at, self.size = graph, at, size

    @property
    def truth(self) -> bool:
        operator = OPERATORS.get(self.graph.nodes[self.at].op)
        return operator is not None and operator.slope is None

    def _node(self, value: Any, op: str) -> int:
        if isinstance(value, Symbol):
            if value.graph is not self.graph:
                refuse("expected values of this step, got one of another step")
            value.check_units(op)
            return value.at
        number = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
        if not isinstance(number, bool | int | float | np.integer | np.floating | np.bool_):
            refuse(f"expected {op} of values of the step and numbers, got {type(value).__name__}")
        if number != number:
            refuse(f"expected {op} of values of the step and numbers, got NaN", ValueError)
        return self.graph.constant(float(number))

    def check_units(self, op: str) -> None:
        """Whether it has a number for each unit, or one for a row."""
        if self.size:
            refuse(f"expected {op} of values with a number for each unit, got one for each of {self.size}")

    def apply(self, op: str, *arguments: Any) -> Symbol:
        """An operator of values."""
        truths = [isinstance(a, Symbol) and a.truth for a in arguments]
        wanted = op.startswith("logical_")
        first = 1 if op == "where" else 0
        if op == "where" and len(arguments) != 3:
            refuse(f"expected where with a condition and two values, got {len(arguments)} arguments")
        if op == "where" and not truths[0]:
            refuse("expected the condition of where to be a comparison, got a number")
        if op == "where" and not any(isinstance(a, Symbol) for a in arguments[1:]):
            refuse(
                "where of two numbers has no derivative but zero, so a cell cannot learn through it: choose between "
                "values",
                ValueError,
            )
        if op == "divide" and not isinstance(arguments[1], Symbol) and arguments[1] == 0:
            refuse("expected divide with a divisor besides 0", ZeroDivisionError)
        if any(t is not wanted for t in truths[first:]):
            refuse(
                f"{op} takes comparisons"
                if wanted
                else f"a comparison has no derivative, so {op} does not take it: choose by np.where"
            )
        return Symbol(self.graph, self.graph.add(op, *(self._node(a, op) for a in arguments)))

    __add__, __radd__ = _operator("add"), _operator("add", True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", True)
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __and__, __or__ = _operator("logical_and"), _operator("logical_or")
    __hash__ = object.__hash__

    def __neg__(self) -> Symbol:
        return self.apply("negative", self)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self.apply("absolute", self)

    def __invert__(self) -> Symbol:
        return self.apply("logical_not", self)

    def __pow__(self, n: Any) -> Any:
        if not isinstance(n, int | float | np.integer | np.floating):
            refuse(f"expected a power with a number, got {type(n).__name__}: write np.exp(n * np.log(v))")
        n = float(n)
        if not np.isfinite(n):
            refuse(f"expected a power with a finite number, got {n}", ValueError)
        if n == 0.5:
            return np.sqrt(self)
        if n != int(n) or abs(n) > 16:
            return np.exp(np.log(self) * n)
        value: Any = 1.0
        for _ in range(abs(int(n))):
            value = self * value
        return value if n >= 0 else 1.0 / value

    def activated(self, name: str) -> Symbol:
        """An activation of the contract."""
        if name not in kernels.ACTIVATIONS:
            refuse(f"activation {name} is none of {', '.join(kernels.ACTIVATIONS)}", ValueError)
        self.check_units(name)
        if self.truth:
            refuse(f"a comparison has no derivative, so {name} does not take it: choose by np.where")
        return Symbol(self.graph, activation(self.graph, name, self.at))

    def called(self, name: str, arguments: Any) -> Any:
        """A function of `cellstep.ops`: NumPy's of that name, or an activation."""
        if name in kernels.ACTIVATIONS and len(arguments) == 1:
            return self.activated(name)
        return self._called(name, arguments, {})

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return self._called(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}", inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return self._called(function.__name__, args, options)

    def _called(self, name: str, arguments: Any, options: Any) -> Any:
        op = _NAMES.get(name, name)
        if name in _FORMULAS:
            return _FORMULAS[name](*arguments, **options)
        if name in _FLAT:
            refuse(f"{name} has no derivative but zero, so a cell cannot learn through it", ValueError)
        if op not in OPERATORS or op == "total" or options:
            refuse(f"{name} is not among the elementwise functions of a step: {', '.join(known())}")
        return self.apply(op, *arguments)

    def __matmul__(self, other: Any) -> NoReturn:
        refuse("a step is elementwise: write self.product(value, gate) for the product with a gate's columns of U")

    __rmatmul__ = __matmul__

    def __bool__(self) -> NoReturn:
        refuse("a step is run once, for all values, and cannot branch on one: choose by np.where(condition, a, b)")

    def __float__(self) -> NoReturn:
        refuse("a value of a step is no number yet: use functions of NumPy, not of math, and no float()")

    __int__ = __index__ = __float__

    def __array__(self, *args: Any, **options: Any) -> NoReturn:
        refuse("a value of a step is no array yet: use elementwise functions of NumPy")

    def __iter__(self) -> NoReturn:
        refuse("a value of a step is one number a unit and cannot be unpacked")

    def __len__(self) -> NoReturn:
        refuse("a value of a step has no length: it is one number a unit")

    def __getitem__(self, key: Any) -> NoReturn:
        refuse("a value of a step has no parts: it is one number a unit")

    def __repr__(self) -> str:
        return f"<a value of the step: {self.graph.nodes[self.at].op}>"


def known() -> list[str]:
    """NumPy's functions that a step may call."""
    return sorted({*OPERATORS, *_FORMULAS, "abs"} - {"total", "sigmoid", "erfc", "add", "negative"})


class Sums:
    """The sums of a step by gate: `z.f` for b + x W + h U, `z.x.f` and `z.h.f` for its parts."""

    def __init__(self, recorder: Any, part: str = "") -> None:
        self._recorder, self._part = recorder, part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not self._part and name in PARTS:
            return Sums(self._recorder, name)
        if name not in self._recorder.letters:
            letters = ", ".join(self._recorder.letters)
            refuse(
                f"expected z with a gate of {letters}, got {'.'.join(filter(None, ('z', self._part, name)))}",
                AttributeError,
            )
        return self._recorder.sum(name, self._part)
