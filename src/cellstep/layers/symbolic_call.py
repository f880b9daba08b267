"""Calls of layers on symbolic tensors: what they may be called on, and the tensors that such a call gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import core
from ..configured import of_package
from . import nested
from .symbolic import Node, SymbolicTensor, is_symbolic

if TYPE_CHECKING:
    from .base import Layer


def connect(layer: Layer, x: Any, mask: Any, initial_state: Any, options: dict[str, Any]) -> Any:
    """Note a call of a layer on tensors, build the layer, and return the tensors that the call gives.

    A mask or initial states that hold no tensors are the same in every call, and stand among the options.

    Raises:
        TypeError: arrays among the tensors, or several tensors where the layer takes one. ValueError: the layer cannot
        take inputs of these shapes.
    """
    states = None
    if initial_state is not None:
        states = list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]
        symbolic = [state for state in states if is_symbolic(state)]
        if not symbolic:
            states = [core.real(f"initial_state of {layer.name}", state) for state in states]
            _check_states(layer, x, states)
            options, states = {**options, "initial_state": states}, None
        elif len(symbolic) < len(states):
            # a constant beside tensors is one for each of their rows
            zeros = SymbolicTensor.operate("ZerosLike", [nested.flatten(symbolic[0])[0][:, :1]], {})
            states = [state if is_symbolic(state) else _each_row(layer, zeros, state) for state in states]
    if mask is not None and not is_symbolic(mask):
        constant = core.real(f"mask of {layer.name}", mask).astype(bool)
        _check_mask(layer, x, constant)
        options, mask = {**options, "mask": constant}, None
    if not isinstance(x, SymbolicTensor) and not layer.takes_several and of_package(type(layer)):
        raise TypeError(f"{layer.name} takes one tensor as x, got a {type(x).__name__} of {len(x)}")
    for name, value in (("x", x), ("mask", mask), ("initial_state", states)):
        for part in [] if value is None else nested.flatten(value):
            if not isinstance(part, SymbolicTensor):
                raise TypeError(
                    f"expected {name} of {layer.name} to hold symbolic tensors alone, got {type(part).__name__}"
                )
    if mask is not None:
        _check_mask(layer, x, mask)
    shape = nested.change(x, lambda tensor: tensor.open_shape)
    _check_options(layer, options)
    layer.build(shape)
    _check_states(layer, x, states)
    node = Node(layer, x, mask, None if states is None else {"initial_state": states}, options)
    known = node.known()
    return node.give(layer.call_shape(shape, options, {}), layer.output_dtype, layer.nodes) if known is None else known


def _each_row(layer: Layer, zeros: SymbolicTensor, state: Any) -> SymbolicTensor:
    """A constant state (units,) or (1, units) as a tensor with a row for each of `zeros` (batch, 1)."""
    array = core.real(f"initial_state of {layer.name}", state)
    if array.ndim > 2 or (array.ndim == 2 and len(array) != 1):
        raise ValueError(
            f"expected a constant initial_state of {layer.name} beside tensors to have one row, got shape {array.shape}"
        )
    return zeros + array


def _check_mask(layer: Layer, x: Any, mask: Any) -> None:
    """ValueError for a mask that is not (batch, time), where the layer needs one of each step of x."""
    if not layer.skips_masked:
        return
    for tensor, given in zip(x, mask, strict=False) if isinstance(x, list | tuple) else [(x, mask)]:
        wanted = tensor.open_shape[:2]
        if isinstance(given, list | tuple | dict):
            raise TypeError(f"expected mask of {layer.name} to be one tensor, got a {type(given).__name__}")
        have = given.open_shape if isinstance(given, SymbolicTensor) else given.shape
        if len(have) != 2 or any(None not in pair and len(set(pair)) > 1 for pair in zip(have, wanted, strict=True)):
            raise ValueError(
                f"expected mask of {layer.name} of shape (batch, time) = {core.describe(wanted)}, "
                f"got {core.describe(have)}"
            )


def _check_options(layer: Layer, options: dict[str, Any]) -> None:
    """TypeError for an option that the layer does not take, or one that holds tensors."""
    layer.check_options(options)
    for name, value in options.items():
        if is_symbolic(value):
            raise TypeError(f"{name} of {layer.name} must hold no symbolic tensors; only x, mask and initial_state can")


def _check_states(layer: Layer, x: Any, states: list[Any] | None) -> None:
    if states is None:
        return
    sizes = getattr(layer, "state_size", None)
    if sizes is None:
        raise TypeError(f"initial_state must be None, as {type(layer).__name__} has no states, got one")
    wanted = nested.flatten(sizes)
    if all(isinstance(size, int) for size in wanted):
        shapes = [
            state.open_shape if isinstance(state, SymbolicTensor) else state.shape for state in nested.flatten(states)
        ]
        have = [shape[-1] if len(shape) == 2 else shape for shape in shapes]
        if have != wanted:
            raise ValueError(
                f"expected initial_state of {layer.name} to be {len(wanted)} tensors (batch, units) with "
                f"{', '.join(map(str, wanted))} units, got {len(have)} with {', '.join(map(str, have))}"
            )
