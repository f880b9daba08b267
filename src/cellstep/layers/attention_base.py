"""What attention layers share: lists of a query, a value and a key, and a mean of the value's steps by weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import core
from .base import Array, Layer
from .dropout import Dropout

#: From the gradient of scores or weights (..., Tq, Tv) to those of query and key.
Back = Callable[[Array], tuple[Array, Array]]


class AttentionLayer(Layer):
    """A layer of [query, value] or [query, value, key], without a key the value is the key."""

    takes_several = True
    skips_masked = True
    _forms = {"x": "[query, value] or [query, value, key]", "mask": "[query mask, value mask]"}
    _most = 3

    def keep_dropout(self, dropout: Any, seed: Any) -> None:
        """Check and keep the share of weights that is dropped in training, and the seed of those draws."""
        self.dropout = core.check_rate("dropout", dropout)
        self._drop = Dropout(self.dropout, seed=seed, name="dropout", dtype=self.dtype)
        self.seed, self.generator = self._drop.seed, self._drop.generator

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask, or None."""
        return None if mask is None else self.listed("mask", mask)[0]

    def listed(self, name: str, value: Any) -> list[Any]:
        """The entries of x or of its mask; TypeError, ValueError where it is no list of so many."""
        if not isinstance(value, (list, tuple)):
            raise TypeError(
                f"expected {name} of {self.name} to be a list {self._forms[name]}, got {type(value).__name__}"
            )
        if not 2 <= len(value) <= self._most:
            raise ValueError(
                f"expected {name} of {self.name} to be a list {self._forms[name]}, got {len(value)} entries"
            )
        return list(value)

    def gradients_of_outputs(self, dy: Any, y: Array, weights: Array, both: bool) -> tuple[Array, Array | None]:
        """dy and the gradient of the weights, where a call gave `both`, of which None is zeros."""
        if not both:
            return self.gradient_array(dy, y.shape), None
        if not isinstance(dy, (list, tuple)) or len(dy) != 2:
            raise ValueError(f"expected dy to be a list of 2, outputs and scores, got {type(dy).__name__}")
        dy_outputs = np.zeros_like(y) if dy[0] is None else self.gradient_array(dy[0], y.shape)
        return dy_outputs, None if dy[1] is None else self.gradient_array(dy[1], weights.shape)

    def weigh(
        self, shares: Array, shares_back: Back, value: Array, training: bool
    ) -> tuple[Array, Array, Callable[..., tuple[Array, Array, Array]]]:
        """The means of a value (..., Tv, V) by shares (..., Tq, Tv), of which training drops some.

        Returns:
            The means (..., Tq, V); the shares that are left; and the map from the gradient of the means, and from that
            of the shares before (`dshares`) or after (`dweights`), to those of query, value and key.
        """
        weights, drop_back = self._drop.compute(shares, None, training)

        def back(dy: Array, dshares: Array | None = None, dweights: Array | None = None) -> tuple[Array, Array, Array]:
            passed = core.matmul(dy, value.swapaxes(-1, -2))
            if dweights is not None:
                passed += dweights
            passed = drop_back(passed)
            dquery, dkey = shares_back(passed if dshares is None else passed + dshares)
            return dquery, core.matmul(weights.swapaxes(-1, -2), dy), dkey

        return core.matmul(weights, value), weights, back


def dot_scores(query: Array, key: Array) -> tuple[Array, Back]:
    """query key^T for (..., Tq, D) and (..., Tv, D): (..., Tq, Tv)."""
    products = core.matmul(query, key.swapaxes(-1, -2))
    return products, lambda ds: (core.matmul(ds, key), core.matmul(ds.swapaxes(-1, -2), query))
