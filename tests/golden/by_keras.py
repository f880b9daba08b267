"""One forward and one backward pass of a Keras layer on JAX, by the names of the kernel contract."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from golden.store import Array


def by_keras(cell: str, options: dict[str, Any], given: dict[str, Array], **flags: Any) -> dict[str, Array]:
    """Outputs, states and all gradients of a Keras layer, in the dtype of x, the gradients by JAX.

    `cell`, `options` and `given` are as in `store.Case`; `flags` are further arguments of the layer.
    """
    dtype = str(given["x"].dtype)
    layer = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](
        given["U"].shape[0],
        use_bias="b" in given,
        return_state=True,
        dtype=dtype,
        **{"return_sequences": True, **options, **flags},
    )
    layer.build(given["x"].shape)
    states = ["h", "c"] if cell == "lstm" else ["h"]
    weights = [jnp.asarray(given[n]) for n in ("W", "U", "b") if n in given]
    mask = jnp.asarray(given["mask"].astype(bool)) if "mask" in given else None

    def run(weights: list[Any], x: Any, initial: list[Any]) -> list[Any]:
        out, _ = layer.stateless_call(
            weights, [v.value for v in layer.non_trainable_variables], x, initial_state=initial, mask=mask
        )
        return list(out)

    given_states = [jnp.asarray(given[f"{n}0"]) for n in states]
    out, pull = jax.vjp(run, weights, jnp.asarray(given["x"]), given_states)
    dweights, dx, dinitial = pull([jnp.asarray(given[n]) for n in ("dy", *(f"d{n}T" for n in states))])
    found = dict(zip(("y", *(f"{n}T" for n in states)), out, strict=True))
    found |= {"dx": dx} | dict(zip(("dW", "dU", "db"), dweights, strict=False))
    found |= {f"d{n}0": d for n, d in zip(states, dinitial, strict=True)}
    assert all(str(a.dtype) == dtype for a in found.values())
    return {name: np.asarray(a) for name, a in found.items()}
