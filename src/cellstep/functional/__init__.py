"""Cells as functions of plain arrays: for programs that want neither layers nor models.

    from cellstep import functional as F

    y, (h, c), tape = F.lstm_forward(x, W, U, b, tape=True)
    dx, _, dweights = F.lstm_backward(tape, dy)

Every argument is checked and cast as layers do it; outputs are new arrays. Layouts, gate order and gradients are those
of `cellstep.layers`, and so are the bits. `forward`, `step` and `backward` run any cell, one of your own too, with
weights that `pack` has laid out once; the functions of a cell are these with its weights and options as arguments.
"""

from __future__ import annotations

from ..core import Packed
from .any_cell import Forward, Gradients, Tape, backward, forward, pack, step
from .of_cells import (
    gru_backward,
    gru_forward,
    gru_step,
    lstm_backward,
    lstm_forward,
    lstm_step,
    simple_rnn_backward,
    simple_rnn_forward,
    simple_rnn_step,
)

__all__ = [
    "Forward",
    "Gradients",
    "Packed",
    "Tape",
    "backward",
    "forward",
    "gru_backward",
    "gru_forward",
    "gru_step",
    "lstm_backward",
    "lstm_forward",
    "lstm_step",
    "pack",
    "simple_rnn_backward",
    "simple_rnn_forward",
    "simple_rnn_step",
    "step",
]


def __dir__() -> list[str]:
    return sorted(__all__)
