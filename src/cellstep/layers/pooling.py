"""Pooling over time: the largest or the mean of each window, or of all steps."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from .base import Array, LayerOptions
from .module import Shape
from .sliding_windows import SlidingWindows, by_time
from .transform import Back, Transform


class _Pooling1D(Transform):
    """What MaxPooling1D and AveragePooling1D share."""

    axes = ("batch", "time", "features")
    supports_masking = False

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.pool_size = core.check_sizes("pool_size", pool_size, 1)
        self.strides = self.pool_size if strides is None else core.check_sizes("strides", strides, 1)
        self.padding = core.check_choice("padding", padding, ("valid", "same"))
        self.data_format = core.check_data_format(data_format)
        self.windows = SlidingWindows(self.pool_size[0], self.strides[0], padding=self.padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, time, features = by_time(self.checked(input_shape), self.data_format)
        return by_time((batch, None if time is None else self.windows.count(time), features), self.data_format)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        first = self.data_format == "channels_first"
        y, back = self.pool(np.swapaxes(x, 1, 2) if first else x)
        if not first:
            return y, back
        return np.swapaxes(y, 1, 2), lambda dy: np.swapaxes(back(np.swapaxes(dy, 1, 2)), 1, 2)

    def pool(self, x: Array) -> tuple[Array, Back]:
        """y (B, windows, C) of x (B, T, C), and the map from dy to dx."""
        raise NotImplementedError


class MaxPooling1D(_Pooling1D):
    """The largest of each feature in each window: (B, T, C) to (B, windows, C).

    Args:
        pool_size: the steps of a window. strides: the steps from one window to the next; pool_size where None.
        padding: "valid", only windows that lie in the sequence; or "same", ceil(T / strides) windows.
        data_format: "channels_last", or "channels_first" for (B, C, T).
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    The gradient goes to the first of the largest. A mask has no effect, and is not passed on.

    Example:
        >>> y = MaxPooling1D(2)(np.ones((1, 6, 3)))
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **options)

    def pool(self, x: Array) -> tuple[Array, Back]:
        count = self.windows.count(x.shape[1])
        padded = self.windows.pad(x, -np.inf)
        taps = self.windows.taps(padded, count)
        y = taps[0].copy()
        for tap in taps[1:]:
            np.maximum(y, tap, out=y)

        def back(dy: Array) -> Array:
            dpadded = np.zeros_like(padded)
            waiting = np.ones(y.shape, bool)
            for tap, dtap in zip(taps, self.windows.taps(dpadded, count), strict=True):
                here = waiting & (tap == y)
                waiting &= ~here
                dtap += dy * here
            return self.windows.unpad(dpadded, x.shape[1])

        return y, back


class AveragePooling1D(_Pooling1D):
    """The mean of each feature in each window: (B, T, C) to (B, windows, C).

    Arguments are those of MaxPooling1D. With padding="same" the steps that were added do not count in the mean.

    Example:
        >>> y = AveragePooling1D(2)(np.ones((1, 6, 3)))
    """

    def pool(self, x: Array) -> tuple[Array, Back]:
        T = x.shape[1]
        count = self.windows.count(T)
        taps = self.windows.taps(self.windows.pad(x), count)
        y = taps[0].copy()
        for tap in taps[1:]:
            y += tap
        ones = self.windows.pad(np.ones((1, T, 1), x.dtype))
        share = 1 / np.sum(self.windows.taps(ones, count), axis=0)
        y *= share

        def back(dy: Array) -> Array:
            dpadded = np.zeros_like(self.windows.pad(x))
            scaled = dy * share
            for dtap in self.windows.taps(dpadded, count):
                dtap += scaled
            return self.windows.unpad(dpadded, T)

        return y, back


class _GlobalPooling1D(Transform):
    """What the global poolings share.

    Args:
        data_format: "channels_last", or "channels_first" for (B, C, T).
        keepdims: keep the time axis, with one step.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.
    """

    axes = ("batch", "time", "features")

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.data_format = core.check_data_format(data_format)
        self.keepdims = core.check_bool("keepdims", keepdims)
        self.time = 1 if self.data_format == "channels_last" else 2

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = self.checked(input_shape)
        return shape[: self.time] + ((1,) if self.keepdims else ()) + shape[self.time + 1 :]

    def compute_mask(self, x: Any, mask: Any = None) -> None:
        """None: there is no time left to mask."""
        return None

    def steps(self, x: Array) -> int:
        """T; ValueError where there are no steps."""
        if not x.shape[self.time]:
            raise ValueError(f"expected x of one step or more, got shape {x.shape}")
        return int(x.shape[self.time])

    def spread(self, dy: Array) -> Array:
        """dy with the time axis in place."""
        return dy if self.keepdims else np.expand_dims(dy, self.time)


class GlobalMaxPooling1D(_GlobalPooling1D):
    """The largest of each feature over all steps: (B, T, C) to (B, C).

    Args:
        data_format: "channels_last", or "channels_first" for (B, C, T).
        keepdims: give (B, 1, C).
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Where several steps are the largest, they share the gradient. A mask has no effect, as in Keras.

    Example:
        >>> y = GlobalMaxPooling1D()(np.ones((1, 6, 3)))
    """

    supports_masking = False

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        self.steps(x)
        y = x.max(axis=self.time, keepdims=True)

        def back(dy: Array) -> Array:
            largest = x == y
            return np.asarray(largest * (self.spread(dy) / largest.sum(axis=self.time, keepdims=True, dtype=x.dtype)))

        return (y if self.keepdims else y.squeeze(self.time)), back


class GlobalAveragePooling1D(_GlobalPooling1D):
    """The mean of each feature over all steps: (B, T, C) to (B, C).

    Args:
        data_format: "channels_last", or "channels_first" for (B, C, T).
        keepdims: give (B, 1, C).
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    With a mask (B, T) the mean is over the steps that are there; a row without any gives NaN, as in Keras.

    Example:
        >>> y = GlobalAveragePooling1D()(np.ones((1, 3, 2)), mask=np.array([[True, True, False]]))
    """

    skips_masked = True

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        T = self.steps(x)
        if mask is None:
            return x.mean(axis=self.time, keepdims=self.keepdims), lambda dy: np.broadcast_to(
                self.spread(dy) / x.dtype.type(T), x.shape
            ).copy()
        there = np.expand_dims(core.check_mask(mask, x.shape[0], T), 3 - self.time)
        zero = x.dtype.type(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = 1 / there.sum(axis=self.time, keepdims=True, dtype=x.dtype)
            y = np.where(there, x, zero).sum(axis=self.time, keepdims=True) * share

        def back(dy: Array) -> Array:
            with np.errstate(invalid="ignore"):
                return np.asarray(np.where(there, self.spread(dy) * share, zero))

        return (y if self.keepdims else y.squeeze(self.time)), back


MaxPool1D = MaxPooling1D
AvgPool1D = AveragePooling1D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalAvgPool1D = GlobalAveragePooling1D
