"""Loss: what a loss is, and how weights and masks enter it.

A loss gives one value for each row (or each row and step) and a pullback from the gradients of those values to the
gradient of the predictions, as layers do. Everything about weights, masks and the mean is here, once:

    value = sum(values * weights * mask) / sum(mask)        (without a mask: / number of values)

This is Keras 3.15's rule, where a mask becomes weights of total/valid. Masked values are left out, never multiplied
by zero: a masked step may hold NaN, and its label may be anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import add, ndarray
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import core
from ..configured import Configured, ours_attribute
from ..layers import SymbolicTensor
from . import tracing
from .alignment import Array, LossPullback, align, as_mask, as_weights, match_rank
from .on_tensors import on_tensors

REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)


class Loss(Configured):
    """Base class of losses. A subclass of yours writes `call` as in Keras, with functions of `cellstep.ops`; those of
    this package write `prepare` and `forward`, which need no tensors.

    Args:
        name: the name in logs; by default the class name in snake case.
        reduction: "sum_over_batch_size" or its other name "mean", "sum", "mean_with_sample_weight" (divides by the
            sum of the weights), or "none" (no sum at all: the values themselves, which cannot be trained on).
        dtype: "float32" or "float64" to compute in; by default that of the predictions.

    Raises:
        ValueError: `reduction` is none of these.
    """

    _uncalled: ClassVar[Mapping[str, str]] = {"__call__": "write call(y_true, y_pred) with functions of cellstep.ops"}
    _depends: ClassVar[Mapping[str, tuple[str, str]]] = {"call": ("forward", "subclass losses.Loss")}

    #: Whether each value follows from the last axis of one prediction and its target, whatever is beside it.
    by_step: ClassVar[bool] = False

    default_name = "loss"
    _shared = ("name", "reduction", "dtype")

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: DTypeLike | None = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}")
        self.name = core.check_named(name, self.default_name)
        self.reduction = reduction
        self.dtype = None if dtype is None else core.float_dtype("dtype", dtype)

    def prepare(self, y_true: Array, y_pred: Array, live: NDArray[np.bool_] | None) -> Array:
        """Check targets against predictions and return them in the form that `forward` takes.

        Args:
            y_true: targets of any dtype and shape.
            y_pred: predictions, at least (B, n).
            live: booleans of y_pred.shape[:-1], False where the target is not looked at; None if all are.

        Raises:
            ValueError: the shapes do not go together, or a live target is out of range.
        """
        self._check_written()
        return match_rank(y_true, y_pred, live)

    def forward(self, y_true: Array, y_pred: Array) -> tuple[Array, LossPullback]:
        """Values, one for each entry of `value_shape`, and the pullback from their gradients to that of y_pred."""
        self._check_written()
        return tracing.trace(self, y_true, y_pred).forward(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values, computed by operators and functions of `cellstep.ops`; their gradient follows from that."""
        raise NotImplementedError(f"{type(self).__name__}.call is not written")

    def value_shape(self, y_pred: Array, y_true: Array) -> tuple[int, ...]:
        """The shape of the values for these predictions: all axes but the last, or what `call` gives."""
        if type(self).call is Loss.call:
            return y_pred.shape[:-1]
        shape = tracing.trace(self, match_rank(y_true, y_pred), y_pred).shape
        return tuple(len(y_pred) if size is None else size for size in shape)

    def _check_written(self) -> None:
        if type(self).call is Loss.call:
            raise NotImplementedError(
                f"{type(self).__name__} must write call(y_true, y_pred) with functions of cellstep.ops, or prepare "
                "and forward"
            )

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: all but what is remembered."""
        return {key: value for key, value in self.__dict__.items() if not key.startswith("_cached")}

    def get_config(self) -> dict[str, Any]:
        """The arguments that would make an equal loss, ready for JSON."""
        return {"name": self.name, "reduction": self.reduction, **super().get_config()}

    def ignored(self, y_true: Array, y_pred: Array) -> NDArray[np.bool_] | None:
        """Booleans of y_pred.shape[:-1], True where the target says that it does not count; None if none does."""
        return None

    def values(self, y_true: ArrayLike, y_pred: ArrayLike, live: NDArray[np.bool_] | None = None) -> Array:
        """One value for each entry of y_pred.shape[:-1], unweighted, 0 where not `live`: what a metric averages."""
        pred, true = self._predictions(y_pred), core.plain("y_true", y_true)
        skip = self.ignored(true, pred)
        if skip is not None:
            live = ~skip if live is None else live & ~skip
        values = self._forward(true, pred, live)[0]
        return values if live is None else np.where(live, values, 0)

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Any:
        """The loss as a scalar of the predictions' dtype; with reduction "none" the weighted values.

        Args:
            y_true: targets.
            y_pred: (B, ..., n) predictions, float32 or float64.
            sample_weight: weights that broadcast to y_pred.shape[:-1] from the left: (B,), (B, 1) or (B, T).
            mask: booleans of such a shape, False where a value does not count; that of y_pred where it is a tensor of
                `compute_loss` with one.

        Where y_pred is a tensor, so is the loss, with its gradient by y_pred.
        """
        if isinstance(y_pred, SymbolicTensor) or isinstance(y_true, SymbolicTensor):
            mask = getattr(y_pred, "mask", None) if mask is None else mask
            return on_tensors(self, y_true, y_pred, sample_weight, mask)
        return self.differentiable(y_true, y_pred, sample_weight, mask)[0]

    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> tuple[Any, Array]:
        """The loss and its gradient, which has the shape and the dtype of `y_pred`. Arguments as in a call.

        Raises:
            ValueError: the reduction is "none", so that there is no scalar to differentiate.
        """
        if sample_weight is None is mask and (alike := self._alike(y_true, y_pred)) is not None:
            return alike
        if self.reduction in ("none", None):
            raise ValueError(f"reduction must give a scalar for a gradient, got {self.reduction!r}")
        value, gradient = self.differentiable(y_true, y_pred, sample_weight, mask)
        return value, gradient(None)

    def _alike(self, y_true: Any, y_pred: Any) -> tuple[Any, Array] | None:
        """What `value_and_grad` gives without weights and mask, where there is a short way to it."""
        return None

    def _predictions(self, y_pred: ArrayLike) -> Array:
        pred = core.plain("y_pred", y_pred)
        if pred.ndim == 0:
            raise ValueError("y_pred must have at least one axis, got a scalar")
        if pred.dtype.kind not in "fiub":
            raise TypeError(f"y_pred must hold real numbers, got dtype {pred.dtype}")
        dtype = self.dtype or (pred.dtype if pred.dtype.char in "fd" else np.dtype(np.float32))
        return np.asarray(pred.reshape(-1, 1) if pred.ndim == 1 else pred, dtype)

    def _forward(self, true: Array, pred: Array, live: NDArray[np.bool_] | None) -> tuple[Array, LossPullback]:
        """`forward`, on numbers that are finite wherever a value is left out, so that they can be weighted with 0."""
        target = self.prepare(true, pred, live)
        if live is not None:
            pred = np.where(live.reshape(live.shape + (1,) * (pred.ndim - live.ndim)), pred, pred.dtype.type(0.5))
        return self.forward(target, pred)

    def differentiable(
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None, mask: ArrayLike | None
    ) -> tuple[Any, Callable[[Array | None], Array]]:
        """The loss of arrays, and `gradient(d)`: the gradient by y_pred of the loss, or of d times the loss."""
        fits = type(y_pred) is ndarray and y_pred.ndim > 1 and y_pred.dtype.char in "fd" and self.dtype is None
        pred = y_pred if fits else self._predictions(y_pred)
        true = y_true if type(y_true) is ndarray else core.plain("y_true", y_true)
        keep = self.ignored(true, pred)
        if mask is None is sample_weight is keep:  # as most often: all values count alike
            values, pullback = self.forward(self.prepare(true, pred, None), pred)
            factor = self._factor(values.shape, pred.dtype)
        else:
            values, pullback, factor = self._weighted(true, pred, sample_weight, mask, keep)
        weighted = values * factor

        def gradient(d: Array | None) -> Array:
            dx = pullback(factor if d is None else factor * d)
            if fits:
                return dx
            like = np.asarray(y_pred)
            dtype = like.dtype if like.dtype.kind == "f" else pred.dtype
            return dx.reshape(like.shape).astype(dtype, copy=False)

        return weighted if self.reduction in ("none", None) else add.reduce(weighted, axis=None), gradient

    def _weighted(
        self, true: Array, pred: Array, sample_weight: Any, mask: Any, keep: Any
    ) -> tuple[Array, LossPullback, Array]:
        """The values, their pullback, and what each value is multiplied with; `keep`: the targets that do not count."""
        shape, weights = self.value_shape(pred, true), None
        if not shape:  # one value of the whole batch, which has seen to masks itself: as if it stood beside each weight
            mask = None
            if sample_weight is not None:
                sample_weight = (np.sum if self.reduction == "sum" else np.mean)(as_weights(sample_weight))
        if keep is not None:
            keep = ~keep
        if mask is not None:
            marked = as_mask(mask, shape)
            keep = marked if keep is None else marked & keep
        live = keep
        if sample_weight is not None:
            weights = align("sample_weight", as_weights(sample_weight), shape)
            # A weight of 0 takes a value out as a mask does, but the value still counts in the mean, as in Keras.
            if not weights.all():
                live = weights != 0 if live is None else live & (weights != 0)
        live = None if live is None else np.broadcast_to(live, shape)
        factor = np.full(shape, self._scale(shape, keep, weights), pred.dtype)
        if weights is not None:
            factor *= weights.astype(pred.dtype, copy=False)
        if live is not None:
            factor[~live] = 0
        return *self._forward(true, pred, live), factor

    #: The last factor of values that all count alike, and what it is for.
    _cached_factor: tuple[Any, Any] = (None, None)

    def _factor(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """What each value is multiplied with where all are alike; remembered, read-only, where the pullback is ours."""
        key, remembered = (shape, dtype, self.reduction), self._cached_factor
        if remembered[0] == key:
            return remembered[1]  # type: ignore[no-any-return]
        factor = np.full(shape, self._scale(shape, None, None), dtype)
        if type(self).forward is not Loss.forward and ours_attribute(type(self).forward):
            factor.flags.writeable = False
            self._cached_factor = key, factor
        return factor

    def _scale(self, shape: tuple[int, ...], keep: Array | None, weights: Array | None) -> float:
        """What the weighted values are multiplied with; 0 where there is nothing to average."""
        if self.reduction in ("sum", "none", None):
            return 1.0
        count = math.prod(shape) if keep is None else np.broadcast_to(keep, shape).sum()
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            counted = np.broadcast_to(weights, shape)
            count = counted.sum() if keep is None else (counted * keep).sum()
        return 1.0 / float(count) if count else 0.0


def mean_of_entries(values: Array, slopes: Array, y_pred: Array) -> tuple[Array, LossPullback]:
    """What `forward` gives of values and slopes (..., n) by each prediction: the mean over the last axis."""
    n, dtype = y_pred.shape[-1], y_pred.dtype

    def pullback(dvalues: Array) -> Array:
        dx = slopes * (dvalues if n == 1 else dvalues / (n or 1))[..., None]
        return dx if dx.dtype is dtype else dx.astype(dtype)

    # the mean of nothing is 0 here
    mean = values[..., 0] if n == 1 else add.reduce(values, axis=-1) / (n or 1)
    return mean if mean.dtype is dtype else mean.astype(dtype), pullback


def one_a_row(values: Array, slopes: Array, y_pred: Array) -> tuple[Array, LossPullback]:
    """What `forward` gives of values (...) and their slopes (..., n) by each prediction."""

    def pullback(dvalues: Array) -> Array:
        return np.asarray(slopes * dvalues[..., None], y_pred.dtype)

    return np.asarray(values, y_pred.dtype), pullback
