"""Layers that move elements and compute nothing. Integers stay integers. None of them knows masks."""

from __future__ import annotations

import math
from typing import Any, Unpack

import numpy as np

from .. import core
from .base import Array, LayerOptions
from .module import Shape
from .transform import Back, Transform


class _Reshaping(Transform):
    supports_masking = False
    keeps_integers = True


class RepeatVector(_Reshaping):
    """Each row (B, I) n times, as the steps of a sequence (B, n, I).

    Args:
        n: how many steps.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> y = RepeatVector(3)(np.ones((2, 5)))
    """

    axes = ("batch", "features")

    def __init__(self, n: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.n = core.check_count("n", n)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, features = self.checked(input_shape)
        return (batch, self.n, features)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        return np.repeat(x[:, None], self.n, axis=1), lambda dy: dy.sum(axis=1)


class Flatten(_Reshaping):
    """All axes but the first in one: (B, T, C) to (B, T * C); (B,) to (B, 1).

    Args:
        data_format: "channels_last", or "channels_first", which puts the second axis last before.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> y = Flatten()(np.ones((2, 3, 4)))
    """

    def __init__(
        self,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.data_format = core.check_data_format(data_format)

    def checked(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if not shape:
            raise ValueError("expected inputs of shape (batch, ...), got ()")
        return shape

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes = self.checked(input_shape)
        return (batch, _product(sizes))

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        self.checked(x.shape)
        moved = np.moveaxis(x, 1, -1) if self.data_format == "channels_first" and x.ndim > 1 else x

        def back(dy: Array) -> Array:
            dx = dy.reshape(moved.shape)
            return dx if moved is x else np.moveaxis(dx, -1, 1)

        return moved.reshape(len(x), math.prod(x.shape[1:])), back


class Reshape(_Reshaping):
    """The numbers of each row in another shape, in the same order: (B, ...) to (B, *target_shape).

    Args:
        target_shape: without the batch size; one size may be -1, for what is left.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> y = Reshape((2, -1))(np.ones((3, 8)))
    """

    def __init__(self, target_shape: Any, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        wanted = "target_shape must be a tuple of positive integers, of which one may be -1"
        if not isinstance(target_shape, (list, tuple)):
            raise TypeError(f"{wanted}, got {target_shape!r}")
        for size in target_shape:
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
                raise TypeError(f"{wanted}, got {target_shape!r}")
        self.target_shape = tuple(map(int, target_shape))
        if self.target_shape.count(-1) > 1 or any(size < -1 or size == 0 for size in self.target_shape):
            raise ValueError(f"{wanted}, got {target_shape!r}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes = tuple(input_shape)
        total = _product(sizes)
        if total is None:
            return (batch, *(None if size == -1 else size for size in self.target_shape))
        known = math.prod(size for size in self.target_shape if size != -1)
        if total % known or (total != known and -1 not in self.target_shape):
            raise ValueError(
                f"expected inputs of {known} numbers a row, or a multiple where target_shape has a -1, for "
                f"target_shape {self.target_shape}, got {total} in shape {core.describe(tuple(input_shape))}"
            )
        return (batch, *(total // known if size == -1 else size for size in self.target_shape))

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        if not x.ndim:
            raise ValueError("expected x of shape (batch, ...), got one number")
        shape = [size or 0 for size in self.compute_output_shape(x.shape)]
        return x.reshape(shape), lambda dy: dy.reshape(x.shape)


class Permute(_Reshaping):
    """The axes in another order, the first always staying where it is.

    Args:
        dims: for each axis of the outputs after the batch, which of the inputs it is, counted from 1.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> y = Permute((2, 1))(np.ones((4, 2, 3)))
    """

    def __init__(self, dims: Any, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        wanted = "dims must be the integers from 1 up, each once, in any order"
        if not isinstance(dims, (list, tuple)):
            raise TypeError(f"{wanted}, got {dims!r}")
        if not dims or sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(f"{wanted}, got {dims!r}")
        self.dims = tuple(map(int, dims))
        self.axes = ("batch", *(f"axis {n}" for n in range(1, len(dims) + 1)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = self.checked(input_shape)
        return (shape[0], *(shape[dim] for dim in self.dims))

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        order = (0, *self.dims)
        return x.transpose(order), lambda dy: dy.transpose(np.argsort(order))


class Cropping1D(_Reshaping):
    """A sequence (B, T, C) without its first and last steps.

    Args:
        cropping: how many steps are taken away on either side; or a pair, on the left and on the right.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> y = Cropping1D((1, 0))(np.ones((2, 5, 3)))
    """

    axes = ("batch", "time", "features")

    def __init__(self, cropping: Any = (1, 1), **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        left, right = core.check_sizes("cropping", cropping, 2, zero=True)
        self.cropping = (left, right)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, time, features = self.checked(input_shape)
        return (batch, None if time is None else self._left_over(time), features)

    def _left_over(self, steps: int) -> int:
        left = steps - sum(self.cropping)
        if left < 1:
            raise ValueError(f"expected more than the {sum(self.cropping)} steps that cropping takes away, got {steps}")
        return left

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        left = self.cropping[0]
        kept = slice(left, left + self._left_over(x.shape[1]))

        def back(dy: Array) -> Array:
            dx = np.zeros(x.shape, dy.dtype)
            dx[:, kept] = dy
            return dx

        return x[:, kept], back


class ZeroPadding1D(_Reshaping):
    """A sequence (B, T, C) with steps of zeros before and after.

    Args:
        padding: how many steps are added on either side; or a pair, on the left and on the right.
        data_format: "channels_last", or "channels_first" for (B, C, T).
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> y = ZeroPadding1D((2, 0))(np.ones((2, 5, 3)))
    """

    axes = ("batch", "time", "features")

    _unwritten_defaults = {"data_format": "channels_last"}

    def __init__(
        self,
        padding: Any = 1,
        data_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        left, right = core.check_sizes("padding", padding, 2, zero=True)
        self.padding = (left, right)
        self.data_format = core.check_data_format(data_format)
        self.time = 1 if self.data_format == "channels_last" else 2

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(self.checked(input_shape))
        time = shape[self.time]
        shape[self.time] = None if time is None else time + sum(self.padding)
        return tuple(shape)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        left, right = self.padding
        around = [(0, 0)] * 3
        around[self.time] = (left, right)
        kept = [slice(None)] * 3
        kept[self.time] = slice(left, left + x.shape[self.time])
        return np.pad(x, around), lambda dy: dy[tuple(kept)]


class UpSampling1D(_Reshaping):
    """Each step of (B, T, C) `size` times in a row: (B, T * size, C).

    Args:
        size: how often.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> y = UpSampling1D(2)(np.ones((2, 5, 3)))
    """

    axes = ("batch", "time", "features")

    def __init__(self, size: int = 2, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.size = core.check_count("size", size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, time, features = self.checked(input_shape)
        return (batch, None if time is None else time * self.size, features)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        B, T, C = x.shape
        return np.repeat(x, self.size, axis=1), lambda dy: dy.reshape(B, T, self.size, C).sum(axis=2)


def _product(sizes: Any) -> int | None:
    """The product, None where a size is open."""
    return None if None in sizes else math.prod(sizes)
