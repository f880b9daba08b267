"""How a class of the user's that writes `call`, as in Keras, takes the place of an `apply`.

    class Attention(Layer):
        def build(self, input_shape):
            self.W = self.add_weight(name="W", shape=(input_shape[-1], 1))

        def call(self, x, mask=None):
            a = ops.softmax(ops.tanh(ops.matmul(x, self.W)), axis=1)
            return ops.sum(a * x, axis=1)

`call` is run with tensors to see what it computes (`layers.tracer`), by whatever is called `call` when the layer is.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from ..configured import ours_function
from . import nested
from .context import Applied, Context
from .forward_adapter import beneath
from .penalties import run_layer
from .structure import structure
from .symbolic import Node, constants_as_tensors, in_trace, is_symbolic
from .symbolic_call import connect
from .tracer import Tracer, argument, trace

if TYPE_CHECKING:
    from .base import Layer

#: What stands for the inputs of a layer that is called without.
MISSING = object()


class Called(Tracer):
    """The graphs of one `call`, and what it takes.

    Attributes:
        names: of what it takes, the inputs first. placed: how many of them may be given by position.
    """

    def __init__(self, kind: type, call: Callable[..., Any]) -> None:
        super().__init__()
        parameters = list(inspect.signature(call).parameters.values())
        if not parameters or parameters[0].kind in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD):
            raise TypeError(f"{kind.__name__}.call must take the inputs, as call(self, x) does, got no parameters")
        first, *others = parameters
        more = [p for p in others if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        self.names = ("x" if first.kind is first.VAR_POSITIONAL else first.name, *(p.name for p in more))
        self.placed = 1 + sum(p.kind is not p.KEYWORD_ONLY for p in more)


def call_parameters(layer: Any) -> tuple[str, ...]:
    """The names of what `call` takes, the inputs first."""
    return _called(layer).names


def first(layer: Any, x: Any, name: str, given: dict[str, Any]) -> Any:
    """The inputs of a call, which may be given by name; TypeError where they are not given."""
    x = given.pop(name, x) if x is MISSING else x
    if x is MISSING:
        raise TypeError(f"{layer.name} must be called with {name}, got {', '.join(given) or 'nothing'}")
    return x


def call_composed(layer: Layer, x: Any, args: tuple[Any, ...], given: dict[str, Any], training: Any) -> Any:
    """A call of such a layer on arrays, or on tensors; `args`, behind x, go by the order of `call`'s parameters."""
    called = _called(layer)
    names, x = called.names, first(layer, x, called.names[0], given)
    by_place = dict(zip(names[1 : called.placed], args, strict=False))
    if len(args) >= called.placed or by_place.keys() & given.keys():
        kind, also = type(layer).__name__, "".join(f" and {name}=..." for name in given)
        raise TypeError(
            f"{kind}.call takes {', '.join(names[: called.placed])} by position, got {1 + len(args)} arguments{also}"
        )
    given |= by_place
    training = given.pop("training", training)
    mask = given.pop("mask", None)
    given = {name: value for name, value in given.items() if value is not None}
    named = {name: constants_as_tensors(value) for name, value in given.items() if is_symbolic(value)}
    if not (named or is_symbolic(x)):
        return run_layer(layer, x, mask, Context(bool(training), penalties=[]), **given)[0]
    options, x = {name: value for name, value in given.items() if name not in named}, constants_as_tensors(x)
    if training is not None:
        options["training"] = core.check_bool("training", training)
    shapes = nested.change({names[0]: x, **named}, lambda tensor: tensor.open_shape)
    build_by_name(layer, shapes)
    tensors = {names[0]: x, **named} if mask is None else named  # each of which has its own mask
    if isinstance(mask, np.ndarray):
        options, mask = {**options, "mask": mask}, None
    node = Node(layer, x, mask, named, options)
    if named:
        node.masks = {m: v for k, v in tensors.items() if (m := f"{k}_mask") in names and m not in given}
    known = node.known()
    if known is not None:
        return known
    return node.give_like(_outcome(layer, {names[0]: x, **named}, options, bool(training)), layer.nodes)


def call_beneath(layer: Layer, x: Any, mask: Any, initial_state: Any, training: Any, options: dict[str, Any]) -> Any:
    """What `super().call(...)` gives in a user's class that writes `call` over a layer of this package."""
    other, x = beneath(layer), in_trace(x)
    if not is_symbolic(x):
        return other(x, mask=mask, initial_state=initial_state, training=training, **options)
    plain = {**options, "training": bool(training)}
    return connect(other, x, mask, initial_state, plain if mask is not None else {**plain, "mask": None})


