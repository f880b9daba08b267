"""Every entry takes arrays of every layout that NumPy can make, and reads and writes nothing beside them.

CELLSTEP_STRIDED_CALLS calls are made, 1500 where it is not set, from the seed CELLSTEP_RANDOM_SEED. They run in a
process of their own, which ends at one that reads beside an array.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cellstep import activations, kernels, layers

CALLS = os.environ.get("CELLSTEP_STRIDED_CALLS", "1500")
SEED = os.environ.get("CELLSTEP_RANDOM_SEED", "0")


def test_arrays_of_any_layout_give_what_their_copies_give() -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", "strided", CALLS, SEED]
    ran = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, errors="replace")
    unlike = [line for line in ran.stdout.splitlines() if not line.endswith(" ok")]
    assert ran.returncode == 0, "\n".join([*unlike, ran.stdout[-500:], ran.stderr[-5000:]])
    assert unlike == [f"{CALLS} calls, 0 failed: []"]


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("shape", [(1, 20, 5), (5000, 6, 30)], ids=["steps", "rows"])
def test_one_row_broadcast_over_all(name: str, shape: tuple[int, ...]) -> None:
    """A stride of 0 between rows or steps, as of np.broadcast_to and tensor.expand: a decoder's constant context."""
    layer = getattr(layers, name)(4)
    x = np.broadcast_to(np.linspace(-1, 1, shape[2], dtype=np.float32), shape)
    np.testing.assert_array_equal(layer(x), layer(x.copy()))


def test_a_convolution_of_a_series_with_a_new_axis() -> None:
    """An axis of one entry may have any stride: that of a[:, :, None] is 0, and the array counts as contiguous."""
    layer = layers.Conv1D(1, 3, use_bias=False)
    layer.build((None, None, 1))
    layer.set_weights([np.array([1, 10, 100]).reshape(3, 1, 1)])
    y = layer(np.arange(1, 6, dtype=np.float32)[None, :, None])
    np.testing.assert_array_equal(y[0, :, 0], [321, 432, 543])


def test_activations_of_the_other_byte_order() -> None:
    x = np.array([[-1.5, 0.25, 3.0]])
    for name in ("tanh", "gelu", "softmax"):
        y = activations.get(name)(x.astype(x.dtype.newbyteorder()))
        np.testing.assert_array_equal(y, activations.get(name)(x))


def test_a_tape_beyond_all_memory(backend: kernels.Backend) -> None:
    """A row that is broadcast over 2**57 steps takes eight bytes; what backward needs of each does not."""
    with kernels.use(backend.name):
        layer = layers.LSTM(9)
        with pytest.raises((MemoryError, ValueError)):
            layer.forward(np.broadcast_to(np.ones((1, 1, 2), np.float32), (1, 2**57, 2)))
