"""Normalization: features get mean 0 and variance 1, by a mean and a variance that are given or taken from data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Unpack

import numpy as np

from .. import activations, core
from ..activations import ActivationPullback
from ..kernels.stages import Activate, Stage
from .base import Array, LayerOptions
from .context import Applied, Context
from .module import Shape
from .over_axes import OverAxes
from .variable import Variable

#: The smallest standard deviation that is divided by, as in Keras.
SMALLEST = 1e-7


class Normalization(OverAxes):
    """(x - mean) / sqrt(variance), with a mean and a variance for each place along `axis`.

    Args:
        axis: the axes that keep statistics of their own, an integer or several; None for one mean and one variance
            of all numbers.
        mean, variance: of a shape that broadcasts to the sizes of these axes; where None, `adapt` finds them.
        invert: the way back, x sqrt(variance) + mean.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Weights, where mean and variance are not given: mean and variance, of the sizes of the axes, and count, which Keras
    has and does not use; none of them learns. A mask is passed on.

    Raises:
        ValueError: only one of mean and variance, two shapes, a variance below 0, or more axes than `axis` has.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt(np.arange(6.0).reshape(3, 2))
        >>> y = layer(np.arange(6.0).reshape(3, 2))
    """

    config_keys = ("invert",)
    axis: list[int]

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        checked = core.check_axes("axis", axis) if axis is not None and np.size(axis) else []
        self.axis = [checked] if isinstance(checked, int) else checked
        self.invert = core.check_bool("invert", invert)
        if (mean is None) != (variance is None):
            raise ValueError(f"mean and variance must both be given, or neither, got mean={mean}, variance={variance}")
        self.given: tuple[Array, Array] | None = None
        if mean is not None:
            self.given = (_checked("mean", mean, self.dtype), _checked("variance", variance, self.dtype))
            if (self.given[1] < 0).any():
                raise ValueError(f"variance must be 0 or more, got {core.brief(variance)}")
            shapes = [a.shape for a in self.given]
            if shapes[0] != shapes[1] or len(shapes[0]) > len(self.axis):
                raise ValueError(
                    f"mean and variance must have one shape, of at most {len(self.axis)} axes as axis={axis} has, got "
                    f"{shapes[0]} and {shapes[1]}"
                )

    def make_weights(self, input_shape: Shape) -> None:
        sizes = self._sizes(input_shape)
        if self.given is not None:
            try:
                self._statistics = (np.broadcast_to(self.given[0], sizes), np.broadcast_to(self.given[1], sizes))
            except ValueError:
                got = self.given[0].shape
                raise ValueError(
                    f"expected mean and variance of a shape that broadcasts to {sizes}, got {got}"
                ) from None
            return
        self._mean = self.add_weight("mean", sizes, "zeros", trainable=False)
        self._variance = self.add_weight("variance", sizes, "ones", trainable=False)
        count = Variable(np.zeros((), np.int32), name="count", path=f"{self.path}/count", trainable=False)
        count.fixed = True
        self._weights.append(count)

    def _sizes(self, shape: Shape) -> tuple[int, ...]:
        sizes = tuple(shape[place] for place in core.places("axis", self.axis, shape))
        if None in sizes:
            raise ValueError(f"expected inputs with known sizes along axis {self.axis}, got {core.describe(shape)}")
        return sizes  # type: ignore[return-value]

    def _current(self) -> tuple[Array, Array]:
        """The mean and the variance, of the sizes of the axes."""
        return self._statistics if self.given is not None else (self._mean.numpy(), self._variance.numpy())

    @property
    def mean(self) -> Array | None:
        """The mean, of a shape that broadcasts to that of the inputs; None before the layer is built."""
        return self._spread(self._current()[0], self.built_for) if self.built else None

    @property
    def variance(self) -> Array | None:
        """The variance, likewise."""
        return self._spread(self._current()[1], self.built_for) if self.built else None

    def _spread(self, a: Array, shape: Shape) -> Array:
        places = core.places("axis", self.axis, shape)
        return a.reshape([size if place in places else 1 for place, size in enumerate(shape)])  # type: ignore[misc]

    def adapt(self, data: Any) -> None:
        """Take the mean and the variance of data.

        Args:
            data: an array, batch first; or batches, one after another: a dataset, a generator, a list of arrays or of
                sequences of different lengths. Of batches (x, y) the first is taken.

        Raises:
            ValueError: there is no batch, or one of other sizes than those before; the statistics are as they were.
        """
        total, mean, variance = 0, 0.0, 0.0
        for batch in _batches(data):
            a = _checked("data", batch, np.dtype(np.float64))
            if not self.built:
                self.build(a.shape)
            self._check(a)
            rest = tuple(set(range(a.ndim)) - set(core.places("axis", self.axis, a.shape)))
            count = math.prod(a.shape[place] for place in rest)
            if count:
                total += count
                own, share = a.mean(axis=rest), count / total
                gap = own - mean
                mean = mean + gap * share
                variance = variance + (a.var(axis=rest) - variance + gap * gap * (1 - share)) * share
        if not total:
            raise ValueError("expected data to hold one batch or more with rows in it, got none")
        if self.given is None:
            self._mean.assign(mean)
            self._variance.assign(variance)

    def _check(self, x: Array) -> None:
        wanted = self._current()[0].shape
        if self._sizes(x.shape) != wanted:
            raise ValueError(f"expected inputs of sizes {wanted} along axis {self.axis}, got shape {x.shape}")

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y of x's shape."""
        x = self.input_array(x)
        if not self.built:
            self.build(x.shape)
        self._check(x)
        y, back = self._normalize(x, x.shape)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            dy = self.gradient_array(dy, y.shape)
            return back(dy) if need_dx else None

        return y, mask, pullback

    def _normalize(self, x: Array, shape: Shape) -> tuple[Array, ActivationPullback]:
        mean, variance = (self._spread(a, shape) for a in self._current())
        deviation = np.maximum(np.sqrt(variance), x.dtype.type(SMALLEST))
        if self.invert:
            return x * deviation + mean, lambda dy: dy * deviation
        return (x - mean) / deviation, lambda dy: dy / deviation

    def stages(self) -> list[Stage]:
        if self.axis not in ([-1], []):
            raise NotImplementedError(f"axis of {self.name} must be -1 or None in a stream, got {self.axis}")
        return [Activate(activations.Activation(self.name, lambda x: self._normalize(x, x.shape)))]

    def get_config(self) -> dict[str, Any]:
        mean, variance = (None, None) if self.given is None else (a.tolist() for a in self.given)
        return {**super().get_config(), "axis": self.axis, "mean": mean, "variance": variance}


def _batches(data: Any) -> Iterator[Any]:
    """The arrays in data: itself, or those of its batches."""
    if isinstance(data, np.ndarray) or hasattr(data, "__array__"):
        yield data
        return
    if isinstance(data, str | dict) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        raise TypeError(f"data must be an array or batches of arrays, got {core.brief(data)}")
    # a PyDataset has places, and no end of its own
    for batch in (data[i] for i in range(len(data))) if hasattr(data, "__getitem__") else data:
        yield from _batches(batch[0] if isinstance(batch, tuple) else batch)


def _checked(name: str, value: Any, dtype: np.dtype[Any]) -> Array:
    a = core.plain(name, value)
    return core.as_array(name, a, dtype, ("any",) * a.ndim)
