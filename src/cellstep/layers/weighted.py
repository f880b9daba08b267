"""What a holder of weights tells of them, and how they are read and assigned all together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from numpy.typing import NDArray

from .. import regularizers
from ..configured import Constructed
from .variable import Variable
from .variable import count as count_numbers

#: What gives the penalties of weights.
penalties_of: ContextVar[Callable[[Iterable[Any]], list[Any]]] = ContextVar(
    "penalties_of", default=regularizers.penalties
)


class Weighted(Constructed):
    """Holds weights; a subclass says which in `weights`."""

    name: str
    built: bool

    @property
    def weights(self) -> list[Variable]:
        """All weights, in the order in which Keras has them."""
        raise NotImplementedError

    @property
    def trainable_weights(self) -> list[Variable]:
        return [w for w in self.weights if w.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        return [w for w in self.weights if not w.trainable]

    @property
    def variables(self) -> list[Variable]:
        """As `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """As `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """As `non_trainable_weights`."""
        return self.non_trainable_weights

    @property
    def losses(self) -> list[float]:
        """The penalties that training adds to the loss: one for each trainable weight with a regularizer."""
        return penalties_of.get()(self.trainable_weights)

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of all weights, in order."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Assign all weights, in order.

        Raises:
            ValueError, TypeError: too few, too many, or a wrong shape; nothing was written.
        """
        if weights is None or isinstance(weights, str):
            raise TypeError(f"weights must be a list of arrays, got {weights!r}")
        values, variables = list(weights), self.weights
        if len(values) != len(variables):
            hint = "" if self.built else "; the layer is not built yet, so it has none"
            raise ValueError(f"expected weights to be {len(variables)} arrays, got {len(values)}{hint}")
        cast = [w.cast(v) for w, v in zip(variables, values, strict=True)]
        for variable, value in zip(variables, cast, strict=True):
            variable.assign(value)

    def count_params(self) -> int:
        """How many numbers the weights hold; ValueError before `build`."""
        if not self.built:
            raise ValueError(f"{self.name} has no weights to count yet: build it, or call it once")
        return count_numbers(self.weights)

    def grads_of(self, variables: Iterable[Variable | None]) -> list[NDArray[Any] | None]:
        """Where a pullback adds each weight's gradient: None for a frozen or missing one."""
        return [
            None if v is None or not v.trainable else v.grad if v._grad is None or v._rows else v._grad
            for v in variables
        ]
