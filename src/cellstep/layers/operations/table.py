"""The operations by Keras's names: where Keras has each, the arguments of its configuration, and its rule here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import arithmetic as a
from . import drawing as d
from . import formulas as f
from . import reducing as r
from . import shaping as s
from .composed import composed


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
        own_dtype: whether the rule says the dtype of the outcome.
    """

    name: str
    rule: Callable[..., tuple[Any, Any]]
    arguments: tuple[str, ...] = ("x",)
    options: Mapping[str, Any] = field(default_factory=dict)
    module: str = "numpy"
    function: str = ""
    in_call: tuple[str, ...] = ()
    own_dtype: bool = False

    @property
    def listed(self) -> bool:
        """Whether it is called with a list of arrays."""
        return bool(self.arguments) and self.arguments[0].startswith("*")


def _snake(name: str) -> str:
    return "".join(("_" if c.isupper() and i else "") + c.lower() for i, c in enumerate(name))


OPERATIONS: dict[str, Kind] = {}


def _add(
    name: str,
    rule: Any,
    *arguments: str,
    module: str = "numpy",
    in_call: tuple[str, ...] = (),
    function: str = "",
    own_dtype: bool = False,
    **options: Any,
) -> None:
    # an argument with a default stands among the options too
    function = function or _snake(name)
    OPERATIONS[name] = Kind(name, rule, arguments or ("x",), options, module, function, in_call, own_dtype)


_TWO = ("x1", "x2")
_add("Add", a.binary(np.add, lambda x, z, y: (1, 1)), *_TWO)
_add("Subtract", a.binary(np.subtract, lambda x, z, y: (1, -1)), *_TWO)
_add("Multiply", a.binary(np.multiply, lambda x, z, y: (z, x)), *_TWO)
for _name in ("TrueDivide", "Divide"):
    _add(_name, a.binary(np.true_divide, lambda x, z, y: (1 / np.asarray(z), -y / z)), *_TWO)
_add("DivideNoNan", a.binary(a.divide_no_nan, lambda x, z, y: (a.divide_no_nan(1, z), -a.divide_no_nan(y, z))), *_TWO)
_add("Power", a.binary(np.power, a.power_slopes), *_TWO)
_add("Mod", a.binary(np.mod, lambda x, z, y: (1, -np.floor_divide(x, z))), *_TWO)
_add("Maximum", a.binary(np.maximum, a.extreme_slopes), *_TWO)
_add("Minimum", a.binary(np.minimum, a.extreme_slopes), *_TWO)
_add("Logaddexp", a.binary(np.logaddexp, lambda x, z, y: (np.exp(x - y), np.exp(z - y))), *_TWO)
_add("Arctan2", a.binary(np.arctan2, lambda x, z, y: (z / (x * x + z * z), -x / (x * x + z * z))), *_TWO)
_add("Hypot", a.binary(np.hypot, lambda x, z, y: (x / y, z / y)), *_TWO)
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
    "LogicalXor": np.logical_xor,
}.items():
    _add(_name, a.without(_function), *_TWO)
_add("Isclose", a.without(np.isclose), *_TWO, in_call=("rtol", "atol"), rtol=1e-5, atol=1e-8, equal_nan=False)
for _name, _test in {
    "LogicalNot": np.logical_not,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Trunc": np.trunc,
    "Isnan": np.isnan,
    "Isinf": np.isinf,
    "Isfinite": np.isfinite,
}.items():
    _add(_name, a.without(_test))
_add("Round", a.without(np.round), decimals=0)

