"""Values of a graph while it is read, beside arrays: tensors with their axes in an order that may still change.

Graphs have time first where layers here have the batch first, axes for directions, and transposes between. A view notes
what such operators do and computes nothing: what a next one turns back costs nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...layers import SymbolicTensor
from .sizes import Dim, divided, number, product, same

Apply = Callable[..., Any]


class Factor:
    """An axis of a tensor, or a part of one that is cut into several."""

    __slots__ = ("axis", "size")

    def __init__(self, axis: int, size: Any) -> None:
        self.axis, self.size = axis, size


def _rejoined(factors: list[Factor], groups: list[Any]) -> tuple[list[Factor], list[tuple[Factor, ...]]]:
    """The same, where parts of one axis that stand side by side again are one factor."""
    for i, (a, b) in enumerate(itertools.pairwise(factors)):
        for n, group in enumerate(groups):
            at = group.index(a) if a in group else -1
            if a.axis == b.axis and 0 <= at < len(group) - 1 and group[at + 1] is b:
                whole = Factor(a.axis, a.size * b.size)
                groups[n] = (*group[:at], whole, *group[at + 2 :])
                return _rejoined([*factors[:i], whole, *factors[i + 2 :]], groups)
    return factors, groups


class View:
    """A tensor whose axes are seen in another order, cut or joined.

    Attributes:
        base: the tensor. factors: of all its axes but those of size 1, in their order.
        groups: for each axis that is seen, the factors that it is made of; none for an axis of size 1.
    """

    def __init__(self, base: Any, factors: Sequence[Factor], groups: Sequence[Sequence[Factor]]) -> None:
        self._base = base
        self.factors, self.groups = _rejoined(list(factors), [tuple(g) for g in groups])
        self.made: Any = None

    @property
    def base(self) -> Any:
        return self._base

    @classmethod
    def of(cls, base: Any, dims: Sequence[Any]) -> View:
        """A tensor as it is, whose axes have these sizes."""
        groups = [() if not isinstance(n, Dim) and n == 1 else (Factor(i, n),) for i, n in enumerate(dims)]
        return cls(base, [f for g in groups for f in g], groups)

    @property
    def dims(self) -> list[Any]:
        return [product(f.size for f in group) for group in self.groups]

    @property
    def ndim(self) -> int:
        return len(self.groups)

    @property
    def dtype(self) -> Any:
        return np.dtype(self.base.dtype)

    def base_dims(self) -> list[Any]:
        return [product(f.size for f in self.factors if f.axis == i) for i in range(self.base.ndim)]

    def seen(self, groups: Sequence[Sequence[Factor]]) -> View:
        """Others of its axes."""
        return self._with(self.factors, groups)

    def _with(self, factors: Sequence[Factor], groups: Sequence[Sequence[Factor]]) -> View:
        return View(self.base, factors, groups)

    def over(self, base: Any, width: Any = None) -> View:
        """The same view of another tensor with these axes; the last one of another width where it is given."""
        if width is None:
            return View(base, self.factors, self.groups)
        last = self.factors[-1]
        new = [] if width == 1 else [Factor(last.axis, width)]
        groups = [[n for f in group for n in (new if f is last else [f])] for group in self.groups]
        return View(base, [*self.factors[:-1], *new], groups)

    def with_size(self, axis: int, base: Any, size: Any) -> View:
        """The same view of a tensor of which one axis that is seen, whole, has another size."""
        (old,) = self.groups[axis]
        new = [] if not isinstance(size, Dim) and size == 1 else [Factor(old.axis, size)]
        factors = [n for f in self.factors for n in (new if f is old else [f])]
        return View(base, factors, [new if i == axis else group for i, group in enumerate(self.groups)])

    def part(self, axis: int, index: int) -> tuple[int, slice] | None:
        """The axis of the tensor that is cut in two, of which this is the first part, and what of it belongs to one
        place; None where it is not so."""
        group = self.groups[axis]
        if len(group) != 1:
            return None
        both = [f for f in self.factors if f.axis == group[0].axis]
        if len(both) != 2 or both[0] is not group[0] or any(isinstance(f.size, Dim) for f in both):
            return None
        count, size = (int(f.size) for f in both)
        start = index % count * size
        return group[0].axis, slice(start, start + size)

    def without(self, axis: int, base: Any) -> View:
        """The view without an axis, of a tensor from which that was taken."""
        (old,) = self.groups[axis]
        swap = {f: Factor(f.axis - (f.axis > old.axis), f.size) for f in self.factors if f is not old}
        groups = [[swap[f] for f in group] for i, group in enumerate(self.groups) if i != axis]
        return View(base, list(swap.values()), groups)

    @property
    def last_is_last(self) -> bool:
        """Whether the last axis that is seen is the whole last axis of the tensor."""
        return bool(self.place(self.ndim - 1) == self.base.ndim - 1)

    def place(self, axis: int) -> int | None:
        """The axis of the tensor that is seen as this one; None where it is a part of one, or several, or of size 1."""
        group = self.groups[axis]
        if len(group) == 1 and sum(f.axis == group[0].axis for f in self.factors) == 1:
            return group[0].axis
        return None

    @property
    def pattern(self) -> Any:
        """What two views have in common that see the axes of their tensors alike."""
        numbers = {f: i for i, f in enumerate(self.factors)}
        groups = tuple(tuple(numbers[f] for f in group) for group in self.groups)
        return self.base.ndim, tuple(f.axis for f in self.factors), groups

    def whole(self) -> bool:
        """Whether it is the tensor itself."""
        groups: list[tuple[Factor, ...]] = [()] * self.base.ndim
        for f in self.factors:
            groups[f.axis] = (*groups[f.axis], f)
        return bool(groups == self.groups)

    def reshaped(self, sizes: Sequence[Any]) -> View | None:
        """With axes of these sizes; None where entries do not go together so simply."""
        factors, rest = list(self.factors), [f for group in self.groups for f in group]
        groups: list[list[Factor]] = []
        for size in sizes:
            group: list[Factor] = []
            left = size
            while isinstance(left, Dim) or left != 1:
                if not rest:
                    return None
                first = rest[0]
                quotient = divided(left, first.size)
                if quotient is None:
                    part = divided(first.size, left)
                    if part is None:
                        return None
                    a, b = Factor(first.axis, left), Factor(first.axis, part)
                    at = factors.index(first)
                    factors[at : at + 1] = [a, b]
                    rest[:1] = [a, b]
                    quotient = 1
                group.append(rest.pop(0))
                left = quotient
            groups.append(group)
        return None if rest else self._with(factors, groups)

    def tensor(self, apply: Apply) -> Any:
        """The tensor that is seen, made by operations; made once."""
        if self.made is None:
            self.made = self.base if self.whole() else self._make(apply)
        return self.made

    def _make(self, apply: Apply) -> Any:
        x, ndim = self.base, self.base.ndim
        present = sorted({f.axis for f in self.factors})
        if len(present) < ndim:
            x = apply("Squeeze", x, axis=[i for i in range(ndim) if i not in present])
        if len(self.factors) > len(present):
            x = self._cut(x, apply)
        flat = [f for group in self.groups for f in group]
        order = [self.factors.index(f) for f in flat]
        if order != sorted(order):
            x = apply("Transpose", x, axes=order)
        if any(len(group) != 1 for group in self.groups):
            if all(len(group) < 2 for group in self.groups):
                x = apply("ExpandDims", x, axis=[i for i, group in enumerate(self.groups) if not group])
            else:
                x = apply("Reshape", x, newshape=open_shape(self.dims))
        return x

    def _cut(self, x: Any, apply: Apply) -> Any:
        """x, without axes of size 1, with an axis for each factor."""
        sizes, axes = [f.size for f in self.factors], [f.axis for f in self.factors]
        cut = [i for i, axis in enumerate(axes) if axes[:i].count(axis) == 0 and axes.count(axis) > 1]
        in_two = all(axes.count(axes[i]) == 2 and not isinstance(sizes[i], Dim) for i in cut)
        if sum(isinstance(n, Dim) for n in sizes) < 2 or not in_two:
            return apply("Reshape", x, newshape=open_shape(sizes))
        for i in cut:  # no size of an open axis has to be known
            x = apply("Stack", apply("Split", x, indices_or_sections=int(sizes[i]), axis=i), axis=i)
        return x


class Pending(View):
    """The outputs of all steps of a layer that is not called yet, as the last step may be all that is needed.

    Args:
        call: gives the tensor, of all steps where it is called with True, else of the last one.
        time: the factor of the steps.
    """

    def __init__(
        self, call: Callable[[bool], Any], dtype: Any, time: Factor, factors: Sequence[Factor], groups: Any
    ) -> None:
        super().__init__(None, factors, groups)
        self.call, self.time, self._dtype = call, time, dtype

    @property
    def base(self) -> Any:
        return self.call(True)

    @property
    def dtype(self) -> Any:
        return np.dtype(self._dtype)

    def _with(self, factors: Sequence[Factor], groups: Sequence[Sequence[Factor]]) -> View:
        return Pending(self.call, self._dtype, self.time, factors, groups)

    def last(self, axis: int) -> View:
        """The last step, without the axis of time, which this is."""
        swap = {f: Factor(f.axis - (f.axis > self.time.axis), f.size) for f in self.factors if f is not self.time}
        groups = [[swap[f] for f in group] for i, group in enumerate(self.groups) if i != axis]
        return View(self.call(False), list(swap.values()), groups)


class Late(View):
    """A view of a tensor that is made when it is needed."""

    def __init__(self, make: Callable[[], Any], dtype: Any, factors: Sequence[Factor], groups: Any) -> None:
        super().__init__(None, factors, groups)
        self.make, self._dtype = make, dtype

    @property
    def base(self) -> Any:
        return self.make()

    @property
    def dtype(self) -> Any:
        return np.dtype(self._dtype)

    def _with(self, factors: Sequence[Factor], groups: Sequence[Sequence[Factor]]) -> View:
        return Late(self.make, self._dtype, factors, groups)


def open_shape(sizes: Sequence[Any]) -> list[Any]:
    """Sizes as Reshape takes them: -1 for one that is not known, and what gives the number for more."""
    unknown = [i for i, size in enumerate(sizes) if isinstance(size, Dim)]
    return [-1 if unknown[:1] == [i] else number(size) for i, size in enumerate(sizes)]


@dataclass
class Stacked:
    """Values along an axis of a value, such as the last states of layers and directions."""

    axis: int
    items: list[Any]

    @property
    def dims(self) -> list[Any]:
        dims = list(self.items[0].dims)
        dims.insert(self.axis, len(self.items))
        return dims

    @property
    def dtype(self) -> Any:
        return np.dtype(self.items[0].dtype)


@dataclass
class Spread:
    """An array, broadcast to sizes that are not known."""

    array: np.ndarray[Any, Any]
    dims: list[Any]

    @property
    def dtype(self) -> Any:
        return np.dtype(self.array.dtype)

    @property
    def zero(self) -> bool:
        return not self.array.any()


Value = np.ndarray[Any, Any] | View | Stacked | Spread


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def alike(values: Sequence[Any]) -> bool:
    """Whether these are views that see axes of the same sizes alike."""
    if not all(isinstance(v, View) for v in values):
        return False
    first = values[0]
    return all(
        v.pattern == first.pattern and all(same(a.size, b.size) for a, b in zip(v.factors, first.factors, strict=True))
        for v in values[1:]
    )


def symbolic(x: Any) -> bool:
    return isinstance(x, SymbolicTensor)
