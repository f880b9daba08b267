"""Concatenate and Dot: arrays side by side, and products over an axis."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from .base import Array, LayerOptions
from .context import Applied, Context
from .merging import Mask, Merge, Spread
from .module import Shape
from .symbolic import of_tensors
from .unit_normalization import unit


class Concatenate(Merge):
    """Arrays one after another along an axis; all other sizes are equal.

    Args:
        axis: which, not the batch axis; negative ones count from the end.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Masks: inputs without one count as unmasked; a step is unmasked if any of the features put there is.

    Example:
        >>> Concatenate()([np.ones((2, 3)), np.ones((2, 4))]).shape
        (2, 7)
    """

    def __init__(self, axis: int = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.axis = check_axis("axis", axis)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = self.several([tuple(s) if isinstance(s, list | tuple) else None for s in input_shape])
        if None in shapes:
            raise ValueError(f"expected x to be a list of inputs for {self.name}, got one of shape {input_shape}")
        rank = len(shapes[0])
        axis = within("axis", self.axis, rank)
        together = list(shapes[0])
        for shape in shapes[1:]:
            fits = len(shape) == rank and all(
                i == axis or None in (a, b) or a == b for i, (a, b) in enumerate(zip(shape, together, strict=True))
            )
            if not fits:
                listed = ", ".join(core.describe(s) for s in shapes)
                raise ValueError(f"expected inputs of {self.name} that differ only along axis {axis}, got {listed}")
            for i, size in enumerate(shape):
                if i == axis:
                    together[i] = None if None in (together[i], size) else together[i] + size
                elif together[i] is None:
                    together[i] = size
        return tuple(together)

    def reach(self, rank: int) -> str:
        return "step" if within("axis", self.axis, rank) > 1 else "sequence"

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        if mask is None or all(m is None for m in mask):
            return None
        masks = []
        for a, m in zip(x, mask, strict=True):
            shape, m = np.shape(a), np.ones((1,), bool) if m is None else np.asarray(m, bool)
            masks.append(np.broadcast_to(m.reshape(*m.shape, *(1,) * (len(shape) - m.ndim)), shape))
        return np.concatenate(masks, self.axis).any(-1)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """The arrays of the list x, joined; the pullback gives a list."""
        arrays = [self.input_array(a) for a in self.several(x)]
        shapes = [a.shape for a in arrays]
        if not self.built:
            self.build(shapes)
        self.compute_output_shape(shapes)
        y = np.concatenate(arrays, self.axis)
        ends = np.cumsum([shape[self.axis] for shape in shapes])[:-1]

        def pullback(dy: Any, need_dx: bool = True) -> list[Array] | None:
            return np.split(self.gradient_array(dy, y.shape), ends, self.axis) if need_dx else None

        return y, self.compute_mask(x, mask), pullback


class Dot(Merge):
    """The sum of products of two arrays over one axis of each, row by row of the batch.

    The output has the other axes of the first input, then those of the second; (B, 1) where none are left.

    Args:
        axes: an axis for both, or a pair; not the batch axis.
        normalize: scale both to length 1 along the axis first, so that the result is the cosine.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Masks are not passed on, as in Keras.

    Example:
        >>> Dot(axes=(2, 1))([np.ones((2, 3, 5)), np.ones((2, 5, 4))]).shape
        (2, 3, 4)
    """

    inputs = 2
    over_time = "sequence"

    def __init__(
        self,
        axes: int | tuple[int, int] | list[int],
        normalize: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if isinstance(axes, list | tuple):
            if len(axes) != 2:
                raise ValueError(f"axes must be an integer or a pair of them, got {axes!r}")
            self.axes: int | list[int] = [check_axis("each of axes", axis) for axis in axes]
        else:
            self.axes = check_axis("axes", axes)
        self.normalize = core.check_bool("normalize", normalize)

    def _places(self, ranks: list[int]) -> list[int]:
        axes = self.axes if isinstance(self.axes, list) else [self.axes, self.axes]
        return [within("axes", axis, rank) for axis, rank in zip(axes, ranks, strict=True)]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = self.several([tuple(s) if isinstance(s, list | tuple) else None for s in input_shape])
        if None in shapes:
            raise ValueError(f"expected x to be a list of 2 inputs for {self.name}, got one of shape {input_shape}")
        places = self._places([len(shape) for shape in shapes])
        a, b = (shape[place] for shape, place in zip(shapes, places, strict=True))
        if None not in (a, b) and a != b:
            listed = ", ".join(core.describe(s) for s in shapes)
            raise ValueError(f"expected inputs of {self.name} of equal size along axes {places}, got {listed}")
        left = [size for s, p in zip(shapes, places, strict=True) for i, size in enumerate(s) if i not in (0, p)]
        return (shapes[0][0], *(left or [1]))

    def compute_mask(self, x: Any, mask: Any = None) -> None:
        return None

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """The products of the two arrays of x; the pullback gives a list of two."""
        arrays = [self.input_array(a) for a in self.several(x)]
        shapes = [a.shape for a in arrays]
        if not self.built:
            self.build(shapes)
        self.compute_output_shape(shapes)
        if shapes[0][0] != shapes[1][0]:
            raise ValueError(f"expected inputs of {self.name} with one number of rows, got {shapes[0]}, {shapes[1]}")
        y, spread = self.merge(arrays, [None, None])

        def pullback(dy: Any, need_dx: bool = True) -> list[Array] | None:
            return spread(self.gradient_array(dy, y.shape)) if need_dx else None

        return y, None, pullback

    def merge(self, arrays: list[Array], masks: list[Mask | None]) -> tuple[Array, Spread]:
        a, b = arrays
        pa, pb = self._places([a.ndim, b.ndim])
        da, db = (unit(x, (p,), 1e7) if self.normalize else (x, lambda d: d) for x, p in ((a, pa), (b, pb)))
        # axes by number: 0 the batch, 1 the common axis
        la = [0, *range(2, a.ndim)]
        la.insert(pa, 1)
        lb = [0, *range(a.ndim, a.ndim + b.ndim - 2)]
        lb.insert(pb, 1)
        out = [0, *(i for i in (*la, *lb) if i > 1)]
        y = core.einsum(da[0], la, db[0], lb, out)
        shape = y.shape if y.ndim > 1 else (*y.shape, 1)

        def spread(dy: Array) -> list[Array]:
            dz = dy.reshape(y.shape)
            return [
                da[1](core.einsum(dz, out, db[0], lb, la)),
                db[1](core.einsum(dz, out, da[0], la, lb)),
            ]

        return y.reshape(shape), spread


def check_axis(name: str, axis: Any) -> int:
    """An integer other than 0, the batch axis."""
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {axis!r}")
    if axis == 0:
        raise ValueError(f"{name} must not be 0, the batch axis")
    return int(axis)


def within(name: str, axis: int, rank: int) -> int:
    """The axis counted from the front; ValueError where the inputs have none such."""
    place = axis + rank if axis < 0 else axis
    if not 0 < place < rank:
        raise ValueError(f"{name} must be an axis of inputs with {rank} axes other than the first, got {axis}")
    return place


@of_tensors
def concatenate(inputs: Any, axis: int = -1, **options: Any) -> Any:
    """`Concatenate(axis, **options)(inputs)`."""
    return Concatenate(axis, **options)(inputs)


@of_tensors
def dot(inputs: Any, axes: Any = -1, **options: Any) -> Any:
    """`Dot(axes, **options)(inputs)`."""
    return Dot(axes, **options)(inputs)
