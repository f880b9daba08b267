"""Weights of Keras 2's CuDNNLSTM and CuDNNGRU in an HDF5 file, read as those of an LSTM and of a GRU (reset after).

    kernel, recurrent_kernel    of the shapes of today, but each gate's block lies transposed in its place
    bias                        (8 units,) or (6 units,): those of the input's products, then those of the state's

Source: `hdf5_format.preprocess_weights_for_loading` of Keras 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..layers import Variable
from ..layers.base import Array
from .hdf5 import Entry, last_name

NAMES = ["kernel", "recurrent_kernel", "bias"]


def converted(weights: Sequence[Variable], entries: Sequence[Entry]) -> list[Entry]:
    """The entries of a layer's weights, those of CuDNN so that they read as the weights want them."""
    found = list(entries)
    for i in range(len(weights) - 2):
        three, wanted = found[i : i + 3], [weight.shape for weight in weights[i : i + 3]]
        if [last_name(entry.place) for entry in three] != NAMES or not _of_cudnn(three, wanted):
            continue
        for k in (i, i + 1):
            found[k] = found[k]._replace(change=partial(_kernel, units=wanted[1][0]))
        found[i + 2] = found[i + 2]._replace(shape=wanted[2], change=partial(_bias, shape=wanted[2]))
    return found


def _of_cudnn(entries: Sequence[Entry], wanted: Sequence[tuple[int, ...]]) -> bool:
    """Whether these are of CuDNN where a layer wants these shapes; a GRU has a bias (2, 3 units)."""
    units = wanted[1][0]
    gates = {(4 * units,): 4, (2, 3 * units): 3}.get(wanted[2])
    shapes = [entry.shape for entry in entries]
    return gates is not None and shapes == [*wanted[:2], (2 * gates * units,)]


def _kernel(kernel: Array, units: int) -> Array:
    """(rows, gates units): each gate's block (rows, units) is read as (units, rows) and transposed."""
    rows, columns = kernel.shape
    gates = kernel.reshape(rows, columns // units, units).transpose(1, 0, 2)
    return np.hstack([gate.reshape(units, rows).T for gate in gates])


def _bias(bias: Array, shape: tuple[int, ...]) -> Array:
    """The two halves beside one another as a GRU has them, or their sum, as an LSTM has it."""
    halves = bias.reshape(2, -1)
    return halves if len(shape) == 2 else halves.sum(0)
