"""The signatures of `of_cells.py`, for editors and type checkers; a test holds them against the cells."""

from typing import Any

from numpy.typing import ArrayLike, NDArray

from .any_cell import Forward, Gradients, Tape

def gru_backward(
    tape: Tape,
    dy: ArrayLike | None = None,
    dstates: Any = None,
    *,
    need_x: bool = True,
    need_initial_state: bool = True,
    need_weights: bool = True,
) -> Gradients: ...
def gru_forward(
    x: ArrayLike,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    initial_state: Any = None,
    *,
    mask: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    resets: ArrayLike | None = None,
    drop: ArrayLike | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    tape: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
) -> Forward: ...
def gru_step(
    x: ArrayLike,
    states: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
) -> tuple[NDArray[Any], ...]: ...
def lstm_backward(
    tape: Tape,
    dy: ArrayLike | None = None,
    dstates: Any = None,
    *,
    need_x: bool = True,
    need_initial_state: bool = True,
    need_weights: bool = True,
) -> Gradients: ...
def lstm_forward(
    x: ArrayLike,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    initial_state: Any = None,
    *,
    mask: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    resets: ArrayLike | None = None,
    drop: ArrayLike | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    tape: bool = False,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> Forward: ...
def lstm_step(
    x: ArrayLike,
    states: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> tuple[NDArray[Any], ...]: ...
def simple_rnn_backward(
    tape: Tape,
    dy: ArrayLike | None = None,
    dstates: Any = None,
    *,
    need_x: bool = True,
    need_initial_state: bool = True,
    need_weights: bool = True,
) -> Gradients: ...
def simple_rnn_forward(
    x: ArrayLike,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    initial_state: Any = None,
    *,
    mask: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    resets: ArrayLike | None = None,
    drop: ArrayLike | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    tape: bool = False,
    activation: str = "tanh",
) -> Forward: ...
def simple_rnn_step(
    x: ArrayLike,
    states: Any,
    W: ArrayLike,
    U: ArrayLike,
    b: ArrayLike | None = None,
    *,
    activation: str = "tanh",
) -> tuple[NDArray[Any], ...]: ...
