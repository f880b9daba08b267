"""ReLU, LeakyReLU, ELU and PReLU: layers that bend at one place, with the arguments that Keras gives them."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from .. import core
from ..kernels.stages import Activate, Stage
from .base import Array, Layer, LayerOptions
from .context import Applied, Context
from .module import Shape
from .transform import Back, Transform
from .variable import Variable


class _Rectifier(Transform):
    over_time = "step"

    def streamed(self) -> str | None:
        """The activation of streams that is the same, or None."""
        raise NotImplementedError

    def stages(self) -> list[Stage]:
        name = self.streamed()
        if name is None:
            raise NotImplementedError(f"{self.name} is not built for streams with arguments of its own")
        return [Activate(name)]


class ReLU(_Rectifier):
    """x above the threshold, but no more than max_value; negative_slope * (x - threshold) below it.

    Args:
        max_value: 0 or more; None for no limit.
        negative_slope: 0 or more.
        threshold: 0 or more. Between 0 and it the outputs are those of what is below.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> y = ReLU(max_value=6)([[-1.0, 2.0, 9.0]])
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.max_value = None if max_value is None else core.check_number("max_value", max_value, 0)
        self.negative_slope = core.check_number("negative_slope", negative_slope, 0)
        self.threshold = core.check_number("threshold", threshold, 0)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        number = x.dtype.type
        slope, threshold = number(self.negative_slope), number(self.threshold)
        most = number(np.inf if self.max_value is None else self.max_value)
        # asked this way round, NaN passes
        y = np.where(x <= threshold, number(0), x)
        np.minimum(y, most, out=y)
        if slope:
            y -= slope * np.maximum(threshold - x, 0)

        def back(dy: Array) -> Array:
            dx = dy * ((x > threshold) & (x < most))
            if slope:
                dx += dy * (slope * (x < threshold))
            return np.asarray(dx)

        return y, back

    def streamed(self) -> str | None:
        if self.negative_slope or self.threshold:
            return None
        return {None: "relu", 6.0: "relu6"}.get(self.max_value)


class LeakyReLU(_Rectifier):
    """x above 0, negative_slope * x below. The slope is 0.3 by default; that of the activation "leaky_relu" is 0.2.

    Args:
        negative_slope: 0 or more.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> y = LeakyReLU(0.1)([[-1.0, 2.0]])
    """

    def __init__(self, negative_slope: float = 0.3, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.negative_slope = core.check_number("negative_slope", negative_slope, 0)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        factor = np.where(x > 0, x.dtype.type(1), x.dtype.type(self.negative_slope))
        return x * factor, lambda dy: dy * factor

    def streamed(self) -> str | None:
        return "leaky_relu" if self.negative_slope == 0.2 else None


class ELU(_Rectifier):
    """x above 0, alpha * (exp(x) - 1) below.

    Args:
        alpha: what it comes to far below.
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    A mask is passed on.

    Example:
        >>> y = ELU()([[-1.0, 2.0]])
    """

    def __init__(self, alpha: float = 1.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.alpha = core.check_number("alpha", alpha)

    def compute(self, x: Array, mask: Any, training: bool) -> tuple[Array, Back]:
        alpha = x.dtype.type(self.alpha)
        below = alpha * np.expm1(np.minimum(x, 0))
        y = np.where(x > 0, x, below)
        return y, lambda dy: dy * np.where(x > 0, x.dtype.type(1), below + alpha)

    def streamed(self) -> str | None:
        return "elu" if self.alpha == 1 else None


class PReLU(Layer):
    """x above 0, alpha * x below, where alpha is learned.

    Args:
        alpha_initializer: whatever `initializers.get` takes.
        alpha_regularizer, alpha_constraint: whatever `regularizers.get` and `constraints.get` take.
        shared_axes: axes, counted from 1, along which one alpha serves: [1] for all steps of a sequence (B, T, C).
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Weights: alpha, of the inputs' shape without the batch, 1 along shared axes. A mask is passed on.

    Example:
        >>> y = PReLU("ones", shared_axes=[1])(np.ones((2, 3, 4)))
    """

    alpha: Variable

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.keep_weight_arguments(locals())
        axes = None if shared_axes is None else core.check_axes("shared_axes", shared_axes)
        self.shared_axes = [axes] if isinstance(axes, int) else axes
        if self.shared_axes and min(self.shared_axes) < 1:
            raise ValueError(f"shared_axes must be integers from 1 up, got {shared_axes!r}")

    def make_weights(self, input_shape: Shape) -> None:
        shared = core.places("shared_axes", self.shared_axes, input_shape) if self.shared_axes else ()
        sizes = [1 if axis in shared else size for axis, size in enumerate(input_shape)][1:]
        known = tuple(size for size in sizes if size is not None)
        if not sizes or len(known) < len(sizes):
            raise ValueError(
                "expected inputs whose axes after the batch are known or among shared_axes, got "
                f"{core.describe(input_shape)} with shared_axes {self.shared_axes}"
            )
        self.alpha = self.add_configured_weight("alpha", known)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y of x's shape."""
        x = self.input_array(x)
        if not self.built:
            self.build(x.shape)
        alpha = self.alpha.numpy()
        if x.ndim != alpha.ndim + 1 or any(a not in (1, s) for a, s in zip(alpha.shape, x.shape[1:], strict=True)):
            wanted = ("batch", *("any" if a == 1 else a for a in alpha.shape))
            raise ValueError(f"expected x of shape {core.describe(wanted)}, got {x.shape}")
        below = np.minimum(x, 0)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            dy = self.gradient_array(dy, x.shape)
            summed = (0, *(axis for axis in range(1, x.ndim) if alpha.shape[axis - 1] == 1))
            with self._lock:  # threads may add to the same gradients
                (dalpha,) = self.grads_of((self.alpha,))
                if dalpha is not None:
                    dalpha += (dy * below).sum(axis=summed, keepdims=True)[0]
            return dy * ((x > 0) + alpha * (x < 0)) if need_dx else None

        return np.maximum(x, 0) + alpha * below, mask, pullback

    def reach(self, rank: int) -> str:
        return "step" if rank > 2 and 1 in (self.shared_axes or ()) else "sequence"
