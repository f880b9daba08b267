"""Activations, and layers that are one."""

from __future__ import annotations

import math
from typing import Any

from .... import layers
from .writer import Call, CannotExport, Value, Writer, rule

#: Operators that are an activation, with their attributes.
_SAME: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "relu": ("Relu", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {}),
    "exponential": ("Exp", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "celu": ("Celu", {"alpha": 1.0}),
    "soft_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.5}),
    "hard_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.0}),
}


def activation(w: Writer, x: Value, function: Any, owner: Any) -> Value:
    """An activation of x.

    Raises:
        CannotExport: it has no form in ONNX.
    """
    name = function.name
    if name == "linear":
        return x
    if name in _SAME:
        kind, attributes = _SAME[name]
        return w.like(x, w.node(kind, x.name, **attributes))
    formula = _FORMULAS.get(name)
    if formula is None:
        raise CannotExport(f"{owner.name} cannot be written as ONNX, as there is no such form of activation {name!r}")
    return w.like(x, formula(w, x))


def _number(w: Writer, x: Value, value: float) -> str:
    return w.constant(value, "number", x.dtype)


def _clip(w: Writer, x: Value, low: float, high: float) -> str:
    return str(w.node("Clip", x.name, _number(w, x, low), _number(w, x, high)))


def _gelu(w: Writer, x: Value) -> str:
    erf = w.node("Erf", w.node("Mul", x.name, _number(w, x, 1 / math.sqrt(2))))
    half = w.node("Mul", x.name, _number(w, x, 0.5))
    return str(w.node("Mul", half, w.node("Add", erf, _number(w, x, 1.0))))


def _squareplus(w: Writer, x: Value) -> str:
    root = w.node("Sqrt", w.node("Add", w.node("Mul", x.name, x.name), _number(w, x, 4.0)))
    return str(w.node("Mul", w.node("Add", x.name, root), _number(w, x, 0.5)))


def _hard_silu(w: Writer, x: Value) -> str:
    return str(w.node("Mul", x.name, w.node("HardSigmoid", x.name, alpha=1 / 6, beta=0.5)))


_FORMULAS: dict[str, Any] = {
    "relu6": lambda w, x: _clip(w, x, 0.0, 6.0),
    "hard_tanh": lambda w, x: _clip(w, x, -1.0, 1.0),
    "silu": lambda w, x: w.node("Mul", x.name, w.node("Sigmoid", x.name)),
    "hard_silu": _hard_silu,
    "mish": lambda w, x: w.node("Mul", x.name, w.node("Tanh", w.node("Softplus", x.name))),
    "log_sigmoid": lambda w, x: w.node("Neg", w.node("Softplus", w.node("Neg", x.name))),
    "tanh_shrink": lambda w, x: w.node("Sub", x.name, w.node("Tanh", x.name)),
    "squareplus": _squareplus,
    "gelu": _gelu,
}


@rule(layers.Activation)
def _activation(w: Writer, call: Call) -> Value:
    return activation(w, w.cast(call.x, call.layer.dtype), call.layer.activation, call.layer)


@rule(layers.Softmax)
def _softmax(w: Writer, call: Call) -> Value:
    if not isinstance(call.layer.axis, int) or call.x.mask is not None:
        raise CannotExport(f"{call.layer.name} cannot be written as ONNX, as it is over several axes, or has a mask")
    return w.like(call.x, w.node("Softmax", call.x.name, axis=call.layer.axis))


@rule(layers.ReLU)
def _relu(w: Writer, call: Call) -> Value:
    layer, x = call.layer, call.x
    if layer.threshold:
        raise CannotExport(f"{layer.name} cannot be written as ONNX, as there is no such form of threshold")
    name = w.node("LeakyRelu", x.name, alpha=layer.negative_slope) if layer.negative_slope else w.node("Relu", x.name)
    if layer.max_value is not None:
        name = w.node("Min", name, _number(w, x, layer.max_value))
    return w.like(x, name)


@rule(layers.LeakyReLU)
def _leaky(w: Writer, call: Call) -> Value:
    return w.like(call.x, w.node("LeakyRelu", call.x.name, alpha=call.layer.negative_slope))


@rule(layers.ELU)
def _elu(w: Writer, call: Call) -> Value:
    return w.like(call.x, w.node("Elu", call.x.name, alpha=call.layer.alpha))


@rule(layers.PReLU)
def _prelu(w: Writer, call: Call) -> Value:
    return w.like(
        call.x, w.node("PRelu", call.x.name, w.constant(call.layer.alpha.numpy(), f"{call.layer.name}/alpha"))
    )


@rule(
    *(layers.Dropout, layers.SpatialDropout1D, layers.GaussianNoise, layers.GaussianDropout, layers.Identity),
    layers.ActivityRegularization,
)
def _identity(w: Writer, call: Call) -> Value:
    return call.x


def merged(w: Writer, call: Call, kind: str) -> Value:
    """An operator of several values that broadcast, of the layers that merge."""
    rank = max(x.ndim for x in call.inputs)
    names = []
    for x in call.inputs:
        x = w.cast(x, call.layer.dtype)
        axes = list(range(1, 1 + rank - x.ndim))
        names.append(w.node("Unsqueeze", x.name, w.integers(*axes)) if axes else x.name)
    name = names[0]
    for other in names[1:]:
        name = w.node(kind, name, other)
    value = w.plain(name, call.shapes[0], call.layer.dtype)
    return together(w, value, call.inputs)


def together(w: Writer, value: Value, inputs: list[Value]) -> Value:
    """A value with the mask of all inputs: a step counts where it does in any, and there is one where all have one."""
    masks = [x.mask for x in inputs if x.mask is not None]
    if len(masks) < len(inputs) or value.ndim < 2:
        return value
    mask = masks[0]
    for other in masks[1:]:
        mask = mask if other == mask else w.node("Or", mask, other)
    if all(other == mask for other in masks):
        return Value(value.name, value.shape, value.dtype, mask, inputs[0].lengths, inputs[0].padding)
    return w.masked(value, mask)


@rule(layers.Add, layers.Subtract, layers.Multiply, layers.Maximum, layers.Minimum, layers.Average)
def _merge(w: Writer, call: Call) -> Value:
    kinds = {layers.Add: "Add", layers.Subtract: "Sub", layers.Multiply: "Mul", layers.Maximum: "Max"}
    kinds |= {layers.Minimum: "Min", layers.Average: "Add"}
    kind = next(name for cls, name in kinds.items() if isinstance(call.layer, cls))
    total = merged(w, call, kind)
    if isinstance(call.layer, layers.Average):
        share = w.constant(1 / len(call.inputs), "number", total.dtype)
        return w.like(total, w.node("Mul", total.name, share))
    return total
