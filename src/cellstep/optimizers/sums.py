"""Adagrad and Adadelta: rules of a sum or mean of squared gradients, in NumPy over the flat buffers.

Formulas and the places of epsilon are Keras 3.15's. Nothing of the size of the weights is allocated in a step.
"""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from ..ops import check_number as number
from .base import Optimizer
from .flat import Part, elementwise
from .settings import Options, Rate


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients.

    Args:
        learning_rate: step size.
        initial_accumulator_value: where the sum begins.
        epsilon: keeps the division finite; inside the root.
        options: as in `Optimizer`.

    Source: Duchi et al. 2011.
    """

    slots = ("accumulator",)
    _idle = True

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = number("initial_accumulator_value", initial_accumulator_value, 0)
        self.epsilon = number("epsilon", epsilon)
        self.initial = {"accumulator": self.initial_accumulator_value}

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        total, s = flat.slots["accumulator"], flat.scratch
        np.add(total, np.multiply(flat.grad, flat.grad, out=s), out=total)
        np.sqrt(np.add(total, self.epsilon, out=s), out=s)
        np.divide(flat.grad, s, out=s)
        np.multiply(s, rate, out=s)
        np.subtract(flat.value, s, out=flat.value)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


class Adadelta(Optimizer):
    """Steps in the ratio of a running root mean square of the steps to one of the gradients.

    Args:
        learning_rate: step size; 1 is the paper's.
        rho: decay of the two means, from 0 to 1.
        epsilon: keeps the ratio going; inside the roots.
        options: as in `Optimizer`.

    Source: Zeiler 2012.
    """

    slots = ("accumulated_grad", "accumulated_delta_var")
    paired = slots

    def __init__(
        self, learning_rate: Rate = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **options: Unpack[Options]
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = number("rho", rho, 0, 1)
        self.epsilon = number("epsilon", epsilon)

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        squares, steps, s, delta = *(flat.slots[n] for n in self.slots), flat.scratch, flat.spare
        np.multiply(squares, self.rho, out=squares)
        np.multiply(flat.grad, flat.grad, out=s)
        np.add(squares, np.multiply(s, 1 - self.rho, out=s), out=squares)
        np.sqrt(np.add(steps, self.epsilon, out=delta), out=delta)
        np.multiply(delta, flat.grad, out=delta)
        np.sqrt(np.add(squares, self.epsilon, out=s), out=s)
        np.divide(delta, s, out=delta)
        np.multiply(steps, self.rho, out=steps)
        np.multiply(delta, delta, out=s)
        np.add(steps, np.multiply(s, 1 - self.rho, out=s), out=steps)
        np.multiply(delta, rate, out=delta)
        np.subtract(flat.value, delta, out=flat.value)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rho": self.rho, "epsilon": self.epsilon}
