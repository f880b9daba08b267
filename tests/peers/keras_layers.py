"""Layers of `cellstep.keras` beside Keras's own of random options: outputs, states, and all gradients.

    python keras_layers.py torch 0 100

on one of Keras's backends, torch, jax or tensorflow, as that cannot be changed in a process. Models are trained with
both, too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = sys.argv[1]
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

from typing import Any

import keras
import numpy as np

import cellstep.keras

TOLERANCE = 1e-5
KINDS = ("LSTM", "GRU", "SimpleRNN")
ACTIVATIONS = ("tanh", "sigmoid", "relu", "hard_sigmoid", "linear", "softsign", "elu", "silu", "gelu", "leaky_relu")


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """A case: the kind, its constructor's options, how it is wrapped, and what a call is given."""
    kind = KINDS[rng.integers(3)]
    one = rng.random(12) < 0.5
    merge = ("concat", "sum", "mul", "ave", None)[rng.integers(5)] if rng.random() < 0.3 else "alone"
    options: dict[str, Any] = {
        "units": int(rng.integers(1, 9)),
        "activation": ACTIVATIONS[rng.integers(10)] if rng.random() < 0.4 else "tanh",
        "use_bias": bool(one[0] or one[1]),
        "return_sequences": bool(one[2]),
        "return_state": bool(one[3]),
        "go_backwards": bool(one[4]) and merge == "alone",
        "zero_output_for_mask": bool(one[5] and one[6]),
    }
    if kind != "SimpleRNN":
        options["recurrent_activation"] = ACTIVATIONS[rng.integers(6)] if rng.random() < 0.4 else "sigmoid"
    if kind == "GRU":
        options["reset_after"] = bool(one[7])
    # Keras forgets the seed of a SimpleRNN where it makes one again, as within Bidirectional
    if rng.random() < 0.3 and (merge == "alone" or kind != "SimpleRNN"):
        options |= {"dropout": 0.4, "seed": 3}
    return {
        "kind": kind,
        "options": options,
        "merge": merge,
        "mask": (None, None, "right", "holes")[rng.integers(4)],
        "states": bool(one[9]),
        "training": bool(one[10]),
        "stateful": merge == "alone" and bool(one[10] and one[11]),
    }


def make(case: dict[str, Any], module: Any) -> Any:
    options = case["options"] | ({"stateful": True} if case["stateful"] else {})
    layer = getattr(module, case["kind"])(**options)
    if case["merge"] != "alone":
        layer = keras.layers.Bidirectional(layer, merge_mode=case["merge"])
        kinds = {type(layer.forward_layer), type(layer.backward_layer)}
        assert kinds == {getattr(module, case["kind"])}
    return layer


def flat(tree: Any) -> list[Any]:
    return [a for part in tree for a in flat(part)] if isinstance(tree, list | tuple) else [tree]


def by_torch(layer: Any, arrays: list[Any], named: dict[str, Any], upstream: Any) -> tuple[list[Any], list[Any]]:
    import torch

    x, *states = [torch.tensor(array, requires_grad=True) for array in arrays]
    outputs = flat(layer(x, **named, **({"initial_state": states} if states else {})))
    weights = [v.value for v in layer.trainable_variables]
    total = sum((out * torch.tensor(up)).sum() for out, up in zip(outputs, upstream(outputs), strict=True))
    grads = torch.autograd.grad(total, [x, *states, *weights], allow_unused=True, materialize_grads=True)
    return [out.detach().numpy() for out in outputs], [g.numpy() for g in grads]


def by_jax(layer: Any, arrays: list[Any], named: dict[str, Any], upstream: Any) -> tuple[list[Any], list[Any]]:
    import jax
    import jax.numpy as jnp

    others = [v.value for v in layer.non_trainable_variables]

    def run(arrays: Any, weights: Any) -> Any:
        x, *states = arrays
        given = {"initial_state": list(states)} if states else {}
        return flat(layer.stateless_call(weights, others, x, **named, **given)[0])

    weights = [v.value for v in layer.trainable_variables]
    outputs, pull = jax.vjp(jax.jit(run), [jnp.asarray(a) for a in arrays], weights)
    grads = pull([jnp.asarray(up) for up in upstream(outputs)])
    return [np.asarray(out) for out in outputs], [np.asarray(g) for part in grads for g in part]


def by_tensorflow(layer: Any, arrays: list[Any], named: dict[str, Any], upstream: Any) -> tuple[list[Any], list[Any]]:
    import tensorflow as tf

    @tf.function
    def run(*arrays: Any) -> Any:
        x, *states = arrays
        weights = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            outputs = flat(layer(x, **named, **({"initial_state": states} if states else {})))
            total = sum(tf.reduce_sum(out * up) for out, up in zip(outputs, upstream(outputs), strict=True))
        return outputs, tape.gradient(total, [x, *states, *weights], unconnected_gradients="zero")

    outputs, gradients = run(*[tf.constant(array) for array in arrays])
    return [out.numpy() for out in outputs], [g.numpy() for g in gradients]