_add("Negative", a.unary(np.negative, lambda x, y: -1))
_add("Copy", a.unary(np.array, lambda x, y: 1))
_add("Absolute", a.unary(np.abs, lambda x, y: np.sign(x)))
_add("Sign", a.unary(np.sign, lambda x, y: 0))
_add("Square", a.unary(np.square, lambda x, y: 2 * x))
_add("Sqrt", a.unary(np.sqrt, lambda x, y: 1 / (2 * y)))
_add("Cbrt", a.unary(np.cbrt, lambda x, y: 1 / (3 * y * y)))
_add("Reciprocal", a.unary(lambda x: 1 / x, lambda x, y: -y * y))
_add("Exp", a.unary(np.exp, lambda x, y: y))
_add("Exp2", a.unary(np.exp2, lambda x, y: y * math.log(2)))
_add("Expm1", a.unary(np.expm1, lambda x, y: y + 1))
_add("Log", a.unary(np.log, lambda x, y: 1 / x))
_add("Log2", a.unary(np.log2, lambda x, y: 1 / (x * math.log(2))))
_add("Log10", a.unary(np.log10, lambda x, y: 1 / (x * math.log(10))))
_add("Log1p", a.unary(np.log1p, lambda x, y: 1 / (1 + x)))
_add("Sin", a.unary(np.sin, lambda x, y: np.cos(x)))
_add("Cos", a.unary(np.cos, lambda x, y: -np.sin(x)))
_add("Tan", a.unary(np.tan, lambda x, y: 1 + y * y))
_add("Arcsin", a.unary(np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x)))
_add("Arccos", a.unary(np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x)))
_add("Arctan", a.unary(np.arctan, lambda x, y: 1 / (1 + x * x)))
_add("Sinh", a.unary(np.sinh, lambda x, y: np.cosh(x)))
_add("Cosh", a.unary(np.cosh, lambda x, y: np.sinh(x)))
_add("Tanh", a.unary(np.tanh, lambda x, y: 1 - y * y))
_add("Arcsinh", a.unary(np.arcsinh, lambda x, y: 1 / np.sqrt(x * x + 1)))
_add("Arccosh", a.unary(np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1)))
_add("Arctanh", a.unary(np.arctanh, lambda x, y: 1 / (1 - x * x)))
_add("Deg2rad", a.unary(np.deg2rad, lambda x, y: math.pi / 180))
_add("Rad2deg", a.unary(np.rad2deg, lambda x, y: 180 / math.pi))
_add("NanToNum", a.unary(np.nan_to_num, lambda x, y, **_: np.isfinite(x)), nan=0.0, posinf=None, neginf=None)
_add("Rsqrt", a.unary(lambda x: 1 / np.sqrt(x), lambda x, y: -y / (2 * x)), module="math")
_add("Erf", a.unary(a.erf, lambda x, y: 2 / math.sqrt(math.pi) * np.exp(-np.square(x))), module="math")

for _name in (
    *("Relu", "Relu6", "Selu", "Sigmoid", "HardSigmoid", "Silu", "HardSilu", "Softplus", "Softsign", "LogSigmoid"),
    *("HardTanh", "TanhShrink"),
):
    _add(_name, a.activation(_snake(_name)), module="nn")
_add("Elu", a.unary(a.elu, lambda x, y, alpha: np.where(x > 0, 1, y + alpha)), module="nn", alpha=1.0)
_add(
    "LeakyRelu",
    a.unary(a.leaky, lambda x, y, negative_slope: np.where(x > 0, 1, negative_slope)),
    module="nn",
    negative_slope=0.2,
)
_add("Gelu", composed(f.gelu), module="nn", approximate=True)
for _name in ("Softmax", "LogSoftmax"):
    _add(_name, a.along(_snake(_name)), module="nn", axis=-1)

_add("Clip", a.clip, x_min=..., x_max=...)
_add("Where", a.where, "condition", "x1", "x2")
_add("Cast", a.cast, module="core", dtype=...)
_add("StopGradient", a.stop_gradient, "variable", module="core")
_add("OneHot", a.one_hot, module="nn", own_dtype=True, num_classes=..., axis=-1, dtype=None, sparse=False)
_add("ZerosLike", a.without(np.zeros_like), dtype=None)
_add("OnesLike", a.without(np.ones_like), dtype=None)
_add("FullLike", a.without(np.full_like), "x", "fill_value", dtype=None)

_add("GetItem", s.get_item, "x", "key")
_add("Concatenate", s.concatenate, "*xs", axis=0)
_add("Stack", s.stack, "*x", axis=0)
_add("Unstack", composed(f.unstack), module="core", num=None, axis=0)
_add("Split", s.split, indices_or_sections=..., axis=0)
_add("Reshape", s.reshape, newshape=...)
_add("Ravel", s.moved(np.ravel))
_add("BroadcastTo", s.moved(np.broadcast_to), shape=...)
_add("ExpandDims", s.expand_dims, axis=...)
_add("Squeeze", s.squeeze, axis=None)
_add("Transpose", s.transpose, axes=None)
_add("Swapaxes", s.swapaxes, axis1=..., axis2=...)
_add("Moveaxis", s.moveaxis, source=..., destination=...)
_add("Flip", s.moved(s.flip), axis=None)
_add("Roll", s.moved(np.roll), shift=..., axis=None)
_add("Repeat", s.moved(np.repeat), repeats=..., axis=None)
_add("Tile", s.moved(s.tile), repeats=...)
_add("Pad", s.pad, pad_width=..., mode="constant", in_call=("constant_values",), constant_values=None)
_add("Take", s.take, "x", "indices", axis=None)
_add("TakeAlongAxis", s.moved(np.take_along_axis), "x", "indices", axis=None)
_add("Tril", s.part(np.tril), k=0)
_add("Triu", s.part(np.triu), k=0)

