"""The functions of each cell that ships with cellstep, made from its row; `of_cells.pyi` has their signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

from .. import core, kernels
from ..lookup import snake_case
from . import any_cell

#: In docstrings, where a cell has the weight or the option.
_SAID = {
    "W": "of x",
    "U": "of h",
    "activation": "the name of an activation (`kernels.ACTIVATIONS`)",
    "recurrent_activation": "that of the gates",
    "reset_after": "whether r multiplies after the product with U, with a bias of its own",
}

_STEP = """One step of {title} for B rows of I inputs and H units.

    Args:
        x: (B, I).
        states: {states}.
{weights}

    Returns:
        The new states, new arrays; the first is the output.

    Raises:
        ValueError, TypeError: an argument that does not fit.

    Each call packs the weights; in a loop `pack` once, and call `step`.
    """

_FORWARD = """{title} over B sequences of T steps, with I inputs and H units.

    Args:
        x: (B, T, I).
{weights}
        initial_state: {states}; zeros where None.
        mask, lengths, resets, drop, go_backwards, return_sequences, tape: as `forward` has them.

    Returns:
        `Forward(y, states, tape)`: y (B, T, H), the last states, and what `{name}_backward` takes where tape is True.

    Raises:
        ValueError, TypeError: an argument that does not fit; nothing was run.

    Each call packs the weights; to use them again, `pack` once, and call `forward`. Its equations: docs/equations.md.
    """

_BACKWARD = """The gradients of a loss, from those of what `{name}_forward` gave.

    Args:
        tape: of that call.
        dy: (B, T, H), the gradient of y; zeros where None.
        dstates: {states}, or None: the gradients of the last states; zeros where None.
        need_x, need_initial_state, need_weights: what is wanted.

    Returns:
        `Gradients(x, initial_state, weights)`: (B, T, I); as dstates; by name, in the weights' shapes. New arrays.

    Raises:
        ValueError, TypeError: an argument that does not fit, or the tape of another cell; nothing was run.
    """


def _shape(row: kernels.Cell, weight: kernels.Weight) -> str:
    axes = [axis if axis != "GH" else f"{row.G}*H" if row.G > 1 else "H" for axis in weight.axes]
    plain = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
    flags = [o.name for o in row.options if o.kind == "flag"] if weight.name == row.bias else []
    more = [f"({row.bias_rows({flag: True})}, {axes[0]}) with {flag}" for flag in flags]
    return " or ".join([plain, *more])


def _words(row: kernels.Cell) -> Mapping[str, str]:
    """What the docstrings of a cell say."""
    lines = []
    for weight in row.weights:
        said = "the bias, or None" if weight.name == row.bias else f"the weights {_SAID[weight.name]}"
        gates = f", by gates {' '.join(row.letters)}" if row.G > 1 else ""
        lines.append(f"        {weight.name}: {_shape(row, weight)}, {said}{gates}.")
    lines += [f"        {option.name}: {_SAID[option.name]}." for option in row.options]
    names = row.state_names
    states = f"{' and '.join(names)}, (B, H) each, as a tuple" if len(names) > 1 else f"{names[0]} (B, H)"
    return {"title": row.title, "name": snake_case(row.title), "weights": "\n".join(lines), "states": states}


def _made(kind: str, text: str, row: kernels.Cell, run: Callable[..., Any], signature: inspect.Signature) -> Any:
    """A function of one cell: of the arguments by name, once they are bound to the signature."""

    def function(*args: Any, **arguments: Any) -> Any:
        try:
            bound = signature.bind(*args, **arguments)
        except TypeError as error:
            raise TypeError(f"{function.__name__}: {error}") from None  # what is missing, or too much
        bound.apply_defaults()
        return run(row, **bound.arguments)

    words = _words(row)
    function.__name__ = function.__qualname__ = f"{words['name']}_{kind}"
    function.__doc__ = text.format(**words)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _parameters(*names: str, **defaults: Any) -> list[Parameter]:
    """Those of any place, without a default and with one."""
    both = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    return both + [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=d) for name, d in defaults.items()]


def _parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    return [p.replace(annotation=Parameter.empty) for p in inspect.signature(function).parameters.values()]


def _split(row: kernels.Cell, arguments: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The weights and the options, taken out of the arguments."""
    weights = [arguments.pop(name) for name in row.weight_names]
    return weights, {name: arguments.pop(name) for name in row.option_names}


def _step(row: kernels.Cell, x: Any, states: Any, **arguments: Any) -> Any:
    weights, options = _split(row, arguments)
    return any_cell.step(any_cell.pack(row, *weights, backward=False, **options), x, states)


def _forward(row: kernels.Cell, x: Any, initial_state: Any, tape: Any, **arguments: Any) -> Any:
    weights, options = _split(row, arguments)
    tape = core.check_bool("tape", tape)
    packed = any_cell.pack(row, *weights, backward=tape, **options)
    return any_cell.forward(packed, x, initial_state, tape=tape, **arguments)


def _backward(row: kernels.Cell, tape: Any, **arguments: Any) -> Any:
    if isinstance(tape, any_cell.Tape) and tape.packed.cell is not row:
        raise ValueError(f"expected tape to be that of {row.title}, got {tape!r}")
    return any_cell.backward(tape, **arguments)


def _functions(row: kernels.Cell) -> dict[str, Any]:
    """The step, forward and backward of a cell."""
    weights = _parameters(*(n for n in row.weight_names if n != row.bias), **{row.bias: None})
    options = [Parameter(o.name, Parameter.KEYWORD_ONLY, default=o.default) for o in row.options]
    _, x, initial_state, *rest = _parameters_of(any_cell.forward)
    signatures = {
        "step": (_STEP, _step, [*_parameters("x", "states"), *weights, *options]),
        "forward": (_FORWARD, _forward, [x, *weights, initial_state, *rest, *options]),
        "backward": (_BACKWARD, _backward, _parameters_of(any_cell.backward)),
    }
    made = [_made(kind, text, row, run, inspect.Signature(p)) for kind, (text, run, p) in signatures.items()]
    return {function.__name__: function for function in made}


for _row in kernels.CELLS.values():
    if _row.equations is None:
        globals().update(_functions(_row))
