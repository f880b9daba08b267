"""Random cells, with random options, sizes, layouts, masks, lengths, resets, dropped states and gradients, against the
reference in float64.

    random_cells.py COUNT [SEED]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from table import OPTIONS, steps

from cellstep import cells, functional, kernels

WRITTEN = [name for name in cells.__all__ if name not in ("Cell", "place_of")]
#: Their values and slopes jump, or grow without bound, so that two roundings may be far apart.
WILD = ("exponential", "hard_shrink", "soft_shrink", "relu6", "hard_tanh", "hard_sigmoid")


def drawn_row(rng: np.random.Generator) -> tuple[Any, dict[str, Any]]:
    """A cell, one of ours or one written as equations, and its options."""
    if rng.random() < 0.35:
        return getattr(cells, str(rng.choice(WRITTEN))), {}
    row = list(kernels.CELLS.values())[int(rng.integers(3))]
    chosen = {name: rng.choice(np.array(OPTIONS[name], object)) for name in row.option_names}
    return row, {name: row.defaults[name] if value in WILD else value for name, value in chosen.items()}


def laid_out(rng: np.random.Generator, a: Any) -> Any:
    """The same numbers with other strides."""
    order = rng.permutation(a.ndim)
    b = np.empty([n + 2 for n in np.array(a.shape)[order]], a.dtype).transpose(np.argsort(order))
    view = b[tuple(slice(1, 1 + n) for n in a.shape)]
    view[...] = a
    return view if rng.random() < 0.5 else np.ascontiguousarray(a[..., ::-1])[..., ::-1]


def off(got: list[Any], right: list[Any]) -> float:
    """The largest error, over the largest number of an array, or over 1."""
    pairs = zip(got, right, strict=True)
    return max(float(np.abs(g - a).max(initial=0) / max(1.0, np.abs(a).max(initial=0))) for g, a in pairs)


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """A cell with all that a pass takes."""
    kind, options = drawn_row(rng)
    row = functional.any_cell.row_of(kind)
    T, B, I, H = (int(n) for n in (*rng.integers(0, 9, 2), *rng.integers(1, 24, 2)))  # noqa: E741
    sizes = {state.size: H for state in row.states} | {"I": I, "H": H}
    if "P" in sizes:
        sizes["P"] = int(rng.integers(1, 12))
    weights = [rng.uniform(-0.4, 0.4, shape).astype("f4") for shape in row.shapes(sizes, options)]
    weights = [None if row.weight_names[i] == row.bias and rng.random() < 0.2 else w for i, w in enumerate(weights)]
    states = [rng.uniform(-1, 1, (B, sizes[state.size])).astype("f4") for state in row.states]
    mask, lengths = steps(str(rng.choice(["none", "right", "holes", "lengths", "nothing"])), B, T, rng)
    given = {"mask": mask, "lengths": lengths, "go_backwards": bool(rng.random() < 0.3)}
    given["resets"] = rng.random((B, T)) < 0.2 if rng.random() < 0.3 else None
    given["drop"] = (rng.random(states[0].shape) < 0.7) / 0.7 if rng.random() < 0.3 else None
    return {
        "kind": kind,
        "options": options,
        "weights": weights,
        "states": states,
        "given": given,
        "x": rng.standard_normal((B, T, I), "f4"),
        "dy": rng.standard_normal((B, T, sizes[row.states[0].size]), "f4"),
        "dstates": [None if rng.random() < 0.3 else rng.standard_normal(s.shape, "f4") for s in states],
    }


def answers(rng: np.random.Generator, p: dict[str, Any], dtype: str, backend: str) -> list[Any]:
    """y, the last states, and all gradients, from arrays that lie in memory as they are drawn to."""

    def to(a: Any) -> Any:
        return None if a is None else laid_out(rng, a.astype(dtype))

    with kernels.use(backend), np.errstate(all="ignore"):
        packed = functional.pack(p["kind"], *map(to, p["weights"]), **p["options"])
        y, last, tape = functional.forward(packed, to(p["x"]), list(map(to, p["states"])), tape=True, **p["given"])
        back = functional.backward(tape, to(p["dy"]), list(map(to, p["dstates"])))
    return [y, *last, back.x, *back.initial_state, *back.weights.values()]


def run(count: int, seed: int = 0, backends: tuple[str, ...] = ("cython",)) -> tuple[dict[str, float], list[str]]:
    """The largest error of each dtype, over the largest number of an array, and what is beyond the tolerances."""
    worst, wrong = {"float32": 0.0, "float64": 0.0}, []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        p = drawn(rng)
        right = answers(rng, p, "float64", "numpy")
        largest = max((float(np.abs(a).max(initial=0)) for a in right), default=0.0)
        for dtype, tolerance in (("float32", 1e-3), ("float64", 1e-10)):
            if not largest < (1e3 if dtype == "float32" else 1e100):
                continue  # gates without bounds, which the dtype does not hold
            for backend in backends:
                error = off(answers(rng, p, dtype, backend), right)
                worst[dtype] = max(worst[dtype], error)
                # a problem may be hard: then it is so for the reference too
                if not error <= tolerance and not error <= 10 * off(answers(rng, p, dtype, "numpy"), right):
                    what = f"{getattr(p['kind'], 'title', p['kind'])}, {p['options']}, x {p['x'].shape}"
                    wrong.append(f"{number} of seed {seed}: {what}, {dtype} on {backend}: {error:.2g}")
    return worst, wrong


if __name__ == "__main__":
    there = tuple(name for name, missing in kernels.available().items() if not missing and name != "numpy")
    worst, wrong = run(int(sys.argv[1]), *(int(a) for a in sys.argv[2:3]), backends=there[:1])
    print("\n".join(wrong))
    print(f"largest errors {worst}, {len(wrong)} wrong")
    sys.exit(bool(wrong))
