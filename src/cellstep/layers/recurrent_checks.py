"""What a recurrent layer looks at before it runs: inputs, states and options that do not go together are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from ..configured import cached, ours_function

if TYPE_CHECKING:
    from .recurrent import RNN


def check_input_shape(layer: RNN, shape: Any) -> None:
    """ValueError for a shape other than (batch, time, features)."""
    if len(shape) == 3:
        return
    hint = ""
    if len(shape) == 2:
        hint = "; where a recurrent layer gives them, return_sequences=True keeps the steps"
    elif len(shape) == 4 and shape[0] is None:
        hint = "; x has an axis too many, or the shape of an Input the batch size"
    raise ValueError(
        f"expected inputs of {layer.name} of shape (batch, time, features), got {core.describe(shape)}{hint}"
    )


def check_ends(layer: RNN, mask: Any) -> None:
    """ValueError where rows end somewhere, and no mask says where."""
    if mask is None and layer.return_sequences:
        raise ValueError(
            f"go_backwards of {layer.name} must be False where x had lengths that a layer below has lost, got True: "
            "it would begin with padding"
        )


def check_batch_size(layer: RNN, B: int) -> None:
    """ValueError where a layer keeps the states of another number of rows."""
    if layer.states is not None and layer.states[0].shape[0] != B:
        raise ValueError(
            f"expected x with the {layer.states[0].shape[0]} rows of the call before, as {layer.name} is stateful, "
            f"got {B}; reset_states() lets another batch size in"
        )


def check_stateful(layer: RNN, name: str, value: Any) -> None:
    """ValueError for states or rows to reset where a layer keeps none."""
    if not layer.stateful:
        raise ValueError(f"{name} must be None, as {layer.name} is not stateful, got {core.brief(value)}")


def check_recompute(value: Any) -> bool | int:
    """True, False or a number of steps."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 1:
        return int(value)
    try:
        return core.check_bool("recompute", value)
    except TypeError:
        said = f"recompute must be True or False, or a number of steps, 2 or more, got {value!r}"
        raise TypeError(said) from None


def check_resets(layer: RNN) -> None:
    """NotImplementedError where a reset would have to begin with other states than zeros."""
    if layer.initial or layer.has_own_first_states:
        raise NotImplementedError(f"resets of {layer.name} are not built, as its states do not begin at zero")


def check_streamed(layer: RNN) -> None:
    """ValueError or NotImplementedError where a layer cannot run step by step."""
    if layer.go_backwards:
        raise ValueError(f"go_backwards must be False to stream {layer.name}, got True: its first step is the last")
    if layer.has_own_first_states:
        raise NotImplementedError(f"get_initial_state of {layer.name} is overridden, so it cannot be streamed")
    if layer.has_python_cells:
        raise NotImplementedError(f"{layer.name} runs a cell written in Python, so it cannot be streamed")


@cached
def overrides_first_states(kinds: tuple[type, ...]) -> bool:
    """Whether `get_initial_state` of one of these classes, of a layer and its cells, is a user's."""
    makers = [getattr(kind, "get_initial_state", None) for kind in kinds]
    return not all(maker is None or ours_function(maker) for maker in makers)
