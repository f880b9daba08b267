"""Products of h, and of operands that a step makes, one after the other: compiled functions for all of a cell's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .jit import inlined, row, rows_of, view, views
from .products import add_product, add_weights, into_panels
from .rows import Operand, Row, add, copy, fill


class Columns(NamedTuple):
    """A product with U: the gates from which its columns of z and of U begin, how many gates it is for, and the row of
    the bias that its sums begin with besides, or 0."""

    z: int
    U: int
    gates: int
    bias: int


class Made(NamedTuple):
    """Functions for the operands from one on, as `made` says."""

    forward: Callable[..., Any]
    values: Callable[..., None]
    backward: Callable[..., None]
    weights: Callable[..., None]


def add_columns(dz: Any, c: int, db: Any, b: int, N: int) -> None:
    """db[b : b + N] += the sum over the rows of dz[:, c : c + N]."""
    for i in range(dz.shape[0]):
        add(dz[i, c : c + N], db[b : b + N])


add_columns = inlined(add_columns)


@inlined
def project(live: Any, z: Any, at: int, R: Any, h: Any, made: Any, edge: Any) -> None:
    """h (B, any) = the columns of z (B, P) from `at` on times R, in rows that run; made (B, any) is scratch."""
    for r in range(made.shape[0]):
        fill(row(made, r))
    add_product(z, at, R, 0, R.shape[1], made, 0, made.shape[1], edge)
    for r in range(made.shape[0]):
        if live[r]:
            copy(row(made, r), row(h, r))


@inlined
def project_back(live: Any, dh: Any, kept: Any, Rt: Any, dz: Any, at: int, H: int, edge: Any) -> None:
    """The columns of dz (B, P) from `at` on = dh (B, any) R^T; dh of rows that run goes to `kept`, others have zeros
    there."""
    for r in range(dh.shape[0]):
        if live[r]:
            copy(row(dh, r), row(kept, r))
            fill(row(dh, r))
        else:
            fill(row(kept, r))
        fill(dz[r, at : at + H])
    add_product(kept, 0, Rt, 0, kept.shape[1], dz, at, H, edge)


def nothing(*arguments: Any) -> None:
    """No products."""


def products_of(products: tuple[Columns, ...]) -> tuple[Callable[..., Any], Callable[..., None], Callable[..., None]]:
    """Compiled functions for products of one operand with U: forward, back to the operand, back to U and b."""
    if not products:
        return inlined(lambda h, H, U, panel, z, edge: panel), inlined(nothing), inlined(nothing)
    (start, first, count, bias), others = products[0], products_of(products[1:])
    others_forward, others_to_operand, others_to_weights = others

    @inlined
    def forward(h: Any, H: int, U: Any, panel: int, z: Any, edge: Any) -> Any:
        """z (B, P) += h (B, any) U. Panels of these products start at `panel`; gives where the next ones start."""
        K, wide = h.shape[1], U.shape[2]
        add_product(h, 0, U, panel * K, K, z, start * H, count * H, edge)
        return others_forward(h, H, U, panel + (count * H + wide - 1) // wide, z, edge)

    @inlined
    def to_operand(dz: Any, H: int, Ut: Any, dh: Any, edge: Any) -> None:
        """dh (B, any) += dz (B, P) U^T."""
        add_product(dz, start * H, Ut, first * H, count * H, dh, 0, dh.shape[1], edge)
        others_to_operand(dz, H, Ut, dh, edge)

    @inlined
    def to_weights(hp: Any, dz: Any, dzp: Any, own: Any, H: int, N: int, dU: Any, db: Any) -> None:
        """dU (any, N) += h^T dz (rows, P), and rows of db += sums of dz, where products have a row of their own.

        hp: h in panels of `TALL` columns; dzp: the gates of dz in panels, own: scratch for panels of other columns.
        """
        if dU.size > 0:
            if start > 0:
                into_panels(dz, start * H, count * H, own)
            add_weights(hp, own if start > 0 else dzp, dz.shape[0], dU, first * H, count * H)
        if db.size > 0 and bias > 0:
            add_columns(dz, start * H, db, bias * N + first * H, count * H)
        others_to_weights(hp, dz, dzp, own, H, N, dU, db)

    return forward, to_operand, to_weights


def made(operands: tuple[Operand, ...], products: tuple[tuple[Columns, ...], ...], k: int = 0) -> Made:
    """The functions for operands k, k + 1, ..., with the products of each."""
    if not operands:
        return Made(inlined(nothing), inlined(nothing), inlined(nothing), inlined(nothing))
    (begin, value, back), (add_made, to_operand, from_operand) = operands[0], products_of(products[0])
    later = made(operands[1:], products[1:], k + 1)
    later_forward, later_values, later_backward, later_weights = later

    @inlined
    def forward(
        live: Any, z: Any, v: Any, t: int, codes: Any, vectors: Any, states: Any, hd: Any, operand: Any, U: Any,
        panel: int, edge: Any,
    ) -> None:  # fmt: skip
        """Each operand from the gates and states of step t, and its products, added to z (B, P)."""
        for r in range(z.shape[0]):
            if live[r]:
                this = Row(row(z, r), view(v, t, r), hd.shape[1], codes, vectors)
                begin(this, rows_of(states, r), row(hd, r))
                value(this, row(hd, r), row(operand, r))
        after = add_made(operand, hd.shape[1], U, panel, z, edge)
        later_forward(live, z, v, t, codes, vectors, states, hd, operand, U, after, edge)

    @inlined
    def values(this: Row, hd: Any, operands: Any, i: int) -> None:
        """operands (k, rows, H) at row i, from what forward kept."""
        value(this, hd, view(operands, k, i))
        later_values(this, hd, operands, i)

    @inlined
    def backward(
        live: Any, fresh: Any, z: Any, v: Any, t: int, codes: Any, vectors: Any, states: Any, zeros: Any, hd: Any,
        drop: Any, dz: Any, Ut: Any, d: Any, dstates: Any, dh: Any, edge: Any,
    ) -> None:  # fmt: skip
        """The later operands first: d, of the operand, and from it what the step before the product gets. dh (B, H) is
        the gradient of h as products see it."""
        later_backward(live, fresh, z, v, t, codes, vectors, states, zeros, hd, drop, dz, Ut, d, dstates, dh, edge)
        for r in range(d.shape[0]):
            fill(row(d, r))
        to_operand(dz, d.shape[1], Ut, d, edge)
        for r in range(d.shape[0]):
            if live[r]:
                before = views(states, r, t, fresh.size > 0 and fresh[r], zeros)
                this = Row(view(z, t, r), view(v, t, r), d.shape[1], codes, vectors)
                after = views(states, r, t + 1, False, zeros)
                dbefore = rows_of(dstates, r)
                back(this, before, after, row(hd, r), row(drop, r), row(d, r), row(dz, r), dbefore, row(dh, r))

    @inlined
    def weights(operands: Any, hp: Any, dz: Any, dzp: Any, own: Any, H: int, N: int, dU: Any, db: Any) -> None:
        """dU and db += what the products give; operands (k, rows, H)."""
        into_panels(operands[k, : dz.shape[0]], 0, H, hp)
        from_operand(hp, dz, dzp, own, H, N, dU, db)
        later_weights(operands, hp, dz, dzp, own, H, N, dU, db)

    return Made(forward, values, backward, weights)
