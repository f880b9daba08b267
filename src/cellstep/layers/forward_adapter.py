"""How a class of the user's that writes `forward`, `call`, or both, takes the place of an `apply`.

`Layer.apply` is `apply_forward`. It is put back where a user's class writes `forward` over a layer of this package, and
that layer's own `apply` is then what `super().forward(...)` calls. It is taken too where a user has put a `forward` or
`call` into one layer, as a debugger does that watches it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..configured import cached, of_package, ours_attribute, ours_function, owner_of
from . import nested
from .context import Applied, Context, collecting

if TYPE_CHECKING:
    from .base import Layer


def apply_forward(self: Layer, x: Any, mask: Any, context: Context, /, *args: Any, **options: Any) -> Applied:
    """What the layer computes, and the one function that a layer of this package writes.

    This one takes the `forward` of a user's class, or its `call` where no pullback is wanted, once the weights are
    there, with those of mask, initial_state and training that it takes. Where `call` is all that is
    written, it is traced (`layers.call_adapter`).

    Args:
        x: the inputs, batch first. mask: (B, T) booleans or None; a list of such where x is a list.
        context: what the pass is for.
        options: what else the layer takes, as `initial_state`.

    Returns:
        The outputs, their mask, and the pullback; without a tape that is None, or not called.
    """
    if composes(self):
        return self.apply_call(x, mask, context, options)
    check_written(self)
    if not self.built:
        self.build(nested.change(x, np.shape) if isinstance(x, list | tuple | dict) else np.shape(x))
    options = {"mask": mask, **options, "training": context.training}
    with collecting(context):
        if context.tape or ("call" not in vars(self) and ours_attribute(type(self).call)):
            y, pullback = call_forward(self, x, options)
        else:
            y, pullback = self.call(x, **_taken(self, self.call, options)), None
    return y, self.passed_mask(x, mask, context), pullback


def composes(layer: Any) -> bool:
    """Whether it is said by `call` alone what a layer computes, by its class or by the user for this one object."""
    kind = type(layer)
    if (
        getattr(kind, "apply", None) is not apply_forward
        or "forward" in vars(layer)
        or not ours_attribute(kind.forward)
    ):
        return False
    return not ours_function(layer.call)


def call_forward(layer: Any, x: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """What a user's `forward` gives; TypeError unless it is outputs and a pullback."""
    return checked_pair(layer, layer.forward(x, **_taken(layer, layer.forward, options)))


def checked_pair(layer: Any, result: Any) -> tuple[Any, Any]:
    """What a user's `forward` gave; TypeError unless it is outputs and a pullback."""
    if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
        got = type(result).__name__
        raise TypeError(f"{type(layer).__name__}.forward must return (y, pullback), got {got}")
    return result


def check_written(layer: Layer) -> None:
    """NotImplementedError where a class does not say what it computes."""
    kind = type(layer)
    if kind.apply is apply_forward and ours_attribute(kind.forward) and not composes(layer):
        raise NotImplementedError(
            f"{kind.__name__} must write call(x, ...) with layers, operators and functions of cellstep.ops, or "
            "forward(x, ...) -> (y, pullback)"
        )


def take_written(kind: Any, base: Any) -> None:
    """Let a class compute by the `forward` or `call` that it writes, and no way around them that it inherits; `base` is
    Layer."""
    for name in ("apply", "stages"):
        owner = owner_of(kind, name, "forward", *([] if ours_attribute(kind.call) else ["call"]))
        if name not in vars(owner) and "_depends" not in vars(owner_of(kind, name)):
            setattr(kind, name, vars(base)[name])
    if kind.apply is apply_forward and "call" in vars(kind) and ours_attribute(kind.forward):
        if class_beneath(kind) is base:
            passes = ours_attribute(kind.call) or not ours_function(kind.compute_mask)  # as in Keras
            kind.supports_masking = bool(vars(kind).get("supports_masking", passes))
        elif "reach" not in vars(kind):  # what is said of its steps may hold no more
            kind.over_time, kind.reach = vars(kind).get("over_time", "sequence"), base.reach
    computes = "_depends" not in vars(owner_of(kind, "apply")) and kind.apply is not apply_forward
    kind.masks_itself = computes and not ours_function(kind.compute_mask)
    kind._taken = kind.call, kind.forward


def take_attached(kind: Any, base: Any) -> None:
    """Likewise where `forward` or `call` was attached to the class after it was made."""
    if kind._taken != (kind.call, kind.forward) and not of_package(kind):
        take_written(kind, base)


@cached
def apply_of_package(kind: type[Layer]) -> Callable[..., Applied]:
    """The `apply` that a class inherits from a layer of this package, under a `forward` of its own."""
    inherited = (vars(owner).get("apply", apply_forward) for owner in kind.__mro__)
    written: Callable[..., Applied] | None = next((one for one in inherited if one is not apply_forward), None)
    if written is None:
        raise NotImplementedError(f"{kind.__name__}.forward(x, ...) -> (y, pullback) is not written")
    return written


@cached
def class_beneath(kind: type[Layer]) -> type[Layer]:
    """The class of this package that a user's class is made of."""
    return next(owner for owner in kind.__mro__ if of_package(owner))


@cached
def _kind_beneath(kind: type[Layer]) -> type[Layer]:
    """A user's class that writes `call` over a layer of this package as if it did not, and without what is done once
    for its outputs: a penalty, and the mask that is passed on."""
    own, inherited = class_beneath(kind), apply_of_package(kind)

    @functools.wraps(inherited)
    def apply(self: Layer, x: Any, mask: Any, context: Context, /, **options: Any) -> Applied:
        y, _, pullback = inherited(self, x, mask, context, **options)
        return y, None, pullback

    names = ("call", "call_shape", "compute_output_shape", "compute_mask")
    methods = {name: getattr(own, name) for name in names} | {"__module__": own.__module__, "apply": apply}
    return type(kind.__name__, (kind,), methods | {"activity_regularizer": property(lambda self: None)})


def beneath(layer: Layer) -> Layer:
    """The layer as one of this package, over which a user's class writes `call`: with the same attributes."""
    kind = type(layer)
    if class_beneath(kind).apply is apply_forward:
        raise NotImplementedError(f"Layer.call computes nothing: {kind.__name__}.call must say what, without super()")
    other: Layer = object.__new__(_kind_beneath(kind))
    other.__dict__ = vars(layer)
    return other


@cached
def call_arguments(kind: type[Layer]) -> tuple[str, ...] | None:
    """What a call of a layer takes by name; None where a user's class takes anything."""
    own = not ours_attribute(kind.forward)
    parameters = list(inspect.signature(kind.forward if own else kind.apply).parameters.values())[1:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    names = [p.name for p in parameters]
    if own:
        return tuple(names)
    states = [name for name in names[3:] if name == "initial_state"]
    return ("x", "mask", *states, "training", *(name for name in names[3:] if name not in states))


def _taken(layer: Layer, function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Those options that a user's function takes; TypeError for states that it does not."""
    taken = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        return options
    if "initial_state" not in taken:
        layer.stateless(options.pop("initial_state", None))
    return {k: v for k, v in options.items() if k in taken or k not in ("mask", "training")}
