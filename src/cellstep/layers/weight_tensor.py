"""A weight as a tensor: what stands for it in a function that is traced, such as a layer's `call`."""

from __future__ import annotations

from typing import Any

from .base import Layer
from .context import Applied, Context
from .locks import new_lock
from .names import counting_names
from .symbolic import Node, SymbolicTensor
from .variable import Variable

_adding = new_lock()


class Weight(Layer):
    """Gives the values of a weight, and takes the gradient by them. It has no inputs.

    Raises:
        RuntimeError: of the pullback, where the weight was changed since.
    """

    takes_several = True

    def __init__(self, variable: Variable) -> None:
        super().__init__(variable.name, variable.dtype if variable.dtype.kind == "f" else None)
        self._weights = [variable]

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        (variable,) = self._weights
        version = variable.version

        def pullback(dy: Any, need_dx: bool = True) -> None:
            if variable.version != version:
                raise RuntimeError(f"{variable.path} changed between forward and its pullback; run forward again")
            if variable.trainable:
                with _adding:  # threads may add to the same gradient
                    variable.grad[...] += dy

        return variable._view, None, pullback

    def __call__(self, *args: Any, **options: Any) -> Any:
        """The tensor."""
        (variable,) = self._weights
        return Node(self, []).give(variable.shape, variable.dtype, [])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._weights[0].shape

    def reach(self, rank: int) -> str:
        return "step"


def as_tensor(variable: Variable) -> SymbolicTensor:
    """The weight as a tensor of the function that is being traced."""
    token = counting_names.set(False)
    try:
        tensor: SymbolicTensor = Weight(variable)([])
        return tensor
    finally:
        counting_names.reset(token)


Variable.as_tensor = as_tensor
