"""Operators with weights, which become layers that learn: products, convolutions, normalization; and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import layers, ops
from ..importer import Importer, operator
from ..reading import Operator, Unsupported
from ..sizes import Dim
from ..views import View, is_array
from .elementwise import broadcast, unary
from .shapes import axis_of, reshaped

#: What may follow a product within a Dense layer.
_AFTER = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softmax": "softmax"}


def dense(g: Importer, node: Operator, x: Any, kernel: Any, bias: Any) -> Any:
    """x kernel + bias over the last axis, with an activation where one follows."""
    follower = g.follower(node.outputs[0], *_AFTER)
    if follower and follower.kind == "Softmax" and follower.attribute("axis", -1) not in (-1, g.ndim(x) - 1):
        follower = None
    layer = layers.Dense(
        kernel.shape[1],
        activation=_AFTER[follower.kind] if follower else None,
        use_bias=bias is not None,
        dtype=str(kernel.dtype),
    )
    weights = [kernel] if bias is None else [kernel, bias]
    x = g.view(x)
    if x.last_is_last and x.base.ndim > 1:
        y = x.over(layer(x.base), kernel.shape[1])
    else:
        y = g.wrap(layer(g.tensor(x)), [*x.dims[:-1], kernel.shape[1]])
    g.give(layer, weights)
    if follower:
        g.values[follower.outputs[0]] = y
    return y


def _is_kernel(g: Importer, x: Any, kernel: Any) -> bool:
    floats = is_array(kernel) and kernel.ndim == 2 and kernel.dtype.kind == "f" and all(kernel.shape)
    return floats and not is_array(x) and g.ndim(x) > 1 and g.dims(x)[-1] == kernel.shape[0]


@operator("MatMul")
def _matmul(g: Importer, node: Operator) -> Any:
    x, kernel = g.value(node, 0), g.value(node, 1)
    if _is_kernel(g, x, kernel):
        add = g.follower(node.outputs[0], "Add")
        bias: Any = None
        if add is not None:
            other = next((name for name in add.inputs if name != node.outputs[0]), "")
            bias = g.values.get(other)
            if (
                not is_array(bias)
                or bias.shape[-1:] != kernel.shape[1:]
                or bias.size != kernel.shape[1]
                or bias.ndim > g.ndim(x)
            ):
                add = bias = None
        if add is None:
            return dense(g, node, x, kernel, None)
        y = g.values[add.outputs[0]] = dense(g, add, x, kernel, bias.reshape(-1))
        return y
    return g.do("Matmul", x, kernel)


@operator("Gemm")
def _gemm(g: Importer, node: Operator) -> Any:
    a, b, c = g.value(node, 0), g.value(node, 1), g.maybe(node, 2)
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    a = _turned(g, a) if node.attribute("transA", 0) else a
    b = _turned(g, b) if node.attribute("transB", 0) else b
    plain = c is None or (is_array(c) and c.size in (1, g.dims(b)[-1]) and (c.ndim < 2 or c.shape[0] == 1))
    if _is_kernel(g, a, b) and plain:
        kernel = b if alpha == 1 else b * np.asarray(alpha, b.dtype)
        bias = (
            None if c is None else np.asarray(np.broadcast_to(c.reshape(-1), (b.shape[1],)) * np.asarray(beta, c.dtype))
        )
        return dense(g, node, a, kernel, bias)
    y = g.do("Matmul", a, b)
    if alpha != 1:
        y = broadcast(g, "Multiply", [y, np.asarray(alpha, y.dtype)])
    if c is None:
        return y
    return broadcast(g, "Add", [y, c if beta == 1 else broadcast(g, "Multiply", [c, np.asarray(beta, c.dtype)])])


def _turned(g: Importer, x: Any) -> Any:
    if is_array(x):
        return x.T
    x = g.view(x)
    return x.seen(x.groups[::-1])


def _spatial(g: Importer, node: Operator, x: Any, kernel: list[int]) -> tuple[Any, int, Any]:
    """x as (batch, time, channels), where all other axes have size 1; which of the spatial axes is the time; and what
    puts outputs into the form of x."""
    dims = g.dims(x)
    x = View.of(x, dims) if is_array(x) else g.view(x)
    wide = [i for i, n in enumerate(dims[2:]) if isinstance(n, Dim) or n != 1 or kernel[i] != 1]
    if len(wide) > 1:
        raise Unsupported(f"expected one axis of steps, got {len(dims) - 2} in {dims}")
    at = wide[0] if wide else len(dims) - 3
    x = reshaped(g, x, [dims[0], dims[1], dims[2 + at]])
    view = View.of(x, x.shape) if is_array(x) else g.view(x)
    turned = view.seen([view.groups[0], view.groups[2], view.groups[1]])

    def back(y: Any) -> Any:
        y = View.of(y, y.shape) if is_array(y) else y
        seen = y.seen([y.groups[0], y.groups[2], y.groups[1]])
        sizes = seen.dims
        return reshaped(g, seen, [sizes[0], sizes[1], *(sizes[2] if i == at else 1 for i in range(len(dims) - 2))])

    return turned, at, back


def _padded(g: Importer, node: Operator, x: Any, at: int, size: int, stride: int, rate: int) -> tuple[Any, str]:
    """x with zeros before and behind, and the padding that is left to the layer."""
    auto, rank = node.attribute("auto_pad", "NOTSET"), g.ndim(g.value(node, 0)) - 2
    pads = node.attribute("pads") or [0] * (2 * rank)
    if auto == "SAME_UPPER":
        return x, "same"
    before, behind = (0, 0) if auto == "VALID" else (int(pads[at]), int(pads[at + rank]))
    if auto == "SAME_LOWER":
        if stride > 1:
            raise Unsupported("auto_pad=SAME_LOWER with strides is not built")
        behind = (size - 1) * rate // 2
        before = (size - 1) * rate - behind
    if any(int(n) for i, n in enumerate(pads) if i % rank != at):
        raise Unsupported(f"expected pads of the steps alone, got {pads}")
    if (before, behind) == (0, 0):
        return x, "valid"
    if node.kind == "Conv" and (before, behind, stride) == ((size - 1) * rate, 0, 1):
        return x, "causal"
    if min(before, behind) < 0 or max(before, behind) > 2**20:
        raise Unsupported(f"expected pads from 0 to 2**20, got {pads}")
    if node.kind != "Conv":
        raise Unsupported(f"expected no pads of a pooling, got {pads}")
    padded = layers.ZeroPadding1D((before, behind), dtype=str(x.dtype))(g.tensor(x))
    return View.of(padded, padded.shape) if is_array(padded) else g.wrap(padded, [x.dims[0], None, x.dims[2]]), "valid"


def _steps(node: Operator, name: str, at: int, rank: int) -> int:
    values = node.attribute(name) or [1] * rank
    if any(int(n) != 1 for i, n in enumerate(values) if i != at):
        raise Unsupported(f"expected {name} of the steps alone, got {values}")
    return int(values[at])


@operator("Conv")
def _conv(g: Importer, node: Operator) -> Any:
    kernel = g.array(node, 1, "the weights")
    bias = g.array(node, 2, "the bias") if node.has(2) else None
    x, at, back = _spatial(g, node, g.value(node, 0), list(kernel.shape[2:]))
    rank = kernel.ndim - 2
    stride, rate = _steps(node, "strides", at, rank), _steps(node, "dilations", at, rank)
    kernel = kernel.reshape(*kernel.shape[:2], -1)
    x, padding = _padded(g, node, x, at, kernel.shape[2], stride, rate)
    layer = layers.Conv1D(
        kernel.shape[0],
        kernel.shape[2],
        strides=stride,
        padding=padding,
        dilation_rate=rate,
        groups=int(node.attribute("group", 1)),
        use_bias=bias is not None,
        dtype=str(kernel.dtype),
    )
    weights = [np.ascontiguousarray(kernel.transpose(2, 1, 0))]
    layer.build((None, None, x.dims[2]))
    g.give(layer, weights if bias is None else [*weights, bias])
    y = layer(g.tensor(x))
    same = padding != "valid" and stride == 1
    return back(g.wrap(y, [x.dims[0], x.dims[1] if same else None, kernel.shape[0]]))


@operator("MaxPool", "AveragePool")
def _pool(g: Importer, node: Operator) -> Any:
    kernel = [int(n) for n in node.attribute("kernel_shape") or []]
    x, at, back = _spatial(g, node, g.value(node, 0), kernel)
    size, stride = kernel[at], _steps(node, "strides", at, len(kernel))
    if _steps(node, "dilations", at, len(kernel)) != 1 or node.attribute("ceil_mode", 0):
        raise Unsupported("dilations and ceil_mode of a pooling are not built")
    x, padding = _padded(g, node, x, at, size, stride, 1)
    kind = layers.MaxPooling1D if node.kind == "MaxPool" else layers.AveragePooling1D
    y = kind(size, strides=stride, padding=padding, dtype=str(x.dtype))(g.tensor(x))
    return back(g.wrap(y, [x.dims[0], None, x.dims[2]]))


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(g: Importer, node: Operator) -> Any:
    from .reducing import reduced

    x = g.value(node, 0)
    axes = list(range(2, g.ndim(x)))
    return reduced(g, x, axes, True, ops.mean if node.kind == "GlobalAveragePool" else ops.max)


@operator("BatchNormalization")
def _batch_normalization(g: Importer, node: Operator) -> Any:
    if node.attribute("training_mode", 0):
        raise Unsupported("training_mode must be 0, got 1")
    x, parts = g.value(node, 0), [g.value(node, i) for i in range(1, 5)]
    epsilon = float(node.attribute("epsilon", 1e-5))
    constant = all(is_array(p) for p in parts)
    if constant and isinstance(x, View) and (place := x.place(1)):
        momentum = float(node.attribute("momentum", 0.9))
        layer = layers.BatchNormalization(place, momentum=momentum, epsilon=epsilon, dtype=str(x.dtype))
        y = x.over(layer(x.base))
        g.give(layer, parts)
        return y
    shape = [1, -1, *[1] * (g.ndim(x) - 2)]
    scale, bias, mean, variance = (reshaped(g, p, [-1, *shape[2:]] if g.ndim(x) < 2 else shape[1:]) for p in parts)
    deviation = unary(g, broadcast(g, "Add", [variance, np.asarray(epsilon, variance.dtype)]), ops.sqrt)
    away = broadcast(g, "TrueDivide", [broadcast(g, "Subtract", [x, mean]), deviation])
    return broadcast(g, "Add", [broadcast(g, "Multiply", [away, scale]), bias])


@operator("LayerNormalization")
def _layer_normalization(g: Importer, node: Operator) -> Any:
    x, scale, bias = g.value(node, 0), g.value(node, 1), g.maybe(node, 2)
    axis, epsilon = axis_of(node.attribute("axis", -1), g.ndim(x)), float(node.attribute("epsilon", 1e-5))
    constant = is_array(scale) and (bias is None or is_array(bias))
    one = isinstance(x, View) and axis == x.ndim - 1 and x.last_is_last and x.base.ndim > 1
    if constant and one and scale.shape == (x.dims[-1],) and not any(map(g.used, node.outputs[1:])):
        layer = layers.LayerNormalization(-1, epsilon=epsilon, center=bias is not None, dtype=str(x.dtype))
        y = x.over(layer(x.base))
        g.give(layer, [scale] if bias is None else [scale, bias.reshape(-1)])
        return y
    axes = list(range(axis, g.ndim(x)))
    t = g.tensor(x)
    mean = ops.mean(t, axis=axes, keepdims=True)
    away = t - mean
    inverse = ops.rsqrt(ops.mean(ops.square(away), axis=axes, keepdims=True) + np.asarray(epsilon, x.dtype))
    y = broadcast(g, "Multiply", [g.wrap(away * inverse, g.dims(x)), scale])
    y = y if bias is None else broadcast(g, "Add", [y, bias])
    return [y, g.wrap(mean), g.wrap(inverse)]
