"""Nadam, Adamax, Lamb and Lion: rules of a running mean of the gradients, in NumPy over the flat buffers.

Formulas and the places of epsilon are Keras 3.15's. Nothing of the size of the weights is allocated in a step.
"""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from ..ops import check_number as number
from .base import Array, Optimizer
from .flat import Part, elementwise
from .settings import Options, Rate, below_one


def _toward(slot: Array, target: Array, share: float, scratch: Array) -> None:
    """slot += (target - slot) share; target may be the scratch array."""
    np.subtract(target, slot, out=scratch)
    np.multiply(scratch, share, out=scratch)
    np.add(slot, scratch, out=slot)


class Nadam(Optimizer):
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
        self._products = {0: 1.0}

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
        return [np.asarray(self._product_to(self.iterations), np.float32)]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {key: getattr(self, key) for key in ("beta_1", "beta_2", "epsilon")}


class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of the root of the mean square.

    Args: as of `Nadam`.

    Source: Kingma and Ba 2015, section 7.1.
    """

    slots = ("momentum", "norm")
    paired = slots

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

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {key: getattr(self, key) for key in ("beta_1", "beta_2", "epsilon")}


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

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"beta_1": self.beta_1, "beta_2": self.beta_2}


class Lamb(Optimizer):
    """Adam's step of each variable, scaled to the norm of the variable: for large batches.

    Args: as of `Nadam`.

    Source: You et al. 2020.
    """

    slots = ("momentum", "velocity")
    paired = slots

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

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {key: getattr(self, key) for key in ("beta_1", "beta_2", "epsilon")}
