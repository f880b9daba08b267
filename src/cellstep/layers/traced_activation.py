"""Activations of functions of tensors, and of layers: their gradients by tracing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import registry
from ..activations import Activation
from ..core import brief
from ..registry import serialize
from .activation import Activation as ActivationLayer
from .base import Layer
from .context import Context
from .deserialization import deserialize
from .symbolic import SymbolicTensor
from .tracer import Tracer


class TracedActivation(Activation):
    """A function of a tensor, or a layer without weights, as an activation.

    Args:
        function: gives a tensor of the shape of its own. name: the argument to blame.

    Raises:
        TypeError: it computes with NumPy, so that it has no gradient; or it is a layer with weights.
    """

    def __init__(self, function: Callable[[Any], Any], name: str = "activation") -> None:
        layer = isinstance(function, Layer)
        called = function.name if isinstance(function, Layer) else str(getattr(function, "__name__", "name"))
        trial: Any = copy.deepcopy(function) if layer else function
        try:
            Tracer().of_arrays(called, trial, np.zeros((12, 4), np.float32))
        except Exception as error:
            what = brief(function) if called == "name" else f"the function {called}"
            raise TypeError(
                f"{name} must have a gradient, got {what}; make it activations.Activation({called!r}, forward) with "
                "forward(x) giving (y, pullback), or write it with functions of cellstep.ops"
            ) from error
        if layer and trial.weights:
            raise TypeError(f"{name} must have no weights, got {brief(function)}; put the layer behind this one")
        self.function, self.tracer = function, Tracer()
        super().__init__(called, self._traced)

    def _traced(self, x: Any) -> Any:
        (y,), _, back = self.tracer.of_arrays(self.name, self.function, x).graph.apply([x], [None], Context(tape=True))

        def pullback(dy: Any) -> Any:
            dx = back([dy])[0]
            return np.zeros_like(x) if dx is None else dx

        return y, pullback

    def __reduce__(self) -> tuple[Any, ...]:
        return TracedActivation, (self.function,)

    def serialized(self) -> Any:
        """What a configuration holds: the layer's, or the function's name."""
        if isinstance(self.function, Layer):
            return serialize(self.function)
        return registry.written_function("activation", self.function)


def on_tensor(activation: Activation, x: SymbolicTensor) -> Any:
    """What an activation gives for a tensor."""
    return ActivationLayer(activation)(x)


def of(value: Any, name: str) -> Activation:
    """A function, a layer, or the configuration of a layer as an activation."""
    return TracedActivation(deserialize(value) if isinstance(value, dict) else value, name)


Activation.of, Activation.on_tensor = staticmethod(of), staticmethod(on_tensor)
