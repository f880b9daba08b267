"""`python -m strided COUNT [SEED]`: COUNT calls, each in two layouts, and the numbers of those that differ.

The last line before a crash names the call that crashed; `python -m strided NUMBER SEED only` repeats one, and a
backend's name in the place of `only` leaves it to that one.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import Any

import numpy as np

from cellstep import kernels, set_random_seed

from . import kernel_calls, layer_calls
from .memory import Array, Layouts

CALLS = {**kernel_calls.SHARES, **layer_calls.SHARES}


def copied(value: Any) -> Any:
    """Plain copies: C-contiguous, in native byte order, booleans 0 and 1."""
    if isinstance(value, list):
        return [copied(v) for v in value]
    if value is None:
        return None
    a: Array = np.array(value, value.dtype.newbyteorder("="), order="C")
    return a.view(np.uint8) != 0 if a.dtype == bool else a


def differs(got: Any, right: Any, exact: bool) -> bool:
    if got is None or right is None:
        return got is not right
    a, b = np.asarray(got), np.asarray(right)
    if a.shape != b.shape or a.dtype.newbyteorder("=") != b.dtype.newbyteorder("="):
        return True
    if exact:
        return a.tobytes() != b.tobytes()
    scale = np.abs(b[np.isfinite(b)]).max(initial=1)
    close = np.isclose(a, b, rtol=0, atol=scale * (1e-4 if a.dtype == np.float32 else 1e-9), equal_nan=True)
    return not close.all()


def run(number: int, seed: int, backends: list[str]) -> str:
    """What was wrong with a call, or an empty string."""
    d = Layouts((seed, number))
    share = np.array(list(CALLS.values()))
    entry = list(CALLS)[d.rng.choice(len(CALLS), p=share / share.sum())]
    name = d.choose(*backends)
    print(number, entry.__name__, name, end=" ", flush=True)
    set_random_seed(number)
    with kernels.use(name), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        call, arrays, exact = entry(d)
        before = copied(list(arrays.values()))
        got = call(**arrays)
        if any(differs(a, b, True) for a, b in zip(flat(copied(list(arrays.values()))), flat(before), strict=True)):
            return "an argument was written to"
        right = call(**{key: copied(value) for key, value in arrays.items()})
    wrong = [k for k, (a, b) in enumerate(zip(got, right, strict=True)) if differs(a, b, exact and name == "cython")]
    if not wrong:
        return ""
    lies = {k: [(a.shape, a.strides, a.dtype.str) for a in flat([v])] for k, v in arrays.items() if v is not None}
    return f"results {wrong} of {len(right)} differ for {lies}"


def flat(values: list[Any]) -> list[Array]:
    """The arrays of a list, and of the lists in it."""
    return [a for v in values if v is not None for a in (flat(v) if isinstance(v, list) else [v])]


def main(count: int, seed: int = 0, how: str = "") -> int:
    only = how == "only"
    backends = [name for name, missing in kernels.available().items() if not missing and how in ("", "only", name)]
    # most calls go to the first one: the others' indexing is NumPy's and Numba's
    backends = [backends[0]] * 8 + backends[1:]
    failed = []
    for number in [count] if only else range(count):
        try:
            wrong = run(number, seed, backends)
        except Exception:
            wrong = traceback.format_exc()
        print(wrong or "ok", flush=True)
        if wrong:
            failed.append(number)
    print(f"{len([count] if only else range(count))} calls, {len(failed)} failed: {failed[:50]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *(int(a) for a in sys.argv[2:3]), *sys.argv[3:]))