def build_by_name(layer: Layer, shapes: dict[str, Any]) -> None:
    """Build a layer for inputs of these shapes by the names of `call`; as in Keras, a `build` with several parameters
    gets those that they are called after, `query_shape` that of `query`, and one with a single parameter the first."""
    if layer.built or (hasattr(layer, "_traced") and ours_function(type(layer).build)):
        return  # a model makes its weights when it is traced
    taken = inspect.signature(layer.build).parameters
    if len(taken) < 2:
        layer.build(next(iter(shapes.values())))
        return
    known = {f"{name}_shape": shape for name, shape in shapes.items()}
    missing = [name for name, p in taken.items() if name not in known and p.default is p.empty]
    if missing:
        raise TypeError(
            f"{type(layer).__name__}.build must take the shape of the inputs, or {', '.join(known)}, got {missing[0]}"
        )
    layer.build(**{name: known[name] for name in taken if name in known})


def build_inside(layer: Any, input_shape: Any, **named: Any) -> None:
    """Make the weights of the layers inside, for inputs of this shape and others by name, where these are all that
    `call` needs; else its first call does."""
    if layer.parts:
        with contextlib.suppress(TypeError, ValueError):
            _outcome_of_shapes(layer, {call_parameters(layer)[0]: input_shape, **named})


def apply_call(layer: Any, x: Any, mask: Any, context: Context, options: dict[str, Any]) -> Applied:
    """The outputs of the graph that `call` composes; where options hold arrays, the pullback gives (dx, a list of the
    gradients of these)."""
    return traced_call(layer, x, mask, context.training, options)(context)


def traced_call(layer: Any, x: Any, mask: Any, training: bool, options: dict[str, Any]) -> Callable[..., Applied]:
    """Trace `call` for these arguments; what runs its graph in a context, for them or for others such as they, flat and
    by the names in order."""
    called = _called(layer)
    names, x = called.names, arrays_of(layer, x)
    masks_of, inside = options.pop("_masks", {}), {names[0]: mask, **options.pop("_inside", {})}
    explicit = options.pop("_explicit", True)
    options = {name: value for name, value in options.items() if value is not None}
    arrays = {name: arrays_of(layer, value) for name, value in options.items() if _holds_arrays(value)}
    if not layer.built:
        build_by_name(layer, nested.change({names[0]: x, **arrays}, np.shape))
    data = {names[0]: x, **arrays}
    data |= {name: m for name, m in masks_of.items() if all(part is not None for part in nested.flatten(m))}
    if explicit and mask is not None and "mask" in names and any(m is not None for m in nested.flatten(mask)):
        data["mask"] = [m for m in nested.flatten(mask) if m is not None]
    plain = {name: value for name, value in options.items() if name not in arrays}
    function = _function(layer, x, mask, plain, training if "training" in names else None)
    who = f"{type(layer).__name__}.call of {layer.name}"
    traced = called.of_arrays(who, function, data, _fixed(layer, plain, training, mask))
    given_leaves = nested.flatten(data)
    masks: list[Any] = []
    for name in sorted(data):
        own = nested.flatten(data[name])
        given = nested.flatten(inside[name]) if inside.get(name) is not None else []
        masks += given if len(given) == len(own) else [None] * len(own)

    def run(context: Context, leaves: Any = given_leaves) -> Applied:
        outputs, kept, back = traced.graph.apply(leaves, masks, context)
        y, passed = nested.pack(traced.outputs, outputs), None
        if hasattr(layer, "_traced"):  # a model, whose masks are those of its layers
            passed = None if all(m is None for m in kept) else kept if len(kept) > 1 else kept[0]
        elif layer.supports_masking:
            passed = layer.passed_mask(x, mask, context)
        if back is None:
            return y, passed, None

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            found = back([None] * len(outputs) if dy is None else nested.flatten(dy), need_dx)
            filled = [
                np.zeros_like(a) if d is None and a.dtype.kind == "f" else d for a, d in zip(leaves, found, strict=True)
            ]
            gradients = nested.pack(data, filled)
            dx = gradients[names[0]] if need_dx else None
            return (dx, nested.flatten([gradients[name] for name in arrays])) if arrays else dx

        return y, passed, pullback

    return run


def _called(layer: Any) -> Called:
    """What is its `call` now."""
    call = getattr(layer.call, "__func__", layer.call)
    kept: tuple[Any, Called] | None = vars(layer).get("_cached_called")
    if kept is None or kept[0] is not call:
        kept = layer._cached_called = (call, Called(type(layer), layer.call))
    return kept[1]


