"""Known tensors: tensors that have values already, so that what is computed of them has values too, and a gradient.

A model's own `compute_loss` gets them: as arrays they can be printed and put into metrics, and the calls of layers and
functions on them are noted, as on all tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .base import Array, Layer
from .context import Applied, Context
from .input import InputLayer
from .names import counting_names
from .symbolic import Node, SymbolicTensor
from .variable import Variable
from .weighted import penalties_of


class KnownTensor(SymbolicTensor):
    """A tensor with its value.

    Attributes:
        value: the array. mask: that of an output of a model, or None.
    """

    def __init__(self, value: Array, node: Node, index: int, mask: Any = None) -> None:
        super().__init__(value.shape, value.dtype, node, index)
        self.value, self.mask = value, mask

    def numpy(self) -> Array:
        """The value."""
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:  # type: ignore[override]
        return np.array(self.value, dtype=dtype)

    def __float__(self) -> float:  # type: ignore[override]
        return float(self.value)

    def __bool__(self) -> bool:  # type: ignore[override]
        return bool(self.value)

    def __len__(self) -> int:  # type: ignore[override]
        return len(self.value)

    def __repr__(self) -> str:
        return f"<KnownTensor {self.name} {self.value!r}>"


def known(value: Array, mask: Any = None) -> KnownTensor:
    """A tensor to begin with, and its mask."""
    node = Node(InputLayer(batch_shape=value.shape, dtype=value.dtype, name="known"), None)
    return KnownTensor(value, node, 0, mask)


class CompiledLoss(Layer):
    """The loss of outputs, whose value and gradients are known.

    Args:
        value: the loss. slopes: its gradient by each of the outputs that it is called on.
    """

    takes_several = True

    def __init__(self, value: Any, slopes: list[Any]) -> None:
        super().__init__("compiled_loss")
        self.value, self.slopes = value, slopes

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        def pullback(dy: Any, need_dx: bool = True) -> Any:
            return [None if slope is None else slope * slope.dtype.type(dy) for slope in self.slopes]

        return np.asarray(self.value), mask, pullback


class Penalty(Layer):
    """The penalty of a weight. It is called on an output, which has no influence, to have a place in the graph."""

    def __init__(self, variable: Variable) -> None:
        super().__init__("penalty")
        self._weights = [variable]

    def apply(self, x: Any, mask: Any, context: Context) -> Applied:
        (variable,) = self._weights
        regularizer = variable.regularizer
        assert regularizer is not None

        def pullback(dy: Any, need_dx: bool = True) -> None:
            variable.grad[...] += regularizer.gradient(variable.value) * variable.dtype.type(dy)

        return np.asarray(regularizer(variable.value), variable.dtype), mask, pullback


@contextmanager
def penalties_as_tensors(output: KnownTensor) -> Iterator[None]:
    """Within it `losses` of layers are tensors, whose gradients reach the weights; and names are not counted."""

    def penalties(variables: Iterable[Variable]) -> list[Any]:
        return [Penalty(v)(output) for v in variables if v.regularizer is not None]

    token, names = penalties_of.set(penalties), counting_names.set(False)
    try:
        yield
    finally:
        penalties_of.reset(token)
        counting_names.reset(names)
