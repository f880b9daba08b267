"""The operations by Keras's names: where Keras has each, the arguments of its configuration, and its rule here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import arithmetic as a
from . import reducing as r
from . import shaping as s


@dataclass(frozen=True)
class Kind:
    """One operation.

    Attributes:
        rule: of arrays and options, gives y and `back(dy)`.
        arguments: the names of what it is called with; `*` in front of one that is a list of arrays.
        options: what else it takes, with the defaults; ... stands for one that must be given.
        in_call: those of the options that Keras writes beside the arguments, not into the configuration.
        module: Keras's, below keras.src.ops.
        function: the name of the function that does it.
    """

    name: str
    rule: Callable[..., tuple[Any, Any]]
    arguments: tuple[str, ...] = ("x",)
    options: Mapping[str, Any] = field(default_factory=dict)
    module: str = "numpy"
    function: str = ""
    in_call: tuple[str, ...] = ()


def _snake(name: str) -> str:
    return "".join(("_" if c.isupper() and i else "") + c.lower() for i, c in enumerate(name))


OPERATIONS: dict[str, Kind] = {}


def _add(
    name: str, rule: Any, *arguments: str, module: str = "numpy", in_call: tuple[str, ...] = (), **options: Any
) -> None:
    OPERATIONS[name] = Kind(name, rule, arguments or ("x",), options, module, _snake(name), in_call)


def _root_slope(x: Any, y: Any) -> Any:
    return 1 / (2 * y)


_TWO = ("x1", "x2")
_add("Add", a.binary(np.add, lambda x, z, y: (1, 1)), *_TWO)
_add("Subtract", a.binary(np.subtract, lambda x, z, y: (1, -1)), *_TWO)
_add("Multiply", a.binary(np.multiply, lambda x, z, y: (z, x)), *_TWO)
for _name in ("TrueDivide", "Divide"):
    _add(_name, a.binary(np.true_divide, lambda x, z, y: (1 / np.asarray(z), -y / z)), *_TWO)
_add("Power", a.binary(np.power, a.power_slopes), *_TWO)
_add("Mod", a.binary(np.mod, lambda x, z, y: (1, -np.floor_divide(x, z))), *_TWO)
_add("Maximum", a.binary(np.maximum, a.extreme_slopes), *_TWO)
_add("Minimum", a.binary(np.minimum, a.extreme_slopes), *_TWO)
for _name, _function in {
    "FloorDivide": np.floor_divide,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
}.items():
    _add(_name, a.without(_function), *_TWO)
for _name, _test in {"LogicalNot": np.logical_not, "Floor": np.floor, "Ceil": np.ceil, "Isnan": np.isnan}.items():
    _add(_name, a.without(_test))

_add("Negative", a.unary(np.negative, lambda x, y: -1))
_add("Absolute", a.unary(np.abs, lambda x, y: np.sign(x)))
_add("Sign", a.unary(np.sign, lambda x, y: 0))
_add("Square", a.unary(np.square, lambda x, y: 2 * x))
_add("Sqrt", a.unary(np.sqrt, _root_slope))
_add("Rsqrt", a.unary(lambda x: 1 / np.sqrt(x), lambda x, y: -y / (2 * x)), module="math")
_add("Reciprocal", a.unary(lambda x: 1 / x, lambda x, y: -y * y))
_add("Exp", a.unary(np.exp, lambda x, y: y))
_add("Expm1", a.unary(np.expm1, lambda x, y: y + 1))
_add("Log", a.unary(np.log, lambda x, y: 1 / x))
_add("Log1p", a.unary(np.log1p, lambda x, y: 1 / (1 + x)))
_add("Sin", a.unary(np.sin, lambda x, y: np.cos(x)))
_add("Cos", a.unary(np.cos, lambda x, y: -np.sin(x)))
_add("Tanh", a.unary(np.tanh, lambda x, y: 1 - y * y))
for _name in ("Relu", "Relu6", "Selu", "Sigmoid", "HardSigmoid", "Silu", "Softplus", "Softsign", "LogSigmoid"):
    _add(_name, a.activation(_snake(_name)), module="nn")
_add("Softmax", a.along("softmax"), module="nn", axis=-1)
_add("LogSoftmax", a.along("log_softmax"), module="nn", axis=-1)

_add("Clip", a.clip, x_min=..., x_max=...)
_add("Where", a.where, "condition", "x1", "x2")
_add("Cast", a.cast, module="core", dtype=...)
_add("StopGradient", a.stop_gradient, "variable", module="core")
_add("OneHot", a.one_hot, module="nn", num_classes=..., axis=-1, dtype=None, sparse=False)
_add("ZerosLike", a.without(np.zeros_like), dtype=None)
_add("OnesLike", a.without(np.ones_like), dtype=None)

_add("GetItem", s.get_item, "x", "key")
_add("Concatenate", s.concatenate, "*xs", axis=-1)
_add("Stack", s.stack, "*x", axis=0)
_add("Split", s.split, indices_or_sections=..., axis=0)
_add("Reshape", s.reshape, newshape=...)
_add("ExpandDims", s.expand_dims, axis=...)
_add("Squeeze", s.squeeze, axis=None)
_add("Transpose", s.transpose, axes=None)
_add("Swapaxes", s.swapaxes, axis1=..., axis2=...)
_add("Moveaxis", s.moveaxis, source=..., destination=...)
_add("Flip", s.flip, axis=None)
_add("Roll", s.roll, shift=..., axis=None)
_add("Repeat", s.repeat, repeats=..., axis=None)
_add("Tile", s.tile, repeats=...)
_add("Pad", s.pad, pad_width=..., mode="constant", in_call=("constant_values",), constant_values=None)
_add("Take", s.take, "x", "indices", axis=None)

_REDUCED: dict[str, Any] = {"axis": None, "keepdims": False}
_add("Sum", r.total, **_REDUCED)
_add("Mean", r.mean, **_REDUCED)
_add("Var", r.variance, **_REDUCED)
_add("Std", r.deviation, **_REDUCED)
_add("Max", r.largest, **_REDUCED, initial=None)
_add("Min", r.smallest, **_REDUCED, initial=None)
_add("Any", a.without(lambda x, axis, keepdims: np.any(x, r._axes(x, axis), keepdims=keepdims)), **_REDUCED)
_add("All", a.without(lambda x, axis, keepdims: np.all(x, r._axes(x, axis), keepdims=keepdims)), **_REDUCED)
_add("Cumsum", r.cumsum, axis=None, dtype=None)
_add("Argmax", r.argmax, axis=None, keepdims=False)
_add("Matmul", r.matmul, *_TWO)
_add("Dot", r.dot, *_TWO)
_add("Einsum", r.einsum, "operands", subscripts=...)
