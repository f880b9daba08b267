"""Nadam, Adamax, Lamb, Lion, Adagrad and Adadelta: rules in NumPy over the flat buffers.

Formulas and the places of epsilon are Keras 3.15's. Nothing of the size of the weights is allocated in a step.
"""

from __future__ import annotations

from functools import cached_property
from typing import Unpack

import numpy as np

from ..core import check_number as number
from .base import Array, Optimizer
from .flat import Part, elementwise
from .settings import Options, Rate, below_one


def _toward(slot: Array, target: Array, share: float, scratch: Array) -> None:
    """slot += (target - slot) share; target may be the scratch array."""
    np.subtract(target, slot, out=scratch)
    np.multiply(scratch, share, out=scratch)
    np.add(slot, scratch, out=slot)


class _TwoMeans(Optimizer):
    """A rule of running means of the gradient and of its size; arguments as of `Nadam`."""

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2 = below_one(beta_1=beta_1, beta_2=beta_2)
        self.epsilon = number("epsilon", epsilon)


class Nadam(_TwoMeans):
    """Adam with Nesterov momentum, whose decay warms up: beta_1 (1 - 0.96**t / 2).

    Args:
        learning_rate: step size.
        beta_1, beta_2: decay of the two means, from 0 to just below 1.
        epsilon: keeps the division finite.
        options: as in `Optimizer`.

    Source: Dozat 2016.
    """

    slots = ("momentum", "velocity")
    paired = slots

    @cached_property
    def _products(self) -> dict[int, float]:
        """Products of the decays up to the steps that are kept."""
        return {0: 1.0}

    def _decay_at(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def _product_to(self, step: int) -> float:
        """The product of the decays of steps 1 .. step, from the nearest before it that is kept."""
        done = max(t for t in self._products if t <= step)
        product = self._products.pop(done) if 0 < done < step else self._products[done]
        for t in range(done + 1, step + 1):
            if product < 1e-300:
                break  # as good as 0, however many steps a file claims
            product *= self._decay_at(t)
            if not product:
                break
        self._products[step] = product
        return product

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        m, v, s, g = flat.slots["momentum"], flat.slots["velocity"], flat.scratch, flat.grad
        product = self._product_to(step)
        now, following = self._decay_at(step), self._decay_at(step + 1)
        _toward(m, g, 1 - self.beta_1, s)
        _toward(v, np.multiply(g, g, out=s), 1 - self.beta_2, s)
        root, ahead = s, flat.spare
        np.divide(v, 1 - self.beta_2**step, out=root)
        np.sqrt(root, out=root)
        np.add(root, self.epsilon, out=root)
        np.multiply(m, rate * following / (1 - product * following), out=ahead)
        np.divide(ahead, root, out=ahead)
        np.subtract(flat.value, ahead, out=flat.value)
        np.multiply(g, rate * (1 - now) / (1 - product), out=ahead)
        np.divide(ahead, root, out=ahead)
        np.subtract(flat.value, ahead, out=flat.value)

    def _scalars(self) -> list[Array]:
        return [np.asarray(self._product_to(self.updates), np.float32)]


class Adamax(_TwoMeans):
    """Adam with the largest recent gradient in place of the root of the mean square.

    Args: as of `Nadam`.

    Source: Kingma and Ba 2015, section 7.1.
    """

    slots = ("momentum", "norm")
    paired = slots

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        m, u, s = flat.slots["momentum"], flat.slots["norm"], flat.scratch
        _toward(m, flat.grad, 1 - self.beta_1, s)
        np.multiply(u, self.beta_2, out=u)
        np.maximum(u, np.abs(flat.grad, out=s), out=u)
        np.add(u, self.epsilon, out=s)
        np.divide(m, s, out=s)
        np.multiply(s, rate / (1 - self.beta_1**step), out=s)
        np.subtract(flat.value, s, out=flat.value)


class Lion(Optimizer):
    """Steps of one size, in the direction of the sign of an interpolated momentum.

    Args:
        learning_rate: step size.
        beta_1: how much of the sign is the momentum's. beta_2: decay of the momentum. Above 0, up to 1.
        options: as in `Optimizer`.

    Source: Chen et al. 2023.
    """

    slots = ("momentum",)

    def __init__(
        self, learning_rate: Rate = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **options: Unpack[Options]
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2 = number("beta_1", beta_1, 0, 1), number("beta_2", beta_2, 0, 1)
        if self.beta_1 == 0:
            raise ValueError(f"beta_1 must be above 0, got {beta_1!r}: without it Lion is the sign of the gradient")

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        m, s, other = flat.slots["momentum"], flat.scratch, flat.spare
        np.multiply(flat.grad, 1 - self.beta_1, out=s)
        np.add(np.multiply(m, self.beta_1, out=other), s, out=s)
        np.multiply(np.sign(s, out=s), rate, out=s)
        np.subtract(flat.value, s, out=flat.value)
        np.multiply(m, self.beta_2, out=m)
        np.add(m, np.multiply(flat.grad, 1 - self.beta_2, out=s), out=m)


class Lamb(_TwoMeans):
    """Adam's step of each variable, scaled to the norm of the variable: for large batches.

    Args: as of `Nadam`.

    Source: You et al. 2020.
    """

    slots = ("momentum", "velocity")
    paired = slots

    def update(self, flat: Part, rate: float, step: int) -> None:
        m, v, s, way = flat.slots["momentum"], flat.slots["velocity"], flat.scratch, flat.spare
        _toward(m, flat.grad, 1 - self.beta_1, s)
        _toward(v, np.multiply(flat.grad, flat.grad, out=s), 1 - self.beta_2, s)
        np.divide(v, 1 - self.beta_2**step, out=s)
        np.add(np.sqrt(s, out=s), self.epsilon, out=s)
        np.divide(m, 1 - self.beta_1**step, out=way)
        np.divide(way, s, out=way)
        for at in flat.segments:
            size = float(np.sqrt(np.multiply(flat.value[at], flat.value[at], out=s[at]).sum()))
            length = float(np.sqrt(np.multiply(way[at], way[at], out=s[at]).sum()))
            np.multiply(way[at], rate * (size / length if size > 0 and length > 0 else 1.0), out=way[at])
        np.subtract(flat.value, way, out=flat.value)


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
