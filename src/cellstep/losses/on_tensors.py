"""Losses of tensors: what a call of a loss gives in a function of tensors, or in a model's own `compute_loss`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers import Layer, SymbolicTensor, nested
from ..layers.context import Applied, Context

if TYPE_CHECKING:
    from .base import Loss


def on_tensors(loss: Loss, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> Any:
    """The loss as a tensor, whose gradient goes to y_pred.

    Args:
        loss: what to compute.
        y_true: an array, or a tensor without a gradient: targets, or what `math.stop_gradient` gives.
        y_pred: a tensor; an array where y_true is one by mistake.
        sample_weight, mask: arrays or None, as in a call of the loss.

    Raises:
        TypeError: a gradient would be lost, as y_true, sample_weight or mask depend on outputs of the model.
    """
    for name, value in (("y_true", y_true), ("sample_weight", sample_weight), ("mask", mask)):
        if isinstance(value, SymbolicTensor) and (name != "y_true" or _has_gradient(value)):
            raise TypeError(
                f"{name} of {loss.name} must hold no outputs of the model, as a loss has a gradient by y_pred alone: "
                "swap y_true and y_pred, use ops.stop_gradient, or write the loss with cellstep.ops"
            )
    if not isinstance(y_true, SymbolicTensor):
        return _Call(loss, y_pred.dtype, y_true, sample_weight, mask)(y_pred)
    return _Call(loss, y_pred.dtype, None, sample_weight, mask)([y_true, y_pred])


def _has_gradient(tensor: SymbolicTensor) -> bool:
    """Whether a gradient would reach something that the tensor is made of."""
    if not tensor.node.inputs:
        return tensor.differentiable
    stopped = getattr(tensor.node.layer, "operation", "") == "StopGradient"
    return not stopped and any(map(_has_gradient, tensor.node.inputs))


class _Call(Layer):
    """A call of a loss on tensors: y_pred, or [y_true, y_pred] where no targets are held."""

    takes_several = True

    def __init__(self, loss: Loss, dtype: Any, y_true: Any, sample_weight: Any, mask: Any) -> None:
        super().__init__("loss", loss.dtype or dtype)
        self.loss, self.held, self.options = loss, y_true, (sample_weight, mask)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            f"a model with {self.loss.name} among its layers must not be saved or cloned: give the loss to compile"
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self.loss.reduction not in ("none", None):
            return ()
        shape = nested.shapes(input_shape)[-1]
        true, pred = (np.zeros([size or 1 for size in s]) for s in (nested.shapes(input_shape)[0], shape))
        return shape[: len(self.loss.value_shape(pred, true if self.held is None else np.asarray(self.held)))]

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        y_true, y_pred = x if self.held is None else (self.held, x)
        value, gradient = self.loss.differentiable(y_true, y_pred, *self.options)

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            dx = gradient(np.asarray(dy)) if need_dx else None
            return [None, dx] if self.held is None else dx

        return np.asarray(value), None, pullback
