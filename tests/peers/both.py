"""A layer of ours and one of Keras's with the same weights: outputs, states and every gradient, elementwise."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from golden.store import Array

from cellstep.layers import Layer

TOLERANCE = 1e-5


def flat(tree: Any) -> list[Any]:
    """The arrays of lists in lists."""
    return [a for part in tree for a in flat(part)] if isinstance(tree, (list, tuple)) else [tree]


def check_both(
    ours: Layer,
    theirs: Any,
    x: Array,
    states: Any = None,
    mask: Array | None = None,
    training: bool = False,
    seed: int = 5,
) -> None:
    """Weights of the same shapes in the same order, and the same numbers, within 1e-5 * max(1, |value|).

    The loss is a random weighted sum of all outputs; gradients are of x, of states and of all weights.
    """
    rng = np.random.default_rng(seed)
    theirs.build(x.shape)
    ours.build(x.shape)
    assert [w.shape for w in ours.weights] == [tuple(v.shape) for v in theirs.trainable_variables]
    assert [w.name for w in ours.weights] == [v.name for v in theirs.trainable_variables]
    weights = [rng.uniform(-0.6, 0.6, w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(weights)

    def run(weights: Any, x: Any, states: Any) -> list[Any]:
        kwargs = {} if states is None else {"initial_state": states}
        others = [v.value for v in theirs.non_trainable_variables]
        out, _ = theirs.stateless_call(weights, others, x, mask=mask, training=training, **kwargs)
        return flat(out)

    right, pull = jax.vjp(run, [jnp.asarray(w) for w in weights], jnp.asarray(x), jax.tree.map(jnp.asarray, states))
    upstream = [rng.standard_normal(a.shape).astype("float32") for a in right]
    dweights, dx, dstates = pull([jnp.asarray(d) for d in upstream])
    y, pullback = ours.forward(x, mask=mask, initial_state=states, training=training)
    found = flat(y)
    given = iter(upstream)
    result = pullback(_like(y, given))
    ours_dx, ours_dstates = result if states is not None else (result, [])
    close(found, right, "output")
    close([ours_dx], [dx], "dx")
    close(flat(ours_dstates), flat(dstates) if states is not None else [], "dstates")
    close([w.grad for w in ours.weights], dweights, "weight gradient")


def _like(tree: Any, leaves: Any) -> Any:
    return [_like(part, leaves) for part in tree] if isinstance(tree, (list, tuple)) else next(leaves)


def close(found: list[Any], right: list[Any], what: str) -> None:
    assert len(found) == len(right), what
    for i, (a, e) in enumerate(zip(found, map(np.asarray, right), strict=True)):
        assert a.shape == e.shape, f"{what} {i}"
        error = np.abs(a - e) / np.maximum(1, np.abs(e))
        assert not error.size or error.max() <= TOLERANCE, f"{what} {i}: off by {error.max():.3g}"
