"""Layers with weights that are no recurrent ones, pooling, and those that move axes and entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from .... import layers
from .elementwise import activation
from .writer import Call, CannotExport, Value, Writer, rule, write


@rule(layers.InputLayer)
def _input(w: Writer, call: Call) -> Value:
    return call.x


@rule(layers.Dense)
def _dense(w: Writer, call: Call) -> Value:
    layer, x = call.layer, w.cast(call.x, call.layer.dtype)
    kernel = w.constant(layer.kernel.numpy(), f"{layer.name}/kernel")
    bias = None if layer.bias is None else w.constant(layer.bias.numpy(), f"{layer.name}/bias")
    if x.ndim == 2 and bias is not None:
        name = w.node("Gemm", x.name, kernel, bias, stem=layer.name)
    else:
        name = w.node("MatMul", x.name, kernel, stem=layer.name)
        name = name if bias is None else w.node("Add", name, bias)
    return activation(w, w.like(x, name, call.shapes[0]), layer.activation, layer)


@rule(layers.Embedding)
def _embedding(w: Writer, call: Call) -> Value:
    layer, ids = call.layer, call.x
    ids = ids if ids.dtype.kind == "i" and ids.dtype.itemsize >= 4 else w.cast(ids, "int64")
    name = w.node("Gather", w.constant(layer.embeddings.numpy(), f"{layer.name}/embeddings"), ids.name, axis=0)
    y = w.like(call.x, name, call.shapes[0], layer.dtype)
    if not layer.mask_zero or ids.ndim != 2:
        return y
    zero = w.constant(0, "number", ids.dtype)
    return w.masked(y, w.node("Not", w.node("Equal", ids.name, zero)))


@rule(layers.Masking)
def _masking(w: Writer, call: Call) -> Value:
    x = w.cast(call.x, call.layer.dtype)
    if x.ndim != 3:
        raise CannotExport(f"{call.layer.name} can be written as ONNX for (batch, time, features), got {x.ndim} axes")
    same = w.node("Equal", x.name, w.constant(call.layer.mask_value, "number", x.dtype))
    number = w.helper.np_dtype_to_tensor_dtype(np.dtype("float32"))
    there = w.node("Cast", w.node("Not", same), to=number)
    most = _reduce(w, "ReduceMax", there, [2])
    zeroed = w.node("Mul", x.name, w.node("Cast", most, to=w.helper.np_dtype_to_tensor_dtype(x.dtype)))
    mask = w.node("Greater", w.squeeze(most, 2), w.constant(0, "number", np.float32))
    return w.masked(w.like(x, zeroed), mask)


def _reduce(w: Writer, kind: str, name: str, axes: list[int], keep: bool = True) -> str:
    if w.opset >= 18 or kind == "ReduceSum":
        return str(w.node(kind, name, w.integers(*axes), keepdims=int(keep)))
    return str(w.node(kind, name, axes=axes, keepdims=int(keep)))


@rule(layers.LayerNormalization)
def _layer_normalization(w: Writer, call: Call) -> Value:
    layer, x = call.layer, w.cast(call.x, call.layer.dtype)
    axes = sorted(a % x.ndim for a in (layer.axis if isinstance(layer.axis, list) else [layer.axis]))
    if axes != list(range(axes[0], x.ndim)):
        raise CannotExport(f"{layer.name} can be written as ONNX over the last axes alone, got axis={layer.axis}")
    sizes = [x.shape[a] for a in axes]
    ones = np.ones([n or 1 for n in sizes], layer.dtype)
    gamma, beta = (None if v is None else v.numpy().reshape(ones.shape) for v in (layer.gamma, layer.beta))
    scale = w.constant(ones if gamma is None else gamma, f"{layer.name}/gamma")
    bias = [] if beta is None else [w.constant(beta, f"{layer.name}/beta")]
    return w.like(
        x, w.node("LayerNormalization", x.name, scale, *bias, axis=axes[0] - x.ndim, epsilon=float(layer.epsilon))
    )


@rule(layers.BatchNormalization)
def _batch_normalization(w: Writer, call: Call) -> Value:
    layer, x = call.layer, w.cast(call.x, call.layer.dtype)
    axis = layer.axis % x.ndim
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    gamma = np.ones_like(mean) if layer.gamma is None else layer.gamma.numpy()
    beta = np.zeros_like(mean) if layer.beta is None else layer.beta.numpy()
    arrays = dict(gamma=gamma, beta=beta, moving_mean=mean, moving_variance=variance)
    names = [w.constant(a, f"{layer.name}/{key}") for key, a in arrays.items()]
    order = [0, axis, *(i for i in range(1, x.ndim) if i != axis)]
    seen = x if axis == 1 else w.transposed(x, order)
    name = w.node("BatchNormalization", seen.name, *names, epsilon=float(layer.epsilon))
    y = w.like(seen, name)
    return y if axis == 1 else w.transposed(y, [int(i) for i in np.argsort(order)])


def by_channels(w: Writer, x: Value, layer: Any) -> Value:
    """x as (batch, channels, time)."""
    return x if layer.data_format == "channels_first" else w.transposed(x, [0, 2, 1])


def _back(w: Writer, name: str, call: Call, dtype: Any) -> Value:
    shape = call.shapes[0]
    if call.layer.data_format == "channels_first":
        return w.plain(name, shape, dtype)
    return w.plain(w.node("Transpose", name, perm=[0, 2, 1]), shape, dtype)


@rule(layers.Conv1D)
def _conv(w: Writer, call: Call) -> Value:
    layer, x = call.layer, w.cast(call.x, call.layer.dtype)
    size, stride, rate = layer.kernel_size[0], layer.strides[0], layer.dilation_rate[0]
    kernel = np.ascontiguousarray(layer.kernel.numpy().transpose(2, 1, 0))
    names = [w.constant(kernel, f"{layer.name}/kernel")]
    if layer.bias is not None:
        names.append(w.constant(layer.bias.numpy(), f"{layer.name}/bias"))
    total = (size - 1) * rate
    attributes: dict[str, Any] = {"strides": [stride], "dilations": [rate], "group": layer.groups}
    if layer.padding == "same" and stride > 1:
        attributes["auto_pad"] = "SAME_UPPER"
    elif layer.padding != "valid":
        before = total if layer.padding == "causal" else total // 2
        attributes["pads"] = [before, total - before]
    name = w.node("Conv", by_channels(w, x, layer).name, *names, kernel_shape=[size], stem=layer.name, **attributes)
    if layer.data_format == "channels_first" and layer.activation.name in ("softmax", "log_softmax"):
        raise CannotExport(f"{layer.name} cannot be written as ONNX with {layer.activation.name} and channels first")
    return activation(w, _back(w, name, call, layer.dtype), layer.activation, layer)


@rule(layers.MaxPooling1D, layers.AveragePooling1D)
def _pool(w: Writer, call: Call) -> Value:
    layer, x = call.layer, w.cast(call.x, call.layer.dtype)
    kind = "MaxPool" if isinstance(layer, layers.MaxPooling1D) else "AveragePool"
    pad = "SAME_UPPER" if layer.padding == "same" else "VALID"
    sizes: dict[str, Any] = dict(kernel_shape=[layer.pool_size[0]], strides=[layer.strides[0]])
    name = w.node(kind, by_channels(w, x, layer).name, auto_pad=pad, **sizes)
    return _back(w, name, call, layer.dtype)


@rule(layers.GlobalMaxPooling1D, layers.GlobalAveragePooling1D)
def _global_pool(w: Writer, call: Call) -> Value:
    layer, x, shape = call.layer, w.cast(call.x, call.layer.dtype), call.shapes[0]
    mean = isinstance(layer, layers.GlobalAveragePooling1D)
    if mean and x.mask is not None:
        there = w.node("Cast", x.mask, to=w.helper.np_dtype_to_tensor_dtype(x.dtype))
        there = w.unsqueeze(there, 3 - layer.time)
        total = _reduce(w, "ReduceSum", w.node("Mul", x.name, there), [layer.time], layer.keepdims)
        return w.plain(
            w.node("Div", total, _reduce(w, "ReduceSum", there, [layer.time], layer.keepdims)), shape, x.dtype
        )
    kind = "ReduceMean" if mean else "ReduceMax"
    return w.plain(_reduce(w, kind, x.name, [layer.time], layer.keepdims), shape, x.dtype)


@rule(layers.Flatten)
def _flatten(w: Writer, call: Call) -> Value:
    if call.x.ndim < 2 or call.layer.data_format == "channels_first":
        raise CannotExport(f"{call.layer.name} cannot be written as ONNX with channels first, or for one axis")
    return w.plain(w.node("Flatten", call.x.name, axis=1), call.shapes[0], call.x.dtype)


@rule(layers.Reshape)
def _reshape(w: Writer, call: Call) -> Value:
    sizes = [-1 if n is None else int(n) for n in call.layer.target_shape]
    return w.plain(w.node("Reshape", call.x.name, w.integers(0, *sizes)), call.shapes[0], call.x.dtype)


@rule(layers.Permute)
def _permute(w: Writer, call: Call) -> Value:
    return w.plain(w.node("Transpose", call.x.name, perm=[0, *call.layer.dims]), call.shapes[0], call.x.dtype)


@rule(layers.RepeatVector)
def _repeat(w: Writer, call: Call) -> Value:
    name = w.node("Expand", w.unsqueeze(call.x.name, 1), w.integers(1, call.layer.n, 1))
    return w.plain(name, call.shapes[0], call.x.dtype)


@rule(layers.ZeroPadding1D)
def _zero_padding(w: Writer, call: Call) -> Value:
    before, behind = call.layer.padding
    axis = 1 if call.layer.data_format == "channels_last" else 2
    pads = [0] * 6
    pads[axis], pads[3 + axis] = before, behind
    return w.plain(w.node("Pad", call.x.name, w.integers(*pads)), call.shapes[0], call.x.dtype)


@rule(layers.Cropping1D)
def _cropping(w: Writer, call: Call) -> Value:
    before, behind = call.layer.cropping
    ends = w.integers(before), w.integers(-behind if behind else 2**63 - 1), w.integers(1)
    return w.plain(w.node("Slice", call.x.name, *ends), call.shapes[0], call.x.dtype)


@rule(layers.Concatenate)
def _concatenate(w: Writer, call: Call) -> Value:
    from .elementwise import together

    xs = [w.cast(x, call.layer.dtype) for x in call.inputs]
    axis = call.layer.axis % xs[0].ndim
    value = w.plain(w.node("Concat", *(x.name for x in xs), axis=axis), call.shapes[0], call.layer.dtype)
    if axis == 1 and any(x.mask is not None for x in xs):
        raise CannotExport(f"{call.layer.name} cannot be written as ONNX along time with masks")
    return together(w, value, xs)


@rule(layers.TimeDistributed)
def _time_distributed(w: Writer, call: Call) -> Value:
    """The layer inside, on the steps of all rows as rows."""
    inner, x, shape = call.layer.layer, call.x, call.shapes[0]
    if x.ndim == 3 and shape[2:] and isinstance(inner, layers.Dense | layers.Activation | layers.Dropout):
        (y,) = write(w, inner, [x], Call(inner, [x], shapes=[shape]))
        return y
    open_sizes = [n for n in (*x.shape[2:], *shape[2:]) if n is None]
    if open_sizes:
        raise CannotExport(f"{call.layer.name} can be written as ONNX for steps of known sizes alone, got {x.shape}")
    sizes: list[Any] = [-1, *x.shape[2:]]
    steps = w.plain(w.node("Reshape", x.name, w.integers(*sizes)), (None, *x.shape[2:]), x.dtype)
    (y,) = write(w, inner, [steps], Call(inner, [steps], shapes=[(None, *shape[2:])]))
    rest: list[Any] = list(shape[2:])
    parts = [w.size(x.name, 0), w.size(x.name, 1), *([w.integers(*rest)] if rest else [])]
    name = w.node("Reshape", y.name, w.node("Concat", *parts, axis=0))
    return w.like(x, name, shape, y.dtype)
