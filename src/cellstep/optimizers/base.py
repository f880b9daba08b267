"""Optimizer: the learning rate, clipping, and the variables that an update rule runs over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..ops import check_number as number
from .flat import Flat, Trainable, group

Array = NDArray[Any]

#: Arguments of Keras's optimizers that are not built yet, with the values that mean "off".
_UNBUILT: dict[str, Any] = {
    "weight_decay": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


class Optimizer:
    """Base class of optimizers. A subclass names its `slots` and implements `update`.

    Args:
        learning_rate: a number >= 0; settable later.
        clipnorm: scale each variable's gradient down to this norm.
        clipvalue: bound each entry of the gradients to [-clipvalue, clipvalue].
        global_clipnorm: scale all gradients down together to this norm. Only one of the three can be given.
        name: the class name in lower case by default.

    Raises:
        ValueError: a number out of range, or more than one way of clipping.
        NotImplementedError: an argument of Keras that is not built yet.
    """

    #: Names of the arrays, as long as the values, that the rule keeps between steps.
    slots: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate: float = 0.001,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
        **unbuilt: Any,
    ) -> None:
        for key, value in unbuilt.items():
            if key not in _UNBUILT:
                raise TypeError(f"{type(self).__name__} got an unknown argument {key!r}")
            if value != _UNBUILT[key]:
                raise NotImplementedError(f"{key} is not implemented for optimizers, got {value!r}")
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {key: number(key, value) for key, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm can be given, got {given}")
        for key, value in given.items():
            if value <= 0:
                raise ValueError(f"{key} must be positive, got {value}")
        self.name = name or type(self).__name__.lower()
        self.learning_rate = learning_rate
        self.clipnorm, self.clipvalue, self.global_clipnorm = (given.get(key) for key in clips)
        self.iterations = 0
        self._variables: tuple[Trainable, ...] = ()
        self._flats: list[Flat] = []

    @property
    def learning_rate(self) -> float:
        """The learning rate, a number >= 0."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if callable(value):
            raise NotImplementedError(f"learning_rate schedules are not implemented, got {value!r}")
        self._learning_rate = number("learning_rate", value)
        if self._learning_rate < 0:
            raise ValueError(f"learning_rate must be >= 0, got {value!r}")

    def update(self, flat: Flat) -> None:
        """Change `flat.value` in place from `flat.grad`. `self.iterations` already counts this step."""
        raise NotImplementedError(f"{type(self).__name__} must implement update")

    def build(self, variables: Sequence[Trainable]) -> None:
        """Take charge of `variables`: move them into flat buffers, with slots of zeros.

        Called again with other variables, it keeps the slots of those that it has had all along.
        """
        if len(variables) != len(self._variables) or any(
            a is not b for a, b in zip(variables, self._variables, strict=True)
        ):
            flats = group(variables, self.slots)
            for flat in flats:
                for variable, at in zip(flat.variables, flat.segments, strict=True):
                    for name in self.slots:
                        before = self.slot(name, variable)
                        if before is not None:
                            flat.slots[name][at] = before
            self._variables, self._flats = tuple(variables), flats
        else:
            for flat in self._flats:
                flat.bind()

    def slot(self, name: str, variable: Trainable) -> Array | None:
        """The array (n,) that the rule keeps under `name` for a variable, or None; a view, not a copy."""
        for flat in self._flats:
            found = flat.slot(name, variable)
            if found is not None:
                return found
        return None

    def zero_grad(self) -> None:
        """Set the gradients of all variables to zero."""
        for flat in self._flats:
            flat.bind()
            flat.grad.fill(0)

    def apply(self, grads: Sequence[ArrayLike] | None = None, trainable_variables: Sequence[Trainable] = ()) -> None:
        """One step.

        Args:
            grads: one array for each variable, in the order of `build`; None takes the variables' own gradients.
                Either way the gradients are clipped in place.
            trainable_variables: as for `build`, which is called first if any are given.

        Raises:
            ValueError: the number or a shape of `grads` does not fit. Nothing has been changed then.
        """
        if trainable_variables:
            self.build(trainable_variables)
        for flat in self._flats:
            flat.bind()
        if grads is not None:
            arrays = [np.asarray(g) for g in grads]
            if len(arrays) != len(self._variables):
                raise ValueError(f"grads must hold {len(self._variables)} arrays, one a variable, got {len(arrays)}")
            for variable, array in zip(self._variables, arrays, strict=True):
                if array.shape != variable.shape:
                    raise ValueError(f"grads of {variable.name} must have shape {variable.shape}, got {array.shape}")
            for variable, array in zip(self._variables, arrays, strict=True):
                variable.grad[...] = array
        self._clip()
        self.iterations += 1
        for flat in self._flats:
            self.update(flat)
            flat.constrain()
            flat.touch()

    def _clip(self) -> None:
        if self.clipvalue is not None:
            for flat in self._flats:
                np.clip(flat.grad, -self.clipvalue, self.clipvalue, out=flat.grad)
        elif self.clipnorm is not None:
            for flat in self._flats:
                for at in flat.segments:
                    norm = math.sqrt(_sum_of_squares(flat.grad[at], flat.scratch[at]))
                    _scale(flat.grad[at], self.clipnorm, norm)
        elif self.global_clipnorm is not None:
            norm = math.sqrt(sum(_sum_of_squares(flat.grad, flat.scratch) for flat in self._flats))
            for flat in self._flats:
                _scale(flat.grad, self.global_clipnorm, norm)

    def get_config(self) -> dict[str, Any]:
        """The arguments that would make an equal optimizer."""
        keys = ("name", "learning_rate", "clipnorm", "clipvalue", "global_clipnorm")
        return {key: getattr(self, key) for key in keys}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """An optimizer from what `get_config` gave."""
        return cls(**config)


def _sum_of_squares(g: Array, scratch: Array) -> float:
    """Summed by NumPy's pairwise sum: accurate, and the same for any number of BLAS threads."""
    with np.errstate(over="ignore"):
        total = float(np.multiply(g, g, out=scratch).sum())
    if math.isinf(total):
        # float32 squares overflow above 2e19, where the norm itself is still an ordinary number
        total = float(np.square(g, dtype=np.float64).sum())
    return total


def _scale(g: Array, bound: float, norm: float) -> None:
    """Scale `g` to the norm `bound` if `norm` is more. A norm that is not finite makes NaN, as in Keras."""
    if not norm <= bound:
        g *= bound / norm if math.isfinite(norm) else math.nan
