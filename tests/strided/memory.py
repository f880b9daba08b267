"""Arrays of a given shape that lie in any way: any stride on any axis, byte order and alignment.

Their memory ends where they do, so that a read or a write beside one is a crash or, on the heap, a finding of
AddressSanitizer.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Fill = Callable[[int], Array]

_mprotect = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
#: Bytes of an array's memory above which it is laid out without gaps.
_MOST = 1 << 23


def guarded(size: int, at_end: bool) -> Array:
    """`size` bytes between two pages that nobody may touch, flush with the second one or with the first."""
    page = mmap.PAGESIZE
    inside = max(1, -(-size // page)) * page
    memory = mmap.mmap(-1, inside + 2 * page)
    whole = np.frombuffer(memory, np.uint8)
    # what lies around the array is NaN, -1 and booleans that are neither 0 nor 1
    whole[page : page + inside] = 0xFF
    address = whole.ctypes.data
    for at in (address, address + page + inside):
        if _mprotect(at, page, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = page + inside - size if at_end else page
    return whole[start : start + size]


class Layouts:
    """Draws arrays, and all else that a call needs, from a generator."""

    def __init__(self, seed: Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def choose(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def size(self, *choices: int) -> int:
        """One of these sizes, or one near the blocks that kernels work in."""
        return int(self.choose(*(choices or (1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 31, 33, 65))))

    def memory(self, size: int) -> Array:
        return np.empty(size, np.uint8) if self.chance(0.25) else guarded(size, self.chance(0.7))

    def room(self, shape: tuple[int, ...], dtype: str, value: Any = 0) -> Array:
        """A C-contiguous array for results, full of `value`, with nothing behind it."""
        size = int(np.prod(shape))
        out: Array = self.memory(size * np.dtype(dtype).itemsize).view(dtype).reshape(shape)
        out[...] = value
        return out

    def array(self, shape: tuple[int, ...], dtype: Any, fill: Fill, tight: bool = False) -> Array:
        """An array of this shape that lies anyhow.

        Args:
            dtype: in native byte order; the array may have the other one.
            fill: n values, of which the array's are some.
            tight: the byte order and alignment are native, and the last axis has no gaps.
        """
        dtype = np.dtype(dtype)
        odd = not tight and self.chance(0.3)
        unit = dtype.itemsize + (int(self.choose(0, 1, 3, 8)) if odd else 0)
        before = int(self.choose(0, 1, 2)) if odd else 0
        if odd and self.chance(0.3):
            dtype = dtype.newbyteorder()
        steps = self.steps(shape, tight)
        ends = [(n - 1) * s for n, s in zip(shape, steps, strict=True)] if 0 not in shape else []
        low, high = sum(min(0, e) for e in ends), sum(max(0, e) for e in ends)
        values = fill(high - low + 1)
        memory = self.memory(before + (high - low) * unit + dtype.itemsize)
        slots: Array = np.ndarray((len(values),), dtype, memory, before, (unit,))
        slots[...] = values
        out: Array = np.ndarray(shape, dtype, memory, before - low * unit, [s * unit for s in steps])
        out.flags.writeable = self.chance(0.5)
        return out

    def steps(self, shape: tuple[int, ...], tight: bool) -> list[int]:
        """How far it is from element to element along each axis, in elements."""
        axes = len(shape)
        order = list(range(axes))
        if not (tight or self.chance(0.5)):
            order = [int(axis) for axis in self.rng.permutation(axes)]
        steps, step = [1] * axes, 1
        gaps = self.chance(0.5) and np.prod(shape, dtype=float) < _MOST / 64
        for axis in reversed(order):
            last = tight and axis == axes - 1
            steps[axis] = step if last or not gaps else step * int(self.choose(1, 1, 2, 3))
            step = steps[axis] * max(1, shape[axis])
            if not last and self.chance(0.3):
                steps[axis] *= -1
        how = self.choose("even", "even", "zeros", "zeros", "any", "windows")
        for axis in range(axes):
            if tight and axis == axes - 1 and shape[axis] != 1:
                continue
            if shape[axis] == 1 and self.chance(0.7):
                steps[axis] = int(self.choose(0, 1, -1, 7, 2**33 + 1, -(2**33) - 1))
            elif how == "zeros" and self.chance(0.6):
                steps[axis] = 0
            elif how == "any":
                steps[axis] = int(self.rng.integers(-6, 7))
            elif how == "windows" and axis < axes - 1:
                steps[axis] = int(self.choose(1, 2, shape[-1], -1))
        return steps

    def floats(self, shape: tuple[int, ...], dtype: str, tight: bool = False, like: float = 1.0) -> Array:
        """Normal numbers times `like`, among them zeros of both signs, -1 and the smallest numbers."""

        def fill(n: int) -> Array:
            values = (self.rng.standard_normal(n) * like).astype(dtype)
            special = self.rng.random(n) < 0.05
            values[special] = self.rng.choice([0.0, -0.0, -1.0, 1.0, np.finfo(dtype).tiny], special.sum())
            return values

        cast = not tight and self.chance(0.1)
        return self.array(shape, self.choose("float16", "int32", "float32", "float64") if cast else dtype, fill, tight)

    def integers(self, shape: tuple[int, ...], end: int) -> Array:
        """Integers from 0 to end - 1."""
        dtype = self.choose(*(("int8", "uint8") if end <= 128 else ()), "int32", "int64", "uint64")
        return self.array(shape, dtype, lambda n: self.rng.integers(0, end, n).astype(dtype))

    def booleans(self, shape: tuple[int, ...]) -> Array:
        """Booleans, of which some are bytes above 1, as a view of other memory can hold them."""
        most = int(self.choose(2, 2, 2, 5))
        return self.array(shape, bool, lambda n: (self.rng.integers(0, most, n, np.uint8)).view(bool))
