"""Central differences of a layer's own forward pass, in float64, against what its pullback says."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstep.layers import Layer, Module

Array = NDArray[Any]

EPSILON = 1e-6
#: A central difference with this step is good to about 1e-9 where the loss is of order 1.
TOLERANCE = 2e-7


def generators(module: Module) -> list[np.random.Generator]:
    """Whatever draws dropout masks in this layer and in what it contains."""
    mine = [module.generator] if hasattr(module, "generator") else []
    return mine + [g for part in module._parts for g in generators(part)]


def flat(tree: Any) -> list[Any]:
    """The arrays of lists in lists."""
    return [a for part in tree for a in flat(part)] if isinstance(tree, (list, tuple)) else [tree]


def like(tree: Any, leaves: Iterator[Any]) -> Any:
    """The same lists in lists with other arrays in them."""
    return [like(part, leaves) for part in tree] if isinstance(tree, (list, tuple)) else next(leaves)


def check_gradients(
    layer: Layer,
    x: Any,
    states: list[Any] | None = None,
    integers: bool = False,
    seed: int = 0,
    ragged: bool = False,
    **call: Any,
) -> None:
    """Hold the gradients of x (or of each of several), of initial states and of every trainable weight against
    differences.

    x is an array, or a list of inputs, or where `ragged` of the sequences of one. The loss is a random weighted sum of
    all outputs. Where the layer drops, each pass drops the same.
    """
    rng = np.random.default_rng(seed)
    x = [np.array(one) for one in x] if isinstance(x, list) else np.array(x)
    shapes: Any = [one.shape for one in x] if isinstance(x, list) else x.shape
    layer.build((len(x), None, x[0].shape[1]) if ragged else shapes)
    for w in layer.weights:
        w.assign(w.numpy() + 0.1 * rng.standard_normal(w.shape))
    drawn = [copy.deepcopy(g.bit_generator.state) for g in generators(layer)]

    def run() -> tuple[Any, Any]:
        for g, state in zip(generators(layer), drawn, strict=True):
            g.bit_generator.state = copy.deepcopy(state)
        if states is not None:
            call["initial_state"] = states
        return layer.forward(x, **call)

    y, pullback = run()
    upstream = [rng.standard_normal(o.shape) for o in flat(y)]

    def loss() -> float:
        y, _ = run()
        return sum(float((o * d).sum()) for o, d in zip(flat(y), upstream, strict=True))

    for w in layer.weights:
        w.zero_grad()
    result = pullback(like(y, iter(upstream)))
    dx, dstates = result if states is not None else (result, [])

    found = [(f"x {i}", a, d) for i, (a, d) in enumerate(zip(flat(x), flat(dx), strict=True))] if not integers else []
    pairs = zip(flat(states or []), flat(dstates), strict=True)
    found += [(f"initial_state {i}", s, d) for i, (s, d) in enumerate(pairs)]
    for name, value, gradient in found:
        compare(name, value, gradient, loss)
    for w in layer.trainable_weights:
        compare(w.name, w.buffer, w.grad, loss, w.touch)
    if integers:
        assert dx is None


def compare(name: str, value: Array, gradient: Array, loss: Any, changed: Any = lambda: None) -> None:
    """Nudge each number of value in place."""
    assert gradient.shape == value.shape, name
    for at in np.ndindex(value.shape):
        old = value[at]
        ends = []
        for new in (old + EPSILON, old - EPSILON):
            value[at] = new
            changed()
            ends.append(loss())
        value[at] = old
        changed()
        slope = (ends[0] - ends[1]) / (2 * EPSILON)
        assert abs(gradient[at] - slope) <= TOLERANCE * max(1, abs(slope)), (name, at, gradient[at], slope)
