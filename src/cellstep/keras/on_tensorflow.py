"""Calls on Keras's TensorFlow backend: the kernels as NumPy functions with a gradient, in graphs too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from .calls import Call
from .waiting import keep, taken


def run(call: Call, arrays: Sequence[Any], training: bool) -> tuple[Any, ...]:
    """The outputs of a call; TensorFlow differentiates it once, in reverse.

    Without `training` nothing is kept for that, and forward is run again.
    """
    n = len(arrays) - call.masked - call.dropped
    dtype = arrays[0].dtype

    def forward(*given: Any) -> list[Any]:
        outputs = [np.empty(shape, given[0].dtype) for shape in call.shapes(given)]
        kept = call.forward(given, outputs, taped=training)
        return [*outputs, np.int64(0 if kept is None else keep(call, kept))]

    def backward(number: Any, *given: Any) -> list[Any]:
        gradients, own = given[: len(given) - len(arrays)], given[len(given) - len(arrays) :]
        kept = taken(call, int(number))
        if kept is None:
            unread = [np.empty(shape, own[0].dtype) for shape in call.shapes(own)]
            kept = call.forward(own, unread, taped=True)
            assert kept is not None
        sums = [np.empty(a.shape, a.dtype) for a in own[:n]]
        call.backward(kept, gradients, sums)
        return sums

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def differentiated(*given: Any) -> Any:
        def refuse(*gradients: Any) -> Any:
            raise NotImplementedError(
                "expected one derivative of cellstep's kernels, got a second; cellstep.keras.restore(model) puts "
                "Keras's own layers in the place of cellstep's"
            )

        sums = tf.numpy_function(backward, given, [dtype] * n)
        return [_shaped(s, a.shape) for s, a in zip(sums, arrays, strict=False)], refuse

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def differentiable(*given: Any) -> Any:
        shapes = call.shapes(given)
        *outputs, number = tf.numpy_function(forward, given, [*[dtype] * len(shapes), tf.int64])

        def gradient(*gradients: Any) -> Any:
            return [*differentiated(number, *gradients, *given), *[None] * (len(given) - n)]

        return tuple(_shaped(y, shape) for y, shape in zip(outputs, shapes, strict=True)), gradient

    return tuple(differentiable(*map(tf.convert_to_tensor, arrays)))  # variables are read


def _shaped(y: Any, shape: Any) -> Any:
    """A function's result, of which graphs do not know the shape."""
    y.set_shape(shape)
    return y
