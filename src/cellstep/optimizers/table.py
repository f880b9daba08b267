"""Table: a variable of whose gradient few rows are not zero, an Embedding's, and its update row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .flat import Array, Part, Trainable, VariableGroup

#: About so many elements are updated at once where all rows change: what a rule needs of them stays in the cache.
BLOCK = 2**16

Rows = tuple[NDArray[np.intp], Array]


class RowTrainable(Trainable, Protocol):
    """What an optimizer needs of such a variable."""

    @property
    def lazy(self) -> bool: ...
    @property
    def row_grad(self) -> Rows | None: ...
    def set_row_grad(self, places: NDArray[np.intp], values: Array) -> None: ...
    def zero_grad(self) -> None: ...


class Table(VariableGroup):
    """One variable, which stays where it is, and its slots (N,). There is no gradient and no scratch of its size.

    Attributes: variables, segments, slots, calls: as of a Flat.
    """

    def __init__(self, variable: RowTrainable, slots: Mapping[str, float], calls: int = 0) -> None:
        size = int(np.prod(variable.shape))
        super().__init__([variable], [slice(0, size)], _new(slots, size, variable.dtype), calls)
        self._variable = variable

    @property
    def value(self) -> Array:
        return self._variable.buffer.reshape(-1)

    @property
    def grad(self) -> Array:
        """The gradient of the rows that occur, flat; of all of them where it is dense."""
        rows = self._variable.row_grad
        return (self._variable.grad if rows is None else rows[1]).reshape(-1)

    @property
    def clipped(self) -> Part:
        grad = self.grad
        return Part(self.variables, [slice(None)], self.value, grad, {}, np.empty_like(grad))

    def bind(self) -> None:
        """Nothing: the variable is not moved."""

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        self._variable.zero_grad()

    def accumulate(self, sums: Array, steps: int, due: bool) -> None:
        """Add the gradient to `sums`; where due, their mean becomes the gradient and they begin again at zero."""
        table, rows = sums.reshape(self._variable.shape), self._variable.row_grad
        if rows is None:
            table += self._variable.grad
        else:
            table[rows[0]] += rows[1]
        if due:
            places, values = _nonzero(table)
            self._variable.set_row_grad(places, values / steps)
            table[places] = 0

    def parts(self, idle: bool, elementwise: bool) -> Iterator[Part]:
        """What a rule is to update, one after the other.

        Args:
            idle: the rule leaves elements whose gradient is 0 as they are, and their slots.
            elementwise: the rule is elementwise.
        """
        rows = self._variable.row_grad
        if self._variable.lazy:
            yield from self._occurring(*_nonzero(self._variable.grad if rows is None else rows[1], rows))
        elif idle and rows is not None:
            yield from self._occurring(*rows)
        elif elementwise:
            yield from self._blocks(self._variable.grad if rows is None else None, rows)
        else:
            grad = self._variable.grad.reshape(-1)
            yield Part(self.variables, self.segments, self.value, grad, self.slots, np.empty_like(grad))

    def pieces(self) -> Iterator[Part]:
        """All elements, some at a time, for what needs no gradient."""
        return self._blocks(None, None)

    def _occurring(self, places: NDArray[np.intp], values: Array) -> Iterator[Part]:
        shape = self._variable.shape
        tables = [array.reshape(shape) for array in (self.value, *self.slots.values())]
        taken = [table[places] for table in tables]
        value, *slots = (rows.reshape(-1) for rows in taken)
        by_name = dict(zip(self.slots, slots, strict=True))
        yield Part(self.variables, [slice(None)], value, values.reshape(-1), by_name, np.empty_like(value))
        for table, rows in zip(tables, taken, strict=True):
            table[places] = rows

    def _blocks(self, dense: Array | None, rows: Rows | None) -> Iterator[Part]:
        """Blocks of rows, with their gradient: of `dense`, or of `rows`, or zeros."""
        V, D = len(self._variable.buffer), self._variable.buffer[:1].size
        n = max(1, BLOCK // max(1, D))
        places, values = (np.zeros(0, np.intp), np.zeros((0, D), self.value.dtype)) if rows is None else rows
        room, scratch = np.zeros((n, D), self.value.dtype), np.empty(n * D, self.value.dtype)
        begins = range(0, V, n)
        ends = np.searchsorted(places, [begin + n for begin in begins])
        done = 0
        for begin, end in zip(begins, ends.tolist(), strict=True):
            at, mine = slice(begin * D, min(begin + n, V) * D), places[done:end] - begin
            size = len(self.value[at])
            room[mine] = values[done:end].reshape(-1, D)
            grad = room.reshape(-1)[:size] if dense is None else dense.reshape(-1)[at]
            slots = {name: array[at] for name, array in self.slots.items()}
            yield Part(self.variables, [slice(None)], self.value[at], grad, slots, scratch[:size])
            room[mine] = 0
            done = end


def _nonzero(table: Array, rows: Rows | None = None) -> Rows:
    """The rows that have an element other than 0; `rows`: the places of those in the table."""
    there = np.flatnonzero(table.any(axis=tuple(range(1, table.ndim))))
    return (there if rows is None else rows[0][there]), table[there]


def _new(slots: Mapping[str, float], size: int, dtype: Any) -> dict[str, Array]:
    # memory of zeros is not taken before it is written to
    return {k: np.full(size, first, dtype) if first else np.zeros(size, dtype) for k, first in slots.items()}
