"""How far float32 and float64 answers are from the reference in float64, where that is hard; and the caller's
floating-point mode.

    accuracy.py STEPS

For each cell and case, the largest error over values and gradients, in roundings (epsilons of the dtype) of the
largest number of the array; beside it that of the reference in the same dtype, which says how hard the case is.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from table import VARIANTS, Shape, Variant, problem

from cellstep import functional, kernels

Change = Callable[[dict[str, Any]], dict[str, Any]]


def times(factor: float, *names: str) -> Change:
    return lambda a: {**a, **{name: a[name] * factor for name in names}}


#: Changes of the arguments W, U, b, x, states, mask. The gates of `saturated` are 0 or 1 in float32.
CASES: dict[str, Change] = {
    "as drawn": lambda a: a,
    "saturated gates": times(40, "b"),
    "huge weights": times(1e4, "W", "U"),
    "tiny weights": times(1e-20, "W", "U", "b"),
    "huge inputs": times(1e18, "x"),
    "denormal inputs": times(1e-41, "x", "b"),
    "all zero": times(0, "x", "W", "U", "b"),
    "nothing runs": lambda a: {**a, "mask": np.zeros(a["x"].shape[:2], bool)},
}


def answers(v: Variant, a: dict[str, Any], dtype: str, backend: str) -> list[Any]:
    """y, the last states and all gradients; of y the gradient is that of its mean square."""
    with kernels.use(backend), np.errstate(all="ignore"):
        weights = [a[name].astype(dtype) for name in v.cell.weight_names]
        packed = functional.pack(v.cell, *weights, **v.named)
        states = [s.astype(dtype) for s in a["states"]]
        y, last, tape = functional.forward(packed, a["x"].astype(dtype), states, mask=a["mask"], tape=True)
        back = functional.backward(tape, a["dy"].astype(dtype))
    return [y, *last, back.x, *back.initial_state, *back.weights.values()]


def error(v: Variant, case: str, T: int, dtype: str, backend: str) -> float:
    """In roundings of the largest number; infinite where one has a number and the other none."""
    p = problem(v, Shape(T, 2, 3, 12), "float64")
    given = dict(zip(v.cell.weight_names, p.weights, strict=True)) | {"x": p.x, "states": p.states, "mask": None}
    a = CASES[case]({**given, "dy": p.dy})
    # both see the same numbers
    rounded = {name: a[name].astype(dtype).astype("float64") for name in ("x", "dy", *v.cell.weight_names)}
    a |= {**rounded, "states": [s.astype(dtype).astype("float64") for s in a["states"]]}
    eps, worst = np.finfo(dtype).eps, 0.0
    for got, right in zip(answers(v, a, dtype, backend), answers(v, a, "float64", "numpy"), strict=True):
        if not np.isfinite(got).all():
            return np.inf
        # what is below the smallest normal number may be flushed
        scale = np.abs(right).max(initial=np.finfo(dtype).tiny / eps)
        worst = max(worst, float(np.abs(got - right).max(initial=0) / scale / eps))
    return worst


def errors(T: int, dtype: str, backend: str) -> dict[tuple[str, str], float]:
    """By cell and case."""
    return {(str(v), case): error(v, case, T, dtype, backend) for v in VARIANTS for case in CASES}


def mode() -> int:
    """MXCSR of the thread, without the flags of what has happened: rounding, traps, and flushing of denormals."""
    libm, kept = ctypes.CDLL("libm.so.6"), (ctypes.c_uint32 * 16)()
    assert libm.fegetenv(kept) == 0
    return kept[7] & ~0x3F


def modes_that_changed() -> int:
    """Calls after which the mode is another one, of all that compute, with the mode as it is and with each other."""
    libm, v, changed = ctypes.CDLL("libm.so.6"), VARIANTS[1], 0
    p = problem(v, Shape(20, 40, 30, 50), "float32")
    packed = functional.pack(v.cell, *p.weights)
    for rounding in (0, 0x400, 0x800, 0xC00):
        for flush in (0, 0x8040):
            kept = (ctypes.c_uint32 * 16)()
            libm.fesetround(rounding)
            libm.fegetenv(kept)
            kept[7] |= flush
            libm.fesetenv(kept)
            before = mode()
            y, _, tape = functional.forward(packed, p.x, tape=True)
            changed += mode() != before
            functional.backward(tape, y)
            changed += mode() != before
            functional.step(packed, p.x[:, 0], p.states)
            changed += mode() != before
            kept[7] &= ~0x8040
            libm.fesetenv(kept)
    libm.fesetround(0)
    return changed


if __name__ == "__main__":
    T = int(sys.argv[1])
    print(f"largest error over values and gradients of {T} steps, in roundings of the largest number")
    print(f"{'':31}" + "".join(f"{case:>17}" for case in CASES))
    for dtype, backend in (("float32", "cython"), ("float32", "numpy"), ("float64", "cython")):
        found = errors(T, dtype, backend)
        for v in map(str, VARIANTS):
            print(f"{v + ' ' + dtype + ' ' + backend:31}" + "".join(f"{found[v, case]:17.3g}" for case in CASES))
    print(f"calls that left another floating-point mode: {modes_that_changed()}")
