"""Layers that make one array of several: Add, Subtract, Multiply, Average, Maximum, Minimum, and the base of all.

Each takes a list of arrays. `add([a, b])` and the like are `Add()([a, b])` in short, as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core
from .base import Array, Layer
from .context import Applied, Context
from .module import Shape
from .symbolic import TensorFunction, of_tensors

Mask = NDArray[np.bool_]
#: From the gradient of the output to that of each input, before broadcasting is undone.
Spread = Callable[[Array], list[Array]]


class Merge(Layer):
    """Base of the layers over a list of arrays, which are broadcast against each other as in NumPy; where ranks differ,
    axes of length 1 are put in after the batch axis.

    A subclass writes `merge`, and where it takes a fixed number of inputs sets `inputs`.

    Masks: the output is masked where all inputs are, if all of them have masks; else it has none.
    """

    takes_several = True
    over_time = "step"

    inputs: int | None = None

    def merge(self, arrays: list[Array], masks: list[Mask | None]) -> tuple[Array, Spread]:
        """The output for arrays of one rank, with masks that broadcast to them or None."""
        raise NotImplementedError(f"{type(self).__name__}.merge is not written")

    def several(self, x: Any) -> list[Any]:
        """x as a list; ValueError unless it is one, of as many as this layer takes."""
        wanted = "2 or more" if self.inputs is None else str(self.inputs)
        if not isinstance(x, list | tuple):
            raise ValueError(f"expected x to be a list of {wanted} inputs for {self.name}, got {type(x).__name__}")
        if not x or (self.inputs is not None and len(x) != self.inputs):
            raise ValueError(f"expected x to be a list of {wanted} inputs for {self.name}, got {len(x)}")
        return list(x)

    def make_weights(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = [tuple(shape) if isinstance(shape, list | tuple) else None for shape in input_shape]
        if None in shapes:
            raise ValueError(f"expected x to be a list of inputs for {self.name}, got one of shape {input_shape}")
        self.several(shapes)
        rank = max(len(shape or ()) for shape in shapes)
        shape: Shape = ()
        for sizes in zip(*[_raised(shape or (), rank) for shape in shapes], strict=True):
            known = {size for size in sizes if size not in (1, None)}
            if len(known) > 1:
                listed = ", ".join(core.describe(shape or ()) for shape in shapes)
                raise ValueError(f"expected inputs of {self.name} whose shapes broadcast, got {listed}")
            shape += (known.pop() if known else None if None in sizes else 1,)
        return shape

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        if mask is None or any(m is None for m in mask):
            return None
        together = mask[0]
        for m in mask[1:]:
            together = np.logical_or(together, m)
        return together

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y for a list x of arrays; its pullback gives a list."""
        arrays = [self.input_array(a) for a in self.several(x)]
        if not self.built:
            self.build([a.shape for a in arrays])
        if len({a.shape[0] for a in arrays}) > 1:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise ValueError(f"expected inputs of {self.name} with one number of rows, got {shapes}")
        rank = max(a.ndim for a in arrays)
        raised = [a.reshape(_raised(a.shape, rank)) for a in arrays]
        masks = _masks(mask, raised)
        try:
            y, spread = self.merge(raised, masks)
        except ValueError as error:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise ValueError(f"expected inputs of {self.name} that go together, got {shapes}: {error}") from None

        def pullback(dy: Any, need_dx: bool = True) -> list[Array] | None:
            if not need_dx:
                return None
            parts = spread(self.gradient_array(dy, y.shape))
            return [undo_broadcast(d, r.shape).reshape(a.shape) for d, r, a in zip(parts, raised, arrays, strict=True)]

        return y, self.compute_mask(x, mask), pullback


class Add(Merge):
    """The sum of a list of arrays.

    Example:
        >>> Add()([np.ones((2, 3)), np.ones((2, 1))])[0]
        array([2., 2., 2.], dtype=float32)
    """

    def merge(self, arrays: list[Array], masks: list[Mask | None]) -> tuple[Array, Spread]:
        y = arrays[0] + arrays[1] if len(arrays) > 1 else arrays[0]
        for a in arrays[2:]:
            y = y + a
        return y, lambda dy: [dy] * len(arrays)


class Average(Merge):
    """The mean of a list of arrays."""

    def merge(self, arrays: list[Array], masks: list[Mask | None]) -> tuple[Array, Spread]:
        y = arrays[0]
        for a in arrays[1:]:
            y = y + a
        share = y.dtype.type(1 / len(arrays))
        return y / y.dtype.type(len(arrays)), lambda dy: [dy * share] * len(arrays)


class Subtract(Merge):
    """The first of two arrays minus the second."""

    inputs = 2

    def merge(self, arrays: list[Array], masks: list[Mask | None]) -> tuple[Array, Spread]:
        return arrays[0] - arrays[1], lambda dy: [dy, -dy]


