"""Operators that work element by element, of one value or of several that broadcast."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from .... import activations, layers, ops
from ..importer import Importer, has_sizes, on_sizes, operator
from ..reading import DTYPES, Operator, Unsupported
from ..sizes import Dim
from ..views import Spread, View, alike, is_array

#: Layers' activations, which streams have too, by the operators that are the same.
ACTIVATIONS = dict(
    Relu="relu", Sigmoid="sigmoid", Tanh="tanh", Softplus="softplus", Softsign="softsign", HardSwish="hard_silu",
    Mish="mish",
)  # fmt: skip
_UNARY = dict(
    Abs="Absolute", Acos="Arccos", Acosh="Arccosh", Asin="Arcsin", Asinh="Arcsinh", Atan="Arctan", Atanh="Arctanh",
    Ceil="Ceil", Cos="Cos", Cosh="Cosh", Erf="Erf", Exp="Exp", Floor="Floor", IsNaN="Isnan", Log="Log", Neg="Negative",
    Not="LogicalNot", Reciprocal="Reciprocal", Round="Round", Sign="Sign", Sin="Sin", Sinh="Sinh", Sqrt="Sqrt",
    Tan="Tan",
)  # fmt: skip
_BINARY = dict(
    Add="Add", Sub="Subtract", Mul="Multiply", And="LogicalAnd", Or="LogicalOr", Xor="LogicalXor", Equal="Equal",
    Greater="Greater", GreaterOrEqual="GreaterEqual", Less="Less", LessOrEqual="LessEqual", Max="Maximum",
    Min="Minimum",
)  # fmt: skip
_ON_SIZES: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.floor_divide,
    "Mod": np.mod,
    "Equal": lambda a, b: np.equal(a, b, dtype=object).astype(bool),
}


def unary(g: Importer, value: Any, function: Callable[[Any], Any]) -> Any:
    """A function of tensors, which keeps their axes."""
    if has_sizes(value):
        raise Unsupported("a size of an open axis is not built here")
    if isinstance(value, View):
        return value.over(function(value.base))
    return function(g.tensor(value)) if is_array(value) else g.wrap(function(g.tensor(value)), value.dims)


def broadcast(g: Importer, name: str, values: list[Any]) -> Any:
    """An operation of values that broadcast."""
    if any(isinstance(v, Spread) for v in values):
        values = [v.array if isinstance(v, Spread) and _covered(g, v, values) else v for v in values]
    views = [v for v in values if not is_array(v)]
    if not views:
        return g.apply(name, *values)
    values = [g.view(v) for v in values]
    views = [v for v in values if not is_array(v)]
    arrays = [v for v in values if is_array(v)]
    first = views[0]
    if alike(views) and all(_along_last(a, first) for a in arrays):
        flat = [(v.base if isinstance(v, View) else v.reshape(-1) if v.size > 1 else v.reshape(())) for v in values]
        return first.over(g.apply(name, *flat))
    return g.do(name, *values, dims=_joined([g.dims(v) for v in values]))


def _covered(g: Importer, spread: Spread, values: list[Any]) -> bool:
    """Whether the sizes that an array is broadcast to are those of another value."""
    return any(v is not spread and [str(n) for n in g.dims(v)] == [str(n) for n in spread.dims] for v in values)


def _along_last(a: Any, view: View) -> bool:
    """Whether an array is one number, or one for each entry of the last axis of a view."""
    if a.size == 1 and a.ndim <= view.ndim:
        return True
    if not a.ndim or a.ndim > view.ndim or a.size != a.shape[-1] or not view.last_is_last:
        return False
    return bool(view.dims[-1] == a.size) if not isinstance(view.dims[-1], Dim) else False


def _joined(shapes: list[list[Any]]) -> list[Any]:
    """The sizes of what broadcasts, as far as they are known."""
    rank = max(map(len, shapes))
    dims: list[Any] = []
    for axis in range(rank):
        sizes = [s[axis - rank + len(s)] for s in shapes if axis - rank + len(s) >= 0]
        sizes = [n for n in sizes if isinstance(n, Dim) or n != 1]
        known = {str(n) for n in sizes}
        dims.append(sizes[0] if len(known) == 1 else 1 if not sizes else None)
    return dims


def activated(g: Importer, value: Any, layer: Callable[[], Any], function: Callable[[Any], Any]) -> Any:
    """A layer on a tensor, which streams know, or the same function of anything else."""
    if isinstance(value, View) and value.base.ndim > 1 and value.base.dtype.kind == "f":
        made = layer()
        return value.over(made(value.base))
    return unary(g, value, function)


@operator(*ACTIVATIONS)
def _activation(g: Importer, node: Operator) -> Any:
    name, x = ACTIVATIONS[node.kind], g.value(node, 0)
    return activated(g, x, lambda: layers.Activation(name, dtype=str(x.dtype)), lambda t: activations.get(name)(t))


@operator(*_UNARY)
def _unary(g: Importer, node: Operator) -> Any:
    return unary(g, g.value(node, 0), lambda t: g.apply(_UNARY[node.kind], t))


@operator("Identity")
def _identity(g: Importer, node: Operator) -> Any:
    return g.value(node, 0)


@operator("Dropout")
def _dropout(g: Importer, node: Operator) -> Any:
    if node.has(2) and g.array(node, 2, "training_mode").any():
        raise Unsupported("training_mode must be False, got True")
    x = g.value(node, 0)
    return [x, np.ones(x.shape, bool)] if is_array(x) else x


@operator("LeakyRelu")
def _leaky(g: Importer, node: Operator) -> Any:
    alpha, x = float(node.attribute("alpha", 0.01)), g.value(node, 0)
    return activated(
        g,
        x,
        lambda: (
            layers.LeakyReLU(alpha, dtype=str(x.dtype)) if alpha >= 0 else _of(g, "LeakyRelu", negative_slope=alpha)
        ),
        _of(g, "LeakyRelu", negative_slope=alpha),
    )


def _of(g: Importer, name: str, **options: Any) -> Callable[[Any], Any]:
    return lambda t: g.apply(name, t, **options)


@operator("Elu")
def _elu(g: Importer, node: Operator) -> Any:
    alpha, x = float(node.attribute("alpha", 1.0)), g.value(node, 0)
    if alpha == 1:
        return activated(g, x, lambda: layers.Activation("elu", dtype=str(x.dtype)), _of(g, "Elu"))
    return unary(g, x, _of(g, "Elu", alpha=alpha))


@operator("Celu")
def _celu(g: Importer, node: Operator) -> Any:
    alpha = float(node.attribute("alpha", 1.0))
    return unary(g, g.value(node, 0), lambda t: alpha * ops.elu(t / _like(t, alpha), alpha=1.0))


def _like(t: Any, number: float) -> Any:
    return np.asarray(number, t.dtype)


@operator("Selu")
def _selu(g: Importer, node: Operator) -> Any:
    alpha, gamma = float(node.attribute("alpha", 1.67326319)), float(node.attribute("gamma", 1.05070102))
    x = g.value(node, 0)
    if abs(alpha - 1.67326319) < 1e-6 and abs(gamma - 1.05070102) < 1e-6:
        return activated(g, x, lambda: layers.Activation("selu", dtype=str(x.dtype)), _of(g, "Selu"))
    return unary(g, x, lambda t: _like(t, gamma) * ops.elu(t, alpha=alpha))


@operator("HardSigmoid")
def _hard_sigmoid(g: Importer, node: Operator) -> Any:
    alpha, beta = float(node.attribute("alpha", 0.2)), float(node.attribute("beta", 0.5))
    x = g.value(node, 0)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        layer = layers.Activation("hard_sigmoid", dtype=str(x.dtype)) if not is_array(x) else None
        return activated(g, x, lambda: layer, _of(g, "HardSigmoid"))
    return unary(g, x, lambda t: ops.clip(_like(t, alpha) * t + _like(t, beta), 0.0, 1.0))


@operator("ThresholdedRelu")
def _thresholded(g: Importer, node: Operator) -> Any:
    alpha = float(node.attribute("alpha", 1.0))
    return unary(g, g.value(node, 0), lambda t: ops.where(t > _like(t, alpha), t, _like(t, 0)))


@operator("Shrink")
def _shrink(g: Importer, node: Operator) -> Any:
    bias, lambd = float(node.attribute("bias", 0.0)), float(node.attribute("lambd", 0.5))

    def shrunk(t: Any) -> Any:
        below = ops.where(t < _like(t, -lambd), t + _like(t, bias), _like(t, 0))
        return ops.where(t > _like(t, lambd), t - _like(t, bias), below)

    return unary(g, g.value(node, 0), shrunk)


@operator("Gelu")
def _gelu(g: Importer, node: Operator) -> Any:
    approximate = node.attribute("approximate", "none") == "tanh"
    return unary(g, g.value(node, 0), _of(g, "Gelu", approximate=approximate))


@operator("Swish")
def _swish(g: Importer, node: Operator) -> Any:
    alpha = float(node.attribute("alpha", 1.0))
    return unary(g, g.value(node, 0), lambda t: t * ops.sigmoid(_like(t, alpha) * t))


@operator("PRelu")
def _prelu(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    slopes = broadcast(g, "Multiply", [x, g.value(node, 1)])
    positive = broadcast(g, "Greater", [x, np.zeros((), x.dtype)])
    return where(g, positive, x, slopes)


@operator("Clip")
def _clip(g: Importer, node: Operator) -> Any:
    x = g.value(node, 0)
    bounds = [node.attribute("min"), node.attribute("max")]
    if bounds == [None, None]:
        bounds = [g.maybe(node, i) for i in (1, 2)]
    for name, bound in zip(("Maximum", "Minimum"), bounds, strict=True):
        if bound is not None:
            x = broadcast(g, name, [x, np.asarray(bound, x.dtype) if isinstance(bound, float) else bound])
    return x


@operator(*_BINARY)
def _binary(g: Importer, node: Operator) -> Any:
    values = [g.value(node, i) for i in range(len(node.inputs))]
    if has_sizes(*values):
        if node.kind not in _ON_SIZES or not all(map(is_array, values)):
            raise Unsupported("a size of an open axis is not built here")
        return on_sizes(_ON_SIZES[node.kind], *values)
    if len(values) == 1:
        return values[0]
    return reduce(lambda a, b: broadcast(g, _BINARY[node.kind], [a, b]), values)


@operator("Sum", "Mean")
def _sum(g: Importer, node: Operator) -> Any:
    values = [g.value(node, i) for i in range(len(node.inputs))]
    total = reduce(lambda a, b: broadcast(g, "Add", [a, b]), values)
    if node.kind == "Sum":
        return total
    return broadcast(g, "Multiply", [total, np.asarray(1 / len(values), total.dtype)])


@operator("Div")
def _div(g: Importer, node: Operator) -> Any:
    a, b = g.value(node, 0), g.value(node, 1)
    if has_sizes(a, b):
        return on_sizes(np.floor_divide, a, b)
    if a.dtype.kind in "iu":
        if is_array(a) and is_array(b):
            with np.errstate(all="ignore"):
                quotient = np.abs(np.asarray(a)) // np.abs(np.asarray(b)) * np.sign(a) * np.sign(b)
            return quotient.astype(a.dtype)
        quotient = broadcast(g, "TrueDivide", [_cast(g, a, "float64"), _cast(g, b, "float64")])
        return _cast(g, unary(g, quotient, _of(g, "Trunc")), str(a.dtype))
    return broadcast(g, "TrueDivide", [a, b])


@operator("Mod")
def _mod(g: Importer, node: Operator) -> Any:
    a, b = g.value(node, 0), g.value(node, 1)
    if has_sizes(a, b):
        return on_sizes(np.mod, a, b)
    if not node.attribute("fmod", 0):
        return broadcast(g, "Mod", [a, b])
    quotient = unary(g, broadcast(g, "TrueDivide", [a, b]), _of(g, "Trunc"))
    left = broadcast(g, "Subtract", [a, broadcast(g, "Multiply", [b, quotient])])
    return _cast(g, left, str(a.dtype))


@operator("Pow")
def _pow(g: Importer, node: Operator) -> Any:
    x, exponent = g.value(node, 0), g.value(node, 1)
    if is_array(exponent) and exponent.size == 1 and exponent.ndim <= g.ndim(x):
        if exponent.reshape(()) == 2:
            return unary(g, x, _of(g, "Square"))
        if exponent.reshape(()) == 0.5:
            return unary(g, x, _of(g, "Sqrt"))
    y = broadcast(g, "Power", [x, exponent])
    return y if y.dtype == x.dtype else _cast(g, y, str(x.dtype))


@operator("Where")
def _where(g: Importer, node: Operator) -> Any:
    values = [g.value(node, i) for i in range(3)]
    if has_sizes(*values) and all(map(is_array, values)):
        condition, *rest = values
        return on_sizes(lambda a, b: np.where(condition, a, b), *[np.asarray(v, object) for v in rest])
    return where(g, *values)


def where(g: Importer, condition: Any, a: Any, b: Any) -> Any:
    return broadcast(g, "Where", [condition, a, b])


@operator("IsInf")
def _isinf(g: Importer, node: Operator) -> Any:
    up, down = node.attribute("detect_positive", 1), node.attribute("detect_negative", 1)

    def test(t: Any) -> Any:
        sides = ops.where(ops.isinf(t), ops.sign(t), _like(t, 0))
        return (ops.abs(sides) if up and down else sides * _like(t, 1 if up else -1 if down else 0)) > _like(t, 0)

    return unary(g, g.value(node, 0), test)


def _cast(g: Importer, value: Any, dtype: str) -> Any:
    return value if value.dtype == dtype else unary(g, value, _of(g, "Cast", dtype=dtype))


@operator("Cast", "CastLike")
def _cast_to(g: Importer, node: Operator) -> Any:
    value = g.value(node, 0)
    if node.kind == "CastLike":
        dtype = str(g.value(node, 1).dtype)
    else:
        to = node.attribute("to")
        if to not in DTYPES:
            raise Unsupported(f"to must be the number of one of {', '.join(DTYPES.values())}, got {to!r}")
        dtype = DTYPES[to]
    if has_sizes(value):
        if dtype not in ("int32", "int64"):
            raise Unsupported(f"the size of an open axis as {dtype} is not built")
        return value
    if isinstance(value, Spread):
        return Spread(value.array.astype(dtype), value.dims)
    return value.astype(dtype) if is_array(value) else _cast(g, value, dtype)
