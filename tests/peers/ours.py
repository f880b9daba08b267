"""One forward and one backward pass of our layers, by the names of the kernel contract, as `golden.by_keras` has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from golden.store import Array
from table import Problem

from cellstep import layers

LAYERS = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def given(p: Problem, sequences: bool = True) -> dict[str, Array]:
    """A problem of the table under the names of `golden.store.Case`; dy (B, H) where sequences are not returned."""
    W, U, b = p.weights
    arrays: dict[str, Any] = {"W": W, "U": U, "b": b, "x": p.x, "dy": p.dy if sequences else p.dy[:, 0]}
    for name, state, dstate in zip(p.variant.cell.state_names, p.states, p.dstates, strict=True):
        arrays |= {f"{name}0": state, f"d{name}T": dstate}
    arrays["mask"] = p.mask
    return {name: a for name, a in arrays.items() if a is not None}


def by_ours(
    cell: str, options: dict[str, Any], given: dict[str, Array], lengths: Array | None = None, **flags: Any
) -> dict[str, Array]:
    """Outputs, states and all gradients of a layer in the active backend."""
    layer = LAYERS[cell](
        given["U"].shape[0],
        use_bias="b" in given,
        return_state=True,
        dtype=str(given["x"].dtype),
        **{"return_sequences": True, **options, **flags},
    )
    layer.build(given["x"].shape)
    layer.set_weights([given[n] for n in ("W", "U", "b") if n in given])
    states = ["h", "c"] if cell == "lstm" else ["h"]
    mask = None if lengths is not None else given.get("mask")
    outputs, pullback = layer.forward(
        given["x"], mask=mask, initial_state=[given[f"{n}0"] for n in states], lengths=lengths
    )
    dx, dinitial = pullback([given["dy"], *(given[f"d{n}T"] for n in states)])
    found = dict(zip(("y", *(f"{n}T" for n in states)), outputs, strict=True))
    found |= {"dx": dx} | {name: w.grad for name, w in zip(("dW", "dU", "db"), layer.weights, strict=False)}
    found |= {f"d{n}0": d for n, d in zip(states, dinitial, strict=True)}
    return {name: np.asarray(a) for name, a in found.items()}


def assert_agree(ours: dict[str, Array], theirs: dict[str, Array], tolerance: float = 1e-5) -> None:
    """Each array within tolerance * max(1, |value|), elementwise."""
    assert set(ours) == set(theirs)
    for name, right in theirs.items():
        assert ours[name].shape == right.shape, name
        error = np.abs(ours[name] - right) / np.maximum(1, np.abs(right))
        assert error.max() <= tolerance, f"{name}: off by {error.max():.3g}, more than {tolerance:g}"
