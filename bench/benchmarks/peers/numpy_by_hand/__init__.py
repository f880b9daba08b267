"""LSTM, GRU and SimpleRNN as somebody good at NumPy writes them for speed: what cellstep has to beat.

Each class takes Keras's W (I, G*H), U (H, G*H) and b, for one shape (T, B), and prepares everything that can be
prepared. What makes it quick, each measured against the plainer form:

- arrays are time-major, x (T, B, I) and y (T, B, H), so that every step reads and writes one contiguous block;
- the input projection of the whole sequence is one BLAS product, the recurrent one is `np.dot` into a buffer; a
  single step is one product of [x h 1] with W, U and b in one matrix, where the cell allows it;
- gates are reordered so that those which share an activation, or a factor in backward, stand side by side;
- sigmoid(v) = tanh(v / 2) / 2 + 1 / 2, which never overflows. The inner half is multiplied into the columns of the
  sigmoid gates beforehand, so one call of tanh, which NumPy runs in vector registers, activates all gates;
- every ufunc writes into a prepared buffer, the views of each step are made once, and the constant is an array of the
  right dtype, which saves the conversion of a Python number in each call;
- backward computes all factors that do not depend on the running gradient for the whole sequence at once, and
  leaves three or four calls and one product to a step; dW, dU and dx are one product each after the loop.

Tests hold it against the reference kernels.
"""

from __future__ import annotations

import importlib
import importlib.util

from ....kernels import Cell
from .base import ByHand


def has(cell: Cell) -> bool:
    """Whether there is a file of this cell's name."""
    return importlib.util.find_spec(f"{__name__}.{cell.name}") is not None


def load(cell: Cell) -> type[ByHand]:
    """The class of a cell, which has its title."""
    by_hand: type[ByHand] = getattr(importlib.import_module(f"{__name__}.{cell.name}"), cell.title)
    return by_hand
