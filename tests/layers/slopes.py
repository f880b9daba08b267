"""Central differences of a layer's own forward pass, in float64, against what its pullback says."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellstep.layers import Layer

Array = NDArray[Any]

EPSILON = 1e-6
#: A central difference with this step is good to about 1e-9 where the loss is of order 1.
TOLERANCE = 2e-7


def generators(layer: Layer) -> list[np.random.Generator]:
    """Whatever draws dropout masks in this layer."""
    owners = (layer, getattr(layer, "cell", None), getattr(layer, "layer", None))
    return [owner.generator for owner in owners if hasattr(owner, "generator")]


def check_gradients(
    layer: Layer, x: Any, states: list[Array] | None = None, integers: bool = False, seed: int = 0, **call: Any
) -> None:
    """Hold the gradients of x (or of each of several), of initial states and of every trainable weight against
    differences.

    The loss is a random weighted sum of all outputs. Where the layer drops inputs, each pass drops the same ones.
    """
    rng = np.random.default_rng(seed)
    xs = [np.array(one) for one in x] if isinstance(x, list) else [np.array(x)]
    given: Any = xs if isinstance(x, list) else xs[0]
    layer.build([one.shape for one in xs] if isinstance(x, list) else xs[0].shape)  # type: ignore[arg-type]
    for w in layer.weights:
        w.assign(w.numpy() + 0.1 * rng.standard_normal(w.shape))
    drawn = [copy.deepcopy(g.bit_generator.state) for g in generators(layer)]

    def run() -> tuple[Any, Any]:
        for g, state in zip(generators(layer), drawn, strict=True):
            g.bit_generator.state = copy.deepcopy(state)
        if states is not None:
            call["initial_state"] = states
        return layer.forward(given, **call)

    y, pullback = run()
    outputs = y if isinstance(y, list) else [y]
    upstream = [rng.standard_normal(o.shape) for o in outputs]

    def loss() -> float:
        y, _ = run()
        return sum(float((o * d).sum()) for o, d in zip(y if isinstance(y, list) else [y], upstream, strict=True))

    for w in layer.weights:
        w.zero_grad()
    result = pullback(upstream if isinstance(y, list) else upstream[0])
    dx, dstates = result if states is not None else (result, [])

    found = [] if integers else list(zip(itertools.repeat("x"), xs, dx if isinstance(x, list) else [dx], strict=False))
    found += [(f"initial_state {i}", s, d) for i, (s, d) in enumerate(zip(states or [], dstates, strict=True))]
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
