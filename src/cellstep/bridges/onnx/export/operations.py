"""Operations between tensors, which functions of `cellstep.ops` and Python's operators make."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....layers import nested
from ....layers.operations import Operation, Slot
from ....layers.sizes import Size
from .writer import Call, CannotExport, Value, Writer, rule

#: Operators of one, two or three arguments that do the same.
_SAME = dict(
    Add="Add", Subtract="Sub", Multiply="Mul", TrueDivide="Div", Divide="Div", Power="Pow", Maximum="Max",
    Minimum="Min", Greater="Greater", GreaterEqual="GreaterOrEqual", Less="Less", LessEqual="LessOrEqual",
    Equal="Equal", LogicalAnd="And", LogicalOr="Or", LogicalXor="Xor", LogicalNot="Not", Negative="Neg",
    Absolute="Abs", Sign="Sign", Sqrt="Sqrt", Reciprocal="Reciprocal", Exp="Exp", Log="Log", Sin="Sin", Cos="Cos",
    Tan="Tan", Arcsin="Asin", Arccos="Acos", Arctan="Atan", Sinh="Sinh", Cosh="Cosh", Tanh="Tanh", Arcsinh="Asinh",
    Arccosh="Acosh", Arctanh="Atanh", Erf="Erf", Floor="Floor", Ceil="Ceil", Round="Round", Isnan="IsNaN",
    Relu="Relu", Selu="Selu", Sigmoid="Sigmoid", Softplus="Softplus", Softsign="Softsign", Matmul="MatMul",
    Where="Where", Copy="Identity", StopGradient="Identity",
)  # fmt: skip
_REDUCED = dict(Sum="ReduceSum", Mean="ReduceMean", Max="ReduceMax", Min="ReduceMin", Prod="ReduceProd")


@rule(Operation)
def _operation(w: Writer, call: Call) -> Any:
    layer, kind = call.layer, call.layer.operation
    options = {**layer.kind.options, **layer.options}
    if any(isinstance(leaf, Slot | Size) for leaf in nested.flatten(options)):
        raise CannotExport(f"{layer.name} cannot be written as ONNX, as {kind} has sizes or tensors among its options")
    dtype, shape = layer.output_dtype, call.shapes[0]
    if kind == "GetItem":
        return w.plain(_item(w, call.x, layer.arguments[1], layer.name), shape, dtype)
    arguments = layer.arguments[0] if layer.kind.listed else layer.arguments
    names = [_argument(w, call, argument) for argument in arguments]
    if kind in _SAME:
        return w.plain(w.node(_SAME[kind], *names), shape, dtype)
    function = globals().get(f"_{layer.kind.function}")
    if function is None:
        raise CannotExport(f"{layer.name} cannot be written as ONNX, as there is no such form of the operation {kind}")
    made = function(w, call, names, options)
    if isinstance(made, list):
        return [w.plain(name, s, dtype) for name, s in zip(made, call.shapes, strict=True)]
    return w.plain(made, shape, dtype)


def _argument(w: Writer, call: Call, argument: Any) -> str:
    """The name of an argument, in the dtype that the operation works in."""
    layer = call.layer
    if isinstance(argument, Slot):
        x = call.inputs[argument.number]
        return w.cast(x, layer.dtype).name if x.dtype.kind == "f" else x.name
    a = np.asarray(argument)
    if a.dtype == object or a.dtype.kind not in "fiub":
        raise CannotExport(f"{layer.name} cannot be written as ONNX, as {argument!r} is among its arguments")
    kinds = [x.dtype for x in call.inputs]
    if a.dtype.kind == "f" or (a.ndim == 0 and not isinstance(argument, bool) and any(k.kind == "f" for k in kinds)):
        a = a.astype(layer.dtype)
    elif a.ndim == 0 and a.dtype.kind in "iu" and kinds:
        a = a.astype(kinds[0])
    return w.constant(a)


def _item(w: Writer, x: Value, key: Any, who: str) -> str:
    """x[key] of slices, integers, None and an ellipsis."""
    parts = list(key) if isinstance(key, list | tuple) else [key]
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (x.ndim - taken)
    name, axis = x.name, 0
    for part in parts:
        if part is None:
            name, axis = w.unsqueeze(name, axis), axis + 1
        elif isinstance(part, slice):
            if (part.start, part.stop, part.step) != (None, None, None):
                step = 1 if part.step is None else int(part.step)
                ends = (0, 2**63 - 1) if step > 0 else (-1, -(2**63))
                start, stop = (e if p is None else int(p) for p, e in zip((part.start, part.stop), ends, strict=True))
                name = w.node("Slice", name, *(w.integers(n) for n in (start, stop, axis, step)))
            axis += 1
        elif isinstance(part, int | np.integer):
            name = w.node("Gather", name, w.constant(int(part), "index", np.int64), axis=axis)
        else:
            raise CannotExport(f"{who} cannot be written as ONNX, as {part!r} is among its indices")
    return name if name != x.name else str(w.node("Identity", name))


def _axes(value: Any, rank: int) -> list[int]:
    listed = range(rank) if value is None else value if isinstance(value, list | tuple) else [value]
    return [int(a) % rank for a in listed]


def _reduced(kind: str) -> Any:
    def function(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
        axes, keep = _axes(options["axis"], call.x.ndim), int(options["keepdims"])
        if w.opset >= 18 or kind == "ReduceSum":
            return str(w.node(kind, names[0], w.integers(*axes), keepdims=keep))
        return str(w.node(kind, names[0], axes=axes, keepdims=keep))

    return function


_sum, _mean, _max, _min, _prod = (_reduced(kind) for kind in _REDUCED.values())
_amax, _amin = _max, _min


def _softmax(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return str(w.node("Softmax", names[0], axis=options["axis"]))


def _log_softmax(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return str(w.node("LogSoftmax", names[0], axis=options["axis"]))


def _square(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return str(w.node("Mul", names[0], names[0]))


def _rsqrt(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return str(w.node("Reciprocal", w.node("Sqrt", names[0])))


def _leaky_relu(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return str(w.node("LeakyRelu", names[0], alpha=float(options["negative_slope"])))


def _elu(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return str(w.node("Elu", names[0], alpha=float(options["alpha"])))


def _clip(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    ends = [w.constant(options[key], "number", call.layer.dtype) for key in ("x_min", "x_max")]
    return str(w.node("Clip", names[0], *ends))


def _cast(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    to = w.helper.np_dtype_to_tensor_dtype(np.dtype(options["dtype"]))
    return str(w.node("Cast", call.x.name, to=to))


def _zeros_like(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return _filled(w, call, 0)


def _ones_like(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return _filled(w, call, 1)


def _filled(w: Writer, call: Call, number: int) -> str:
    value = w.numpy_helper.from_array(np.full(1, number, call.layer.output_dtype))
    return str(w.node("ConstantOfShape", w.node("Shape", call.x.name), value=value))


def _cumsum(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    if options["axis"] is None:
        raise CannotExport(f"{call.layer.name} cannot be written as ONNX, as it has no axis")
    return str(w.node("CumSum", names[0], w.constant(options["axis"], "axis", np.int64)))


def _concatenate(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    return str(w.node("Concat", *names, axis=options["axis"]))


def _stack(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    rank = len(call.shapes[0])
    wide = [w.unsqueeze(name, options["axis"] % rank) for name in names]
    return str(w.node("Concat", *wide, axis=options["axis"] % rank))


def _split(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> list[str]:
    axis = options["axis"] % call.x.ndim
    sizes = [shape[axis] for shape in call.shapes]
    if any(n is None for n in sizes):
        raise CannotExport(f"{call.layer.name} cannot be written as ONNX, as it cuts an open axis")
    sizes_: list[Any] = sizes
    made = w.node("Split", names[0], w.integers(*sizes_), count=len(sizes), axis=axis)
    return made if len(sizes) > 1 else [made]


def _reshape(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    shape = options["newshape"]
    sizes = [-1 if n is None else int(n) for n in (shape if isinstance(shape, list | tuple) else [shape])]
    return str(w.node("Reshape", names[0], w.integers(*sizes), allowzero=1))


def _expand_dims(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    axis = options["axis"]
    return str(w.node("Unsqueeze", names[0], w.integers(*(axis if isinstance(axis, list | tuple) else [axis]))))


def _squeeze(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    axes = [] if options["axis"] is None else [w.integers(*_axes(options["axis"], call.x.ndim))]
    return str(w.node("Squeeze", names[0], *axes))


def _transpose(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    order = _axes(options["axes"], call.x.ndim) if options["axes"] is not None else list(range(call.x.ndim))[::-1]
    return str(w.node("Transpose", names[0], perm=order))


def _flip(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    name = names[0]
    for axis in _axes(options["axis"], call.x.ndim):
        name = w.flipped(name, axis)
    return name


def _take(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    if options["axis"] is None:
        raise CannotExport(f"{call.layer.name} cannot be written as ONNX, as it has no axis")
    return str(w.node("Gather", *names, axis=options["axis"]))


def _argmax(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    if options["axis"] is None:
        raise CannotExport(f"{call.layer.name} cannot be written as ONNX, as it has no axis")
    found = w.node("ArgMax", names[0], axis=options["axis"], keepdims=int(options["keepdims"]))
    return str(w.node("Cast", found, to=w.helper.np_dtype_to_tensor_dtype(np.dtype("int32"))))


def _pad(w: Writer, call: Call, names: list[str], options: dict[str, Any]) -> str:
    widths = np.broadcast_to(np.asarray(options["pad_width"], int), (call.x.ndim, 2))
    value = options["constant_values"] or 0
    return str(
        w.node("Pad", names[0], w.integers(*map(int, widths.T.reshape(-1))), w.constant(value, "value", call.x.dtype))
    )
