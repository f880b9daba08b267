"""What compiled loops take: arrays, annotated with their layouts in memory, in named tuples."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray


class Layout(NamedTuple):
    """How an array lies in memory: its axes; C-contiguous and writable, or read-only, or a read-only view with any
    strides; of the kernel's dtype, or of another."""

    axes: int
    readonly: bool = False
    view: bool = False
    dtype: Any = None


#: Annotations of arrays of a kernel's dtype, C-contiguous and writable, with this many axes.
Real1 = Annotated[NDArray[Any], Layout(1)]
Real2 = Annotated[NDArray[Any], Layout(2)]
Real3 = Annotated[NDArray[Any], Layout(3)]
#: Perhaps read-only, C-contiguous.
Fixed2 = Annotated[NDArray[Any], Layout(2, readonly=True)]
#: Perhaps read-only, any strides but in the last axis.
View3 = Annotated[NDArray[Any], Layout(3, readonly=True, view=True)]
#: Booleans (B, T), any strides.
Booleans = Annotated[NDArray[np.bool_], Layout(2, readonly=True, view=True, dtype=types.boolean)]
#: Integers (B,), C-contiguous.
Integers = Annotated[NDArray[np.int32], Layout(1, readonly=True, dtype=types.int32)]

#: Codes of activations, an option each; weights (H,); arrays for each state.
Codes = Annotated[tuple[int, ...], "activations"]
Vectors = Annotated[tuple[Real1, ...], "vectors"]
Rows = Annotated[tuple[Real1, ...], "states"]
States = Annotated[tuple[Real2, ...], "states"]
Sequences = Annotated[tuple[Real3, ...], "states"]


class Weights(NamedTuple):
    """W (I, G H) in panels; U in panels, one product's behind the other's; R (H, units of h) in panels, or no elements;
    units: H; b (P,), what sums of a row begin with; vectors (H,) each; codes of the activations. In backward W, U and R
    are the whole transposes, and b has no elements."""

    W: Real3
    U: Real3
    R: Real3
    units: int
    b: Real1
    vectors: Vectors
    codes: Codes


class Inputs(NamedTuple):
    """x (B, T, I); mask (B, T), lengths (B,), resets (B, T) and drop (B, H), without elements where there is none."""

    x: View3
    mask: Booleans
    lengths: Integers
    resets: Booleans
    drop: Fixed2


class TapePart(NamedTuple):
    """What a forward pass keeps of some rows: z (T, B, P), with gates activated; v (T, B, G H), pre-activations of the
    gates where a derivative is a function of one; states (B, T + 1, units), which start with the initial ones. No
    elements where something is not kept."""

    z: Real3
    v: Real3
    states: Sequences


class Gradients(NamedTuple):
    """dy (B, T, units) and dx (B, T, I); traces, of the states after each step (B, T, units); dstates (B, units),
    of the final states in, of the initial ones out. No elements where one is absent or not wanted."""

    dy: View3
    dx: View3
    traces: Sequences
    dstates: States


class Sums(NamedTuple):
    """What backward adds to: dW (I, G H), dU (units of h, G H), dR (H, units of h), db, one row of the bias behind the
    other, and (H,) for each vector. No elements where one is not wanted."""

    dW: Real2
    dU: Real2
    dR: Real2
    db: Real1
    vectors: Vectors
