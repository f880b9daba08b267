"""TimeDistributed: a layer applied to each step."""

from __future__ import annotations

import warnings
from typing import Any, Self, Unpack

import numpy as np

from .. import core
from ..configured import levels_to_user
from ..kernels.stages import Activate, Dense, Stage
from .base import Array, Layer, LayerOptions
from .check_layer import check_layer
from .context import Applied, Context
from .deserialization import deserialize
from .module import Shape
from .penalties import run_layer


class TimeDistributed(Layer):
    """Applies a layer to each step of (B, T, ...): to inputs (B, ...), T times, with the same weights.

    All steps are done at once, as more rows, where the layer's rows do not depend on each other
    (`layer.independent_rows`); else one after another.

    Args:
        layer: whose inputs are (B, ...).
        name, dtype, trainable: as for every layer; dtype is that of the layer.

    The layer is called once a step, so its activity_regularizer gives a penalty a step. (Keras keeps those of layers in
    a model here, and loses that of the layer itself.)

    A mask (B, T, ...) is given to the layer step by step, and passed on for the axes that the outputs have too: of
    words in sentences (B, T, W) a layer that gives one vector a sentence leaves (B, T), True where a sentence has a
    word. A mask that the layer makes itself, as Embedding and Masking do, ends here with a warning; in Keras without.
    (Keras passes on (B, T, W), which the next recurrent layer takes likewise; so does `compute_mask`.)

    Example:
        >>> y = TimeDistributed(layers.Dense(4))(np.ones((2, 5, 3)))
    """

    layer: Layer

    def __init__(self, layer: Any, **options: Unpack[LayerOptions]) -> None:
        layer = check_layer(layer)
        if getattr(layer, "return_state", False):
            raise ValueError(f"layer must return one array, got {layer.name} with return_state=True")
        if options.get("dtype") is None:
            options["dtype"] = layer.dtype
        super().__init__(**options)
        if self.dtype != layer.dtype:
            raise ValueError(f"dtype must be that of the layer, {layer.dtype}, got {self.dtype}")
        self.layer = layer
        self._parts.append(layer)
        if not self.trainable:
            layer.trainable = False

    def make_weights(self, input_shape: Shape) -> None:
        if not self.layer.built:
            self.layer.path = f"{self.path}/{self.layer.name}"
            self.layer.build(_step_shape(input_shape))

    def compute_output_shape(self, input_shape: Shape) -> Any:
        step_shape = self.layer.compute_output_shape(_step_shape(input_shape))
        return (step_shape[0], input_shape[1], *step_shape[1:])

    def reach(self, rank: int) -> str:
        return "step" if not any(getattr(module, "stateful", False) for module in self.walk()) else "sequence"

    def independent_rows(self, training: bool) -> bool:
        return self.layer.independent_rows(training)

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        """y (B, T, ...) for x (B, T, ...). A step's penalties are averaged over its rows and summed over the steps."""
        x = core.plain("x", x)
        if x.ndim < 3:
            raise ValueError(f"expected x of shape (batch, time, features, ...), got {x.shape}")
        full_mask = mask
        if mask is not None:
            full_mask = core.plain("mask", mask)
            if full_mask.shape[:2] != x.shape[:2]:
                raise ValueError(
                    f"expected mask of shape {x.shape[:2]} or more axes after these, got {full_mask.shape}"
                )
            mask = full_mask
            if not self.layer.supports_masking:
                mask = None
            elif full_mask.ndim == 2 and x.ndim > 3:  # all that is within a step
                mask = np.broadcast_to(full_mask.reshape(*full_mask.shape, *(1,) * (x.ndim - 3)), x.shape[:-1])
        if not self.built:
            self.build(x.shape)
        if context.resets is not None:  # they are of steps, which are rows to the layer
            context = context.but(resets=None)
        counts = context.penalties is not None
        if counts and context.rows is None:
            context = context.but(rows=len(x))
        at_once = x.shape[1] and self.layer.independent_rows(context.training)
        if at_once and counts:
            at_once = all(regularizer.additive for regularizer in self.regularizers_inside())
        y, new_mask, pullback = (self._at_once if at_once else self._by_step)(x, mask, context)
        if new_mask is not None and (mask is None or self.layer.replaces_mask):
            warnings.warn(
                f"{self.layer.name} makes a mask, which ends in {self.name}: layers after it do not see it",
                stacklevel=levels_to_user(),
            )
        if full_mask is None:
            return y, None, pullback
        passed = _fitting(full_mask, y.shape)
        if mask is None and passed.ndim < full_mask.ndim:
            self.layer.drops_mask(full_mask)
        return y, passed, pullback

    def _by_step(self, x: Array, mask: Any, context: Context) -> Applied:
        """The outputs, the mask that the layer gave, and the pullback; the steps one after another."""
        T = x.shape[1]
        masks = [None if mask is None else mask[:, t] for t in range(T)]
        steps = [run_layer(self.layer, x[:, t], masks[t], context) for t in range(T)]
        shape = self.compute_output_shape(x.shape)
        y = np.stack([step[0] for step in steps], axis=1) if T else np.zeros(shape, self.dtype)

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            dy = None if dy is None else self.gradient_array(dy, y.shape)
            # from the last to the first, as they would be taken back by hand
            slices = [steps[t][2](None if dy is None else dy[:, t], need_dx=need_dx) for t in reversed(range(T))]
            if not need_dx or (T and slices[0] is None):
                return None
            return np.stack(slices[::-1], axis=1) if T else np.zeros(x.shape, self.dtype)

        return y, steps[0][1] if steps else None, pullback

    def _at_once(self, x: Array, mask: Any, context: Context) -> Applied:
        """The same, with the steps as more rows."""
        B, T = x.shape[:2]
        if mask is not None:
            mask = mask.reshape(B * T, *mask.shape[2:])
        flat, passed, back = run_layer(self.layer, x.reshape(B * T, *x.shape[2:]), mask, context)
        y = flat.reshape(B, T, *flat.shape[1:])

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            dy = None if dy is None else self.gradient_array(dy, y.shape).reshape(flat.shape)
            dx = back(dy, need_dx=need_dx)
            return None if dx is None else dx.reshape(x.shape)

        return y, passed, pullback

    def reset_states(self) -> None:
        """Begin again with zeros in a stateful layer."""
        if hasattr(self.layer, "reset_states"):
            self.layer.reset_states()

    def stages(self) -> list[Stage]:
        """Those of the layer, where it is one of vectors: a stream applies it to each step anyway."""
        stages = self.layer.stages()
        if not all(isinstance(stage, Dense | Activate) for stage in stages):
            raise NotImplementedError(f"{self.name} of {self.layer.name} is not built for streams")
        return stages

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "layer": deserialize(config["layer"])})


def _fitting(mask: Array, shape: tuple[int, ...]) -> Array:
    """A mask for outputs of this shape: True where anything is that has an axis which the outputs have not."""
    axes = 2
    while axes < min(mask.ndim, len(shape) - 1) and mask.shape[axes] == shape[axes]:
        axes += 1
    return mask if axes == mask.ndim else np.asarray(mask.any(axis=tuple(range(axes, mask.ndim))))


def _step_shape(shape: Shape) -> Shape:
    """The shape without time."""
    shape = tuple(shape)
    if len(shape) < 3:
        raise ValueError(f"expected inputs of shape (batch, time, features, ...), got {core.describe(shape)}")
    return (shape[0], *shape[2:])
