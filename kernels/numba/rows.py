"""What a cell's step is written with: one batch row in one step, its gates, and loops over its units."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .activations import FIRST_OF_INPUT, activate, derive
from .jit import inlined, inner
from .layouts import Codes, Real1, Vectors


class Row(NamedTuple):
    """One batch row in one step.

    z (P,): pre-activations, H for each gate and for each sum that a product has of its own; gates become activations in
    place (`apply`). v: pre-activations of the gates, kept where a derivative is a function of one, or no elements.
    units: H. codes: of the activations, an option each. vectors: weights (H,).
    """

    z: Real1
    v: Real1
    units: int
    codes: Codes
    vectors: Vectors


class Operand(NamedTuple):
    """What products multiply in the place of h, which a step makes of earlier sums: functions compiled by `inlined`.

    begin(row, states, h): in forward, before the cell's own function, what the operand needs of the gates; h is as
        products see it.
    value(row, h, out): the operand, from h as products see it and what forward kept.
    backward(row, before, after, hd, drop, d, dz, dstates, dh): d (H,) is the operand's gradient. Writes those of its
        gates' pre-activations to dz, and adds those of the states before to dstates, and that of h as products see it,
        hd, to dh; drop is without elements where there is none.
    """

    begin: Callable[..., None]
    value: Callable[..., None]
    backward: Callable[..., None]


class Step(NamedTuple):
    """What a cell computes in a step besides products: functions compiled by `inlined`, over one batch row.

    forward(row, states): pre-activations become gates, and the states, (H,) each, the new ones.
    backward(row, before, after, dstates, dz, dvectors): the reverse. before, after: the states around the step.
        dstates are the gradients of those after it and become those of the ones before, but for what comes through
        products with h; dz (P,) is written; dvectors are added to, if they have elements.
    carries: whether h of the step before counts in other ways than in products; if not, backward may leave anything in
        its gradient.
    operands: of products, that the step makes, one after the other.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    carries: bool = False
    operands: tuple[Operand, ...] = ()


@inlined
def gates(values: Real1, row: Row, g: int, count: int = 1) -> Real1:
    """The columns of `count` gates from g on, of z or dz."""
    return values[g * row.units : (g + count) * row.units]


@inlined
def apply(code: int, row: Row, g: int, count: int = 1) -> None:
    """Pre-activations of `count` gates from g on become gates."""
    z = gates(row.z, row, g, count)
    if code >= FIRST_OF_INPUT and row.v.size > 0:
        copy(z, gates(row.v, row, g, count))
    activate(code, z)


@inlined
def pull_back(code: int, row: Row, g: int, dz: Real1, count: int = 1) -> None:
    """Gradients of `count` gates from g on, in dz, become those of their pre-activations."""
    values = gates(row.v, row, g, count) if code >= FIRST_OF_INPUT else gates(row.z, row, g, count)
    derive(code, values, gates(dz, row, g, count))


@inner
def copy(source: Real1, target: Real1) -> None:
    """target = source, both of one shape with one axis."""
    for j in range(target.size):
        target[j] = source[j]


@inner
def add(source: Real1, target: Real1) -> None:
    """target += source, both of one shape with one axis."""
    for j in range(target.size):
        target[j] += source[j]


@inner
def multiply(factors: Real1, target: Real1) -> None:
    """target *= factors, both of one shape with one axis."""
    for j in range(target.size):
        target[j] *= factors[j]


@inner
def fill(target: Real1) -> None:
    """target (n,) = 0."""
    zero = target.dtype.type(0)
    for j in range(target.size):
        target[j] = zero
