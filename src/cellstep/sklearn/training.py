"""The model of an estimator, and its training: every random number from seeds of its own, none from global state."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core, initializers, kernels, layers, models, optimizers
from ..layers.cell_layer import layer_of
from ..layers.ragged import Ragged

Array = NDArray[Any]


class Batches:
    """Batches (x, y, weights) of all rows, in a new random order each pass; None of a generator keeps their order."""

    def __init__(self, x: Array | Ragged, y: Array, weights: Array, size: int, rng: np.random.Generator | None) -> None:
        self.x, self.y, self.weights, self.size, self.rng = x, y, weights, size, rng

    def __len__(self) -> int:
        return -(-len(self.y) // self.size)

    def __iter__(self) -> Iterator[tuple[Array | Ragged, Array, Array]]:
        n = len(self.y)
        order = np.arange(n) if self.rng is None else self.rng.permutation(n)
        for start in range(0, n, self.size):
            part = order[start : start + self.size]
            yield self.x[part], self.y[part], self.weights[part]


def build(options: dict[str, Any], inputs: int, outputs: int, loss: Any, seeds: Iterator[int]) -> models.Sequential:
    """A compiled model: recurrent layers, dropout after each, and a Dense head on the last step.

    Args:
        options: the parameters of the estimator.
        inputs, outputs: features of a step, and numbers that the head gives.
        seeds: where each layer takes seeds from.
    """
    dtype = options["dtype"]
    names = sorted(kernels.CELLS, key=lambda name: -kernels.CELLS[name].G)
    kind = layer_of(core.check_choice("cell", options["cell"], names))
    count = core.check_count("num_layers", options["num_layers"])
    both = core.check_bool("bidirectional", options["bidirectional"])
    rate = core.check_rate("dropout", options["dropout"])

    def recurrent(last: bool, backward: bool) -> Any:
        return kind(
            options["units"],
            kernel_initializer=initializers.GlorotUniform(next(seeds)),
            recurrent_initializer=initializers.Orthogonal(seed=next(seeds)),
            recurrent_dropout=options["recurrent_dropout"],
            return_sequences=not last,
            go_backwards=backward,
            seed=next(seeds),
            dtype=dtype,
        )

    parts: list[Any] = [layers.Input((None, inputs), dtype=dtype)]
    for i in range(count):
        layer = recurrent(i == count - 1, False)
        parts.append(layers.Bidirectional(layer, backward_layer=recurrent(i == count - 1, True)) if both else layer)
        if rate:
            parts.append(layers.Dropout(rate, seed=next(seeds), dtype=dtype))
    parts.append(layers.Dense(outputs, kernel_initializer=initializers.GlorotUniform(next(seeds)), dtype=dtype))
    model = models.Sequential(parts)
    rates = {"learning_rate": options["learning_rate"], "clipnorm": options["clipnorm"]}
    optimizer = optimizers.deserialize({"class_name": options["optimizer"], "config": rates})
    model.compile(optimizer, loss)
    return model


@functools.cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController  # scikit-learn brings it

    return ThreadpoolController()


def one_order() -> AbstractContextManager[Any]:
    """One thread in NumPy's BLAS, which the head runs on without compiled kernels: with more, sums depend on how many
    there are.

    The kernels, where the work is, keep their threads: they give the same bits for any number.
    """
    limited: AbstractContextManager[Any] = _pools().limit(limits=1, user_api="blas")
    return limited
