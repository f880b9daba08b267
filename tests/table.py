"""The one table that tests and benchmarks are made from: cells with their options, shapes, masks, dtypes, backends.

Rows follow from the contract (`cellstep.kernels.CELLS`), so a new cell is tested by being declared there. `problem`
turns a row into arrays: weights, inputs, states, a mask and incoming gradients, the same for every backend.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellstep import kernels

Array = NDArray[Any]

DTYPES = ("float32", "float64")
BACKENDS = kernels.BACKENDS
#: The backends that keep the one order of summation, so that their answers agree to the bit. The NumPy reference
#: multiplies through BLAS, which sums in an order of its own for each shape.
EXACT = ("cython", "numba")

#: Every value that each option of a cell may take, the default first.
OPTIONS: dict[str, tuple[Any, ...]] = {
    option.name: tuple(
        sorted(
            (True, False) if option.kind == "flag" else kernels.ACTIVATIONS, key=lambda value: value != option.default
        )
    )
    for cell in kernels.CELLS.values()
    for option in cell.options
}


@dataclass(frozen=True)
class Variant:
    """A cell with a choice for each of its options."""

    cell: kernels.Cell
    options: tuple[Any, ...]
    bias: bool = True

    @property
    def named(self) -> dict[str, Any]:
        return dict(zip(self.cell.option_names, self.options, strict=True))

    def __str__(self) -> str:
        parts = [self.cell.name]
        for name, value in self.named.items():
            if isinstance(value, bool):
                parts.append(("" if value else "no_") + name)
            elif value != OPTIONS[name][0]:
                parts.append(f"{name}={value}")
        return "-".join(parts) + ("" if self.bias else "-no_bias")


def variant(name: str, bias: bool = True, **chosen: Any) -> Variant:
    """The cell of this name with its default options but for those chosen."""
    cell = kernels.CELLS[name]
    return Variant(cell, tuple(chosen.get(option, OPTIONS[option][0]) for option in cell.option_names), bias)


def _variants() -> Iterator[Variant]:
    for name, cell in kernels.CELLS.items():
        flags = [option.name for option in cell.options if option.kind == "flag"]
        for values in itertools.product(*(OPTIONS[flag] for flag in flags)):
            yield variant(name, **dict(zip(flags, values, strict=True)))


#: Every cell in every structure, with default activations: rnn, lstm, and gru with and without reset_after.
VARIANTS: tuple[Variant, ...] = tuple(_variants())
NO_BIAS: tuple[Variant, ...] = tuple(replace(v, bias=False) for v in VARIANTS)


def _activated() -> Iterator[Variant]:
    for base in VARIANTS:
        for slot in base.cell.activations:
            for value in OPTIONS[slot]:
                yield variant(base.cell.name, **{**base.named, slot: value})


#: VARIANTS with every activation in every place where one goes.
ACTIVATED: tuple[Variant, ...] = tuple(dict.fromkeys(_activated()))


#: Every cell with activations whose derivatives are functions of their inputs, of which tapes keep other things.
OF_INPUT: tuple[Variant, ...] = (
    variant("rnn", activation="mish"),
    variant("lstm", activation="silu", recurrent_activation="gelu"),
    variant("gru", activation="gelu", recurrent_activation="hard_silu"),
    variant("gru", activation="tanh_shrink", recurrent_activation="mish", reset_after=False),
    variant("gru", recurrent_activation="silu", reset_after=False),
)


class Shape(NamedTuple):
    """T steps, B rows, I inputs, H units."""

    T: int
    B: int
    I: int  # noqa: E741 - the contract's letter
    H: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


#: For what has to hold at any size and is slow to test: T >= 3, and no two sizes alike.
SMALL = Shape(T=5, B=4, I=3, H=6)
#: For differences, one number at a time.
TINY = Shape(T=3, B=2, I=2, H=3)
#: Where code that works in blocks goes wrong: nothing, one, and every remainder of a vector or of a tile of rows.
EMPTY = (Shape(0, 3, 4, 5), Shape(4, 0, 3, 5), Shape(0, 0, 1, 1), Shape(1, 1, 1, 1), Shape(3, 2, 1, 1))
EDGES = tuple(
    Shape(3, B, 1 + (5 * B + H) % 20, H) for H in (1, 4, 5, 8, 16, 17, 33, 70) for B in (1, 2, 3, 4, 6, 7, 13)
)
#: Many inputs, many units, many rows, many steps: more than a block of any of them holds.
WIDE = (Shape(2, 3, 130, 9), Shape(2, 5, 600, 9), Shape(2, 1, 3, 260), Shape(2, 300, 3, 5), Shape(300, 1, 3, 8))
LONG = Shape(100, 32, 24, 48)
#: Enough work for a second thread, by rows and by units.
THREADED = (Shape(12, 40, 30, 50), Shape(9, 2, 60, 120), Shape(5, 7, 40, 128), Shape(3, 1, 200, 200))
#: A gate row of more than 32 KB.
HUGE = Shape(1, 2, 3, 1400)

#: Masks by name; `steps` draws one. "lengths" is the right-padded mask in its fast form.
MASKS = ("none", "all", "right", "left", "holes", "first", "rows", "nothing", "lengths")


def steps(kind: str, B: int, T: int, rng: np.random.Generator) -> tuple[Array | None, Array | None]:
    """A (mask, lengths) pair of this kind: mask (B, T) of booleans, lengths (B,) int32, either or both None."""
    if kind == "none":
        return None, None
    lengths = rng.integers(0, T + 1, B, dtype=np.int32)
    lengths[:2] = (T, 0)[:B]
    right = np.arange(T) < lengths[:, None]
    if kind == "lengths":
        return None, lengths
    if kind == "all":
        return np.ones((B, T), bool), None
    if kind == "right":
        return right, None
    if kind == "left":
        return np.ascontiguousarray(right[:, ::-1]), None
    holes = rng.random((B, T)) < 0.6
    if kind == "holes":
        # at least one row runs, rests and runs again
        holes[:1] = np.arange(T) % 2 == 0
    elif kind == "first":
        holes[:, :2] = False
    elif kind == "rows":
        holes[::2] = False
    else:
        assert kind == "nothing", kind
        holes[:] = False
    return holes, None


@dataclass(frozen=True)
class Problem:
    """Everything that one forward and one backward pass takes, in arrays of one dtype.

    weights: in the row's order, W (I, G*H), U (H, G*H), ..., None for no bias; x (B, T, I); states: one (B, H) for each
    state of the cell; mask (B, T) or lengths (B,) or neither; resets (B, T) or None; drop (B, H) or None; dy (B, T, H)
    and dstates, the gradients that come from above.
    """

    variant: Variant
    shape: Shape
    weights: tuple[Array | None, ...]
    x: Array
    states: tuple[Array, ...]
    mask: Array | None
    lengths: Array | None
    resets: Array | None
    drop: Array | None
    dy: Array
    dstates: tuple[Array, ...]

    def weight(self, name: str) -> Array:
        """The weight of this name."""
        found = self.weights[self.variant.cell.weight_names.index(name)]
        assert found is not None
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.x.dtype

    @property
    def run(self) -> Array:
        """(B, T) booleans: the steps at which each row runs."""
        T, B, _, _ = self.shape
        if self.lengths is not None:
            return np.arange(T) < self.lengths[:, None]
        return np.ones((B, T), bool) if self.mask is None else self.mask

    def astype(self, dtype: str) -> Problem:
        """The same numbers in another dtype."""
        drop = None if self.drop is None else self.drop.astype(dtype)
        return replace(
            self,
            **{name: getattr(self, name).astype(dtype) for name in ("x", "dy")},
            **{name: tuple(a.astype(dtype) for a in getattr(self, name)) for name in ("states", "dstates")},
            weights=tuple(None if w is None else w.astype(dtype) for w in self.weights),
            drop=drop,
        )

    def rows(self, chosen: slice) -> Problem:
        """The problem of some of the rows."""
        B = len(range(self.shape.B)[chosen])
        return replace(
            self,
            shape=self.shape._replace(B=B),
            x=self.x[chosen],
            states=tuple(s[chosen] for s in self.states),
            mask=None if self.mask is None else self.mask[chosen],
            lengths=None if self.lengths is None else self.lengths[chosen],
            resets=None if self.resets is None else self.resets[chosen],
            drop=None if self.drop is None else self.drop[chosen],
            dy=self.dy[chosen],
            dstates=tuple(s[chosen] for s in self.dstates),
        )


def problem(
    v: Variant,
    shape: Shape,
    dtype: str = "float64",
    mask: str = "none",
    gain: float = 0.7,
    drop: bool = False,
    resets: bool = False,
) -> Problem:
    """Seeded arrays for a row of the table.

    The numbers are float32 numbers in either dtype, so a float32 answer can be held against a float64 one. `gain` is
    the scale of the weights: below 1 the states stay bounded under activations that do not bound them; less for the
    variants of `OF_INPUT`, whose gates are not bounded either. `drop` drops a quarter of the states before products
    with U. `resets` begins a row anew at three steps in ten.
    """
    gain = min(gain, 0.2) if v in OF_INPUT else gain
    T, B, I, H = shape  # noqa: E741
    rng = np.random.default_rng(zlib.crc32(f"{v} {shape} {mask}".encode()))

    def uniform(bound: float, *size: int) -> Array:
        return rng.uniform(-bound, bound, size).astype(np.float32)

    def normal(*size: int) -> Array:
        return rng.standard_normal(size).astype(np.float32)

    masked, lengths = steps(mask, B, T, rng)
    kept = np.random.default_rng(B + H).random((B, H)) < 0.75
    shapes = dict(zip(v.cell.weight_names, v.cell.shapes({"I": I, "H": H}, v.named), strict=True))
    drawn: dict[str, Array | None] = {v.cell.bias: uniform(0.5, *shapes.pop(v.cell.bias))}
    for name, size in shapes.items():
        drawn[name] = uniform(gain * (3 / size[0]) ** 0.5 if len(size) == 2 else 0.2 * gain, *size)
    if not v.bias:
        drawn[v.cell.bias] = None
    return Problem(
        variant=v,
        shape=shape,
        weights=tuple(drawn[name] for name in v.cell.weight_names),
        x=normal(B, T, I),
        states=tuple(normal(B, H) for _ in v.cell.states),
        mask=masked,
        lengths=lengths,
        resets=np.random.default_rng(B + T).random((B, T)) < 0.3 if resets else None,
        drop=(kept * np.float32(4 / 3)).astype(np.float32) if drop else None,
        dy=normal(B, T, H),
        dstates=tuple(normal(B, H) for _ in v.cell.states),
    ).astype(dtype)