_REDUCED: dict[str, Any] = {"axis": None, "keepdims": False}
_add("Sum", r.total, **_REDUCED)
_add("Mean", r.mean, **_REDUCED)
_add("Var", r.variance, **_REDUCED)
_add("Std", composed(f.std), **_REDUCED)
_add("Prod", r.product, **_REDUCED, dtype=None)
_add("Max", r.largest, **_REDUCED, initial=None)
_add("Min", r.smallest, **_REDUCED, initial=None)
_add("Amax", r.largest, **_REDUCED)
_add("Amin", r.smallest, **_REDUCED)
_add("Any", a.without(lambda x, axis, keepdims: np.any(x, r._axes(x, axis), keepdims=keepdims)), **_REDUCED)
_add("All", a.without(lambda x, axis, keepdims: np.all(x, r._axes(x, axis), keepdims=keepdims)), **_REDUCED)
_add("Cumsum", r.cumsum, axis=None, dtype=None)
_add("Argmax", r.places(np.argmax), **_REDUCED)
_add("Argmin", r.places(np.argmin), **_REDUCED)
_add("Argsort", r.places(lambda x, axis: np.argsort(x, axis, kind="stable")), axis=-1)
_add("CountNonzero", r.places(lambda x, axis: np.count_nonzero(x, r._axes(x, axis))), axis=None)
_add("SearchSorted", r.places(np.searchsorted), "sorted_sequence", "values", function="searchsorted", side="left")
_add("Digitize", r.places(np.digitize), "x", "bins")
_add("Matmul", r.matmul, *_TWO)
_add("Dot", r.dot, *_TWO)
_add("Einsum", r.einsum, "operands", subscripts=...)

_add("Logsumexp", composed(f.logsumexp), module="math", **_REDUCED)
_add("Average", composed(f.average), "x", "weights", axis=None, weights=None)
_add("Moments", composed(f.moments), module="nn", axes=..., keepdims=False, synchronized=False)
_add("Median", composed(f.median), **_REDUCED)
_add("Quantile", composed(f.quantile), "x", "q", axis=None, method="linear", keepdims=False)
_add("Nansum", composed(f.nansum), **_REDUCED)
_add("Nanmean", composed(f.nanmean), **_REDUCED)
_add("Norm", composed(f.norm), module="linalg", ord=None, **_REDUCED)
_add("Normalize", composed(f.normalize), module="nn", axis=-1, order=2, epsilon=None)
_add("Sort", composed(f.sort), axis=-1)
_add("TopK", composed(f.top_k), module="math", k=..., sorted=True)
_add("Diff", composed(f.diff), "a", n=1, axis=-1)
_add("Tensordot", composed(f.tensordot), *_TWO, axes=2)
_add("Inner", composed(f.inner), *_TWO)
_add("Outer", composed(f.outer), *_TWO)
_LOSS: dict[str, Any] = {"module": "nn", "from_logits": False}
_add("BinaryCrossentropy", composed(f.binary_crossentropy), "target", "output", **_LOSS)
_add("CategoricalCrossentropy", composed(f.categorical_crossentropy), "target", "output", **_LOSS, axis=-1)
_add("SparseCategoricalCrossentropy", composed(f.sparse_categorical_crossentropy), "target", "output", **_LOSS, axis=-1)


def _make(name: str, function: Callable[..., Any], **options: Any) -> None:
    """An array made of numbers alone, or of sizes; Keras has no class for it."""
    OPERATIONS[name] = Kind(name, a.without(function), (), options, "", _snake(name))


_make("Zeros", np.zeros, shape=..., dtype=None)
_make("Ones", np.ones, shape=..., dtype=None)
_make("Empty", np.zeros, shape=..., dtype=None)
_make("Full", a.full, shape=..., fill_value=..., dtype=None)
_make("Arange", a.arange, start=..., stop=None, step=None, dtype=None)
_make("Linspace", np.linspace, start=..., stop=..., num=50, endpoint=True, dtype=None, axis=0)
_make("Eye", np.eye, N=..., M=None, k=0, dtype=None)
_make("Tri", np.tri, N=..., M=None, k=0, dtype=None)
_make("Identity", np.identity, n=..., dtype=None)


def _draw(name: str, rule: Any, *arguments: str, **options: Any) -> None:
    OPERATIONS[name] = Kind(name, rule, arguments, {**options, "seed": None}, "random", _snake(name), own_dtype=True)


_G = np.random.Generator
_draw("Normal", d.drawn(_G.normal), shape=..., mean=0.0, stddev=1.0, dtype=None)
_draw("Uniform", d.drawn(_G.uniform), shape=..., minval=0.0, maxval=1.0, dtype=None)
_draw("TruncatedNormal", d.drawn(d.truncated_normal), shape=..., mean=0.0, stddev=1.0, dtype=None)
_draw("Randint", d.drawn(_G.integers), shape=..., minval=..., maxval=..., dtype="int32")
_draw("Categorical", d.categorical, "logits", num_samples=..., dtype="int32")
_draw("Dropout", d.dropout, "inputs", rate=..., noise_shape=None)
_draw("Shuffle", d.shuffle, "x", axis=0)
