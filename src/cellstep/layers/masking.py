"""Masking: steps at which every feature has one value are marked as not there."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..kernels.stages import Mask, Stage
from .base import Array, Layer, LayerOptions
from .context import Applied, Context
from .symbolic import SymbolicTensor


class Masking(Layer):
    """Marks the steps of (B, T, I) at which all features equal mask_value, and sets them to 0.

    The layers after it get a mask (B, T), True where the step is there; a mask that came before is replaced, as in
    Keras.

    Args:
        mask_value: the value that means "not there".
        **options: name, dtype, trainable, activity_regularizer, as for every layer.

    Example:
        >>> layer = Masking(mask_value=-1)
        >>> y, mask = layer(x := -np.ones((1, 2, 3))), layer.compute_mask(x)
    """

    replaces_mask = True

    def __init__(self, mask_value: float = 0.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if isinstance(mask_value, (bool, np.bool_)) or not isinstance(
            mask_value, (int, float, np.integer, np.floating)
        ):
            raise TypeError(f"mask_value must be a number, got {mask_value!r}")
        if np.isnan(mask_value):
            raise ValueError("mask_value must be a number that equals itself, got NaN")
        self.mask_value = float(mask_value)

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        """(B, T), True where any feature differs from mask_value; a tensor for a tensor."""
        if isinstance(x, SymbolicTensor):
            return SymbolicTensor.operate("Any", [x != self.mask_value], {"axis": -1, "keepdims": False})
        return self._there(self._input(x))[..., 0]

    def _input(self, x: Any) -> Array:
        a = self.input_array(x)
        if a.ndim < 2:
            raise ValueError(f"expected x of shape (batch, ..., features), got {a.shape}")
        return a

    def _there(self, x: Array) -> NDArray[np.bool_]:
        return np.asarray((x != x.dtype.type(self.mask_value)).any(axis=-1, keepdims=True))

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """x with its masked steps set to 0; their gradient is 0."""
        x = self._input(x)
        there = self._there(x)
        zero = x.dtype.type(0)

        def pullback(dy: Any, need_dx: bool = True) -> Array | None:
            return np.where(there, self.gradient_array(dy, x.shape), zero) if need_dx else None

        return np.where(there, x, zero), context.replaced(mask, there[..., 0]), pullback

    def reach(self, rank: int) -> str:
        return "step" if rank > 2 else "sequence"

    def stages(self) -> list[Stage]:
        return [Mask(self.mask_value)]