class Multiply(Merge):
    """The product of a list of arrays. What an input's mask hides counts as 1; where all are hidden the result is 0."""

    def merge(self, arrays: list[Array], masks: list[Mask | None]) -> tuple[Array, Spread]:
        one, zero = arrays[0].dtype.type(1), arrays[0].dtype.type(0)
        seen = [a if m is None else np.where(m, a, one) for a, m in zip(arrays, masks, strict=True)]
        y = seen[0]
        for a in seen[1:]:
            y = y * a
        unmasked: Any = None
        if all(m is not None for m in masks):
            unmasked = np.broadcast_to(np.logical_or.reduce(np.broadcast_arrays(*masks)), y.shape)  # type: ignore[arg-type]
            y = np.where(unmasked, y, zero)

        def spread(dy: Array) -> list[Array]:
            if unmasked is not None:
                dy = np.where(unmasked, dy, zero)
            gradients = []
            for i, m in enumerate(masks):
                others = dy
                for j, a in enumerate(seen):
                    if j != i:
                        others = others * a
                gradients.append(others if m is None else np.where(m, others, zero))
            return gradients

        return y, spread


class _Extreme(Merge):
    """The largest or smallest at each place. What an input's mask hides is left out, if another input has something
    there. Where two are equal they share the gradient, as in Keras on JAX."""

    better: np.ufunc

    def merge(self, arrays: list[Array], masks: list[Mask | None]) -> tuple[Array, Spread]:
        y, mask = arrays[0], masks[0]
        zero, half = y.dtype.type(0), y.dtype.type(0.5)
        # of each further input: how much of the running result it, and what was before it, gave
        shares: list[tuple[Array, Array]] = []
        for x, m in zip(arrays[1:], masks[1:], strict=True):
            y, x = np.broadcast_arrays(y, x)
            # hidden on one side, the other side stands on both; hidden on both, what was there before does
            b = x if m is None else np.where(m, x, y)
            a = y if mask is None else np.where(mask, y, b)
            best = self.better(a, b)
            tie = a == b
            wa = np.where(tie, half, np.where(best == a, zero + 1, zero))
            wb = 1 - wa
            to_y, to_x = wa, wb
            if mask is not None:  # a = y where mask, else b
                to_y, to_x = np.where(mask, wa, zero), wb + np.where(mask, zero, wa)
            if m is not None:  # b = x where m, else y
                to_y, to_x = to_y + np.where(m, zero, to_x), np.where(m, to_x, zero)
            shares.append((to_y, to_x))
            mask = m | mask if m is not None and mask is not None else None
            y = best

        def spread(dy: Array) -> list[Array]:
            gradients = []
            for to_y, to_x in reversed(shares):
                gradients.append(dy * to_x)
                dy = dy * to_y
            return [dy, *reversed(gradients)]

        return np.array(y), spread


class Maximum(_Extreme):
    """The largest of a list of arrays at each place."""

    better = np.maximum


class Minimum(_Extreme):
    """The smallest of a list of arrays at each place."""

    better = np.minimum


def undo_broadcast(d: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an array of this shape from that of what it was broadcast to."""
    axes = tuple(axis for axis, (have, want) in enumerate(zip(d.shape, shape, strict=True)) if have != want)
    return d.sum(axis=axes, keepdims=True) if axes else d


def _raised(shape: Sequence[Any], rank: int) -> tuple[Any, ...]:
    """(B, 3) to (B, 1, 3) for rank 3."""
    return (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:])


def _masks(mask: Any, arrays: list[Array]) -> list[Mask | None]:
    """Each mask with axes of length 1 behind, to broadcast to its array."""
    if mask is None:
        return [None] * len(arrays)
    if not isinstance(mask, list | tuple) or len(mask) != len(arrays):
        got = len(mask) if isinstance(mask, list | tuple) else type(mask).__name__
        raise ValueError(f"expected mask to be a list of {len(arrays)}, one an input, got {got}")
    return [
        None if m is None else np.asarray(m, bool).reshape(*np.shape(m), *(1,) * (a.ndim - np.ndim(m)))
        for m, a in zip(mask, arrays, strict=True)
    ]


def _function(kind: type[Merge]) -> TensorFunction:
    """The function that makes a layer of some kind, and calls it."""

    def function(inputs: Any, **options: Any) -> Any:
        return kind(**options)(inputs)

    function.__name__ = function.__qualname__ = kind.__name__.lower()
    function.__doc__ = f"`{kind.__name__}(**options)(inputs)`."
    return of_tensors(function)


add, subtract, multiply = _function(Add), _function(Subtract), _function(Multiply)
average, maximum, minimum = _function(Average), _function(Maximum), _function(Minimum)
