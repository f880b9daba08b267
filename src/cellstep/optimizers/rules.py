"""SGD, Adam, AdamW and RMSprop: their hyperparameters. The arithmetic is the active backend's, over flat arrays."""

from __future__ import annotations

from typing import Any, Unpack

from .. import kernels
from ..core import check_number as number
from .base import Optimizer
from .flat import Part, elementwise
from .settings import Options, Rate, below_one


class SGD(Optimizer):
    """Gradient descent, with momentum if that is not 0.

    Args:
        learning_rate: step size.
        momentum: from 0 to 1.
        nesterov: look ahead along the momentum.
        options: as in `Optimizer`.
    """

    def __init__(
        self, learning_rate: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, **options: Unpack[Options]
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = number("momentum", momentum, 0, 1)
        self.nesterov = bool(nesterov)
        self.slots = ("momentum",) if self.momentum else ()
        self._idle = not self.momentum

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        updates = kernels.active().updates
        if self.momentum:
            v = flat.slots["momentum"]
            updates.sgd_momentum(flat.value, flat.grad, v, flat.scratch, rate, self.momentum, self.nesterov)
        else:
            updates.sgd(flat.value, flat.grad, flat.scratch, rate)


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    Args:
        learning_rate: step size.
        beta_1, beta_2: decay of the two means, from 0 to just below 1.
        epsilon: keeps the division finite.
        amsgrad: divide by the largest mean square so far.
        options: as in `Optimizer`.
    """

    paired = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2 = below_one(beta_1=beta_1, beta_2=beta_2)
        self.epsilon = number("epsilon", epsilon)
        self.amsgrad = bool(amsgrad)
        self.slots = ("momentum", "velocity", "velocity_hat") if self.amsgrad else ("momentum", "velocity")

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        s = flat.slots
        kept = s["momentum"], s["velocity"], s.get("velocity_hat")
        adam = kernels.active().updates.adam
        adam(flat.value, flat.grad, *kept, flat.scratch, rate, self.beta_1, self.beta_2, self.epsilon, step)


class AdamW(Adam):
    """Adam with weight decay that is not scaled by the gradients' means: 0.004 of the learning rate by default.

    Args: as of Adam, with weight_decay second, as in Keras.

    Source: Loshchilov and Hutter 2019.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError("weight_decay must be a number for AdamW, got None; Adam goes without")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options)


class RMSprop(Optimizer):
    """RMSprop: steps divided by the root of a running mean of the squared gradient.

    Args:
        learning_rate: step size.
        rho: decay of that mean, from 0 to 1.
        momentum: from 0 to 1.
        epsilon: keeps the division finite; inside the root.
        centered: subtract the squared running mean of the gradient, which leaves the variance.
        options: as in `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = number("rho", rho, 0, 1)
        self.momentum = number("momentum", momentum, 0, 1)
        self.epsilon = number("epsilon", epsilon)
        self.centered = bool(centered)
        self.slots = (
            "velocity",
            *(("momentum",) if self.momentum else ()),
            *(("average_gradient",) if self.centered else ()),
        )

    @elementwise
    def update(self, flat: Part, rate: float, step: int) -> None:
        s = flat.slots
        kernels.active().updates.rmsprop(
            *(flat.value, flat.grad, s["velocity"], s.get("average_gradient"), s.get("momentum"), flat.scratch),
            *(rate, self.rho, self.momentum, self.epsilon),
        )
