"""A small model and its data, for tests of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import training_cases as cases

from cellstep import optimizers
from cellstep.layers import Dense, Input
from cellstep.models import Sequential

X = cases.spread(10, 3)
Y = cases.spread(10, 2, step=5)


def linear(**options: Any) -> Sequential:
    """A Dense layer with fixed weights, trained by gradient descent on squares."""
    net = Sequential([Input((3,)), Dense(2, dtype="float64")])
    net.set_weights([cases.spread(3, 2) / 4, np.zeros(2)])
    net.compile(optimizers.SGD(0.1), "mse", **options)
    return net