def _fixed(layer: Any, plain: dict[str, Any], training: bool, mask: Any) -> Any:
    """What the graph of a call depends on beside arrays: plain values, the layer's own ones, and what it is made of."""
    own = [(k, v) for k, v in vars(layer).items() if isinstance(v, bool | int | float | str) and k[0] != "_"]
    given = [m is None for m in nested.flatten(mask)]
    return str((sorted(plain.items()), training, given, own, structure.watch((layer,))))


def _function(layer: Any, x: Any, mask: Any, plain: dict[str, Any], training: Any) -> Callable[[Any], Any]:
    """`call` of all tensors by name."""
    first = call_parameters(layer)[0]

    def function(tensors: dict[str, Any]) -> Any:
        named = dict(tensors)
        inputs = named.pop(first)
        if "mask" in named:
            given = iter(named["mask"])
            named["mask"] = nested.change(mask, lambda m: None if m is None else next(given))
        if training is not None:
            named["training"] = training
        return layer.call(inputs, **plain, **named)

    return function


def _holds_arrays(value: Any) -> bool:
    return any(isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiub" for leaf in nested.flatten(value))


def arrays_of(layer: Layer, value: Any) -> Any:
    """A structure of arrays, floats in the layer's dtype; lists of numbers are one array."""
    if isinstance(value, list | tuple) and not any(hasattr(leaf, "shape") for leaf in nested.flatten(value)):
        value = core.plain("x", value)

    def array(leaf: Any) -> Any:
        a = core.plain("x", leaf)
        return layer.input_array(a) if a.dtype.kind == "f" else a

    return nested.change(value, array)


def output_shape(layer: Layer, input_shape: Any, options: Any = None, named: Any = None) -> Any:
    """The shapes of what `call` gives, for inputs of this shape, or structure of shapes, and others by name."""
    shapes = {call_parameters(layer)[0]: input_shape, **(named or {})}
    build_by_name(layer, shapes)
    return nested.change(_outcome_of_shapes(layer, shapes, options or {}), lambda tensor: tensor.open_shape)


def _outcome_of_shapes(layer: Any, shapes: dict[str, Any], options: Any = ()) -> Any:
    """`_outcome` for floats of these shapes."""
    return _outcome(layer, of_shapes(shapes, lambda shape: argument("x", shape, layer.dtype)), dict(options), False)


def of_shapes(shape: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of a shape, or of each in a structure of shapes."""
    if nested.is_shape(shape):
        return function(shape)
    if isinstance(shape, dict):
        return {key: of_shapes(part, function) for key, part in shape.items()}
    return [of_shapes(part, function) for part in shape]


def _outcome(layer: Any, data: dict[str, Any], plain: dict[str, Any], training: bool) -> Any:
    """The tensors that `call` gives for such tensors, with an axis open that follows an open one."""
    names, plain = call_parameters(layer), {k: v for k, v in plain.items() if k not in ("mask", "training")}
    who = f"{type(layer).__name__}.call of {layer.name}"

    def run(size: int | None, masked: bool) -> Any:
        tensors = nested.change(
            data, lambda t: argument(t.name, [size if n is None else n for n in t.open_shape], t.dtype)
        )
        masks = {
            k: nested.change(tensors[k], lambda t: argument("mask", t.open_shape[:2], bool)) for k in data if masked
        }
        mask = masks[names[0]] if masked and "mask" in names else None
        function = _function(layer, tensors[names[0]], mask, plain, training if "training" in names else None)
        tensors |= {} if mask is None else {"mask": nested.flatten(mask)}
        tensors |= {f"{k}_mask": m for k, m in masks.items() if f"{k}_mask" in names and f"{k}_mask" not in data}
        return trace(who, function, tensors)[1]

    failed: Exception | None = None
    for masked in (False, True):  # `call` may need a mask, as behind Masking
        try:
            return run(None, masked)
        except (TypeError, ValueError, AttributeError) as error:
            if hasattr(error, "lacks"):
                raise
        try:
            outcome, shapes = nested.tried(functools.partial(run, masked=masked))
        except (TypeError, ValueError, AttributeError) as error:
            failed = failed or error
            if not any(name == "mask" or name.endswith("_mask") for name in names):
                raise
            continue
        pairs = zip(shapes, nested.flatten(outcome), strict=True)
        return nested.pack(outcome, [argument("y", shape, tensor.dtype) for shape, tensor in pairs])
    assert failed is not None
    raise failed