def check(seed: int) -> None:
    """AssertionError where something differs by more than 1e-5 * max(1, |value|)."""
    rng = np.random.default_rng(seed)
    case = draw(rng)
    B, T, I = int(rng.integers(1, 5)), int(rng.integers(1, 8)), int(rng.integers(1, 5))  # noqa: E741
    # Keras itself has no gradients of some stateful layers on torch
    case["stateful"] &= keras.backend.backend() == "jax"
    H, S = case["options"]["units"], (1 if case["merge"] == "alone" else 2) * (2 if case["kind"] == "LSTM" else 1)
    x = rng.standard_normal((B, T, I)).astype("float32")
    states = [rng.standard_normal((B, H)).astype("float32") for _ in range(S)] if case["states"] else []
    mask = None
    if case["mask"] == "right":
        mask = np.arange(T) < rng.integers(0, T + 1, (B, 1))
    elif case["mask"] == "holes":
        mask = rng.random((B, T)) < 0.6
    named = {"mask": None if mask is None else keras.ops.convert_to_tensor(mask), "training": case["training"]}

    def upstream(outputs: Any) -> list[Any]:
        draws = np.random.default_rng(seed + 1)
        return [draws.standard_normal(tuple(out.shape)).astype("float32") for out in outputs]

    differentiate = {"torch": by_torch, "jax": by_jax, "tensorflow": by_tensorflow}[keras.backend.backend()]
    found = []
    weights: list[Any] | None = None
    for module in (keras.layers, cellstep.keras):
        layer = make(case, module)
        layer.build(x.shape)
        if weights is None:
            weights = [rng.uniform(-0.6, 0.6, w.shape).astype("float32") for w in layer.get_weights()]
        layer.set_weights(weights)
        kinds = [(v.path.rpartition("/")[2], tuple(v.shape)) for v in layer.weights]
        found.append((*differentiate(layer, [x, *states], named, upstream), kinds))
    (right, right_gradients, theirs), (outputs, gradients, ours) = found
    assert ours == theirs
    for what, mine, other in (("output", outputs, right), ("gradient", gradients, right_gradients)):
        for i, (a, b) in enumerate(zip(mine, other, strict=True)):
            assert a.shape == b.shape, (what, i, a.shape, b.shape, case)
            error = np.abs(a - b) / np.maximum(1, np.abs(b))
            assert not error.size or error.max() <= TOLERANCE, (seed, what, i, float(error.max()), case)


def check_training(folder: Path) -> None:
    """A model learns the same on Keras's layers and on ours, in a file too, where `accelerate` and `restore` swap them.

    AssertionError where it does not.
    """
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 6, 3)).astype("float32"), rng.standard_normal((12, 2)).astype("float32")
    x[3, 4:] = 0
    L = keras.layers
    layers = [
        L.Masking(),
        L.Bidirectional(L.LSTM(4, return_sequences=True)),
        # of Keras before 3.6 stateful layers fail with today's PyTorch and JAX
        L.GRU(3, return_sequences=True, stateful=tuple(map(int, keras.version().split(".")[:2])) >= (3, 6)),
        L.SimpleRNN(3, go_backwards=True),
    ]
    model = keras.Sequential([keras.Input(batch_shape=(4, 6, 3)), *layers, L.Dense(2)])
    model.compile("sgd", "mse")
    weights = model.get_weights()

    def run(model: Any) -> list[Any]:
        model.set_weights(weights)
        if layers[2].stateful:
            layers[2].reset_states()
        losses = model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"]
        return [losses, *model.get_weights(), model.predict(x, batch_size=4, verbose=0)]

    theirs = run(model)
    assert cellstep.keras.accelerate(model) is model
    places = {type(layer).__module__ for layer in (layers[1].forward_layer, layers[1].backward_layer, *layers[2:])}
    assert places == {"cellstep.keras.layers"}
    ours = run(model)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    model.save(folder / "ours.keras")
    again = keras.models.load_model(folder / "ours.keras")
    assert type(again.layers[2]).__module__ == "cellstep.keras.layers"
    if layers[2].stateful:
        layers[2].reset_states()
    np.testing.assert_array_equal(again.predict(x, batch_size=4, verbose=0), model.predict(x, batch_size=4, verbose=0))
    assert cellstep.keras.restore(model) is model
    assert {type(layer) for layer in layers[2:]} == {L.GRU, L.SimpleRNN}
    for a, b in zip(run(model), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


if __name__ == "__main__":
    for seed in range(int(sys.argv[2]), int(sys.argv[3])):
        check(seed)
    with tempfile.TemporaryDirectory() as folder:
        check_training(Path(folder))
    print(f"{int(sys.argv[3]) - int(sys.argv[2])} cases on {keras.backend.backend()}")
