"""Ops: functions of tensors and of arrays, those of `keras.ops` that a model of sequences uses.

    from cellstep import ops

    context = ops.sum(ops.softmax(scores, axis=1) * h, axis=1)
    last = h[:, -1]                     # tensors take slices and operators too

On tensors each is a step of the model, with its gradient; on arrays it is done at once. As in Keras, no mask goes
through them: layers such as Add and Concatenate keep it. `cellstep.math` is this module under an older name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .exports import public
from .layers.operations import OPERATIONS, Kind, apply


def _function(kind: Kind) -> Callable[..., Any]:
    """The function of a kind of operation, with the names, the order and the defaults of Keras's."""
    names = [name.lstrip("*") for name in kind.arguments]
    positional, required = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    defaults = {name: required if value is ... else value for name, value in kind.options.items()}
    order = [*names, *kind.options] if kind.name != "Einsum" else ["subscripts"]
    parameters = [inspect.Parameter(name, positional, default=defaults.get(name, required)) for name in order]
    if kind.name == "Einsum":
        parameters.append(inspect.Parameter("operands", inspect.Parameter.VAR_POSITIONAL))
    signature = inspect.Signature(parameters)

    def function(*args: Any, **options: Any) -> Any:
        try:
            bound = signature.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{kind.function}{signature} was called wrongly: {error}") from None
        bound.apply_defaults()
        values = bound.arguments
        if kind.name == "Einsum":
            arguments = list(values["operands"])
        else:
            arguments = [list(values[name]) if f"*{name}" in kind.arguments else values[name] for name in names]
        return apply(kind.name, arguments, {name: values[name] for name in kind.options})

    function.__name__ = function.__qualname__ = kind.function
    function.__doc__ = kind.rule.__doc__ or f"{kind.name}, as in Keras."
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


globals().update({kind.function: _function(kind) for kind in OPERATIONS.values() if kind.name != "GetItem"})
globals()["abs"] = globals()["absolute"]

__all__ = sorted([*({kind.function for kind in OPERATIONS.values()} - {"get_item"}), "abs"])


def __getattr__(name: str) -> Any:
    raise AttributeError(f"cellstep.ops has no function {name!r}; there are {', '.join(__all__)}")


__dir__ = public(globals())
