"""Calls of layers, losses, metrics and models. What NumPy sums, in an order that follows from how an array lies, is
held to a tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from layers.cases import CASES

from cellstep import layers, losses, metrics, models, optimizers

from .kernel_calls import Array, Call, sizes
from .memory import Layouts


def _zero(made: layers.Layer) -> None:
    for w in made.trainable_weights:
        w.grad[...] = 0


def layer(d: Layouts) -> Call:
    """A layer that does not recur, forward and backward."""
    case = d.choose(*CASES)
    dtype = d.choose("float32", "float64")
    many = isinstance(case.shape, list)
    shapes = case.shape if many else [case.shape]
    masks = case.mask if isinstance(case.mask, list) else [case.mask]
    made = case.make(layers, dtype)
    if not case.call.get("training"):
        made.build([(None, *s[1:]) for s in shapes] if many else (None, *shapes[0][1:]))
    saved = made.get_weights() if made.built else None
    like = made.forward([np.ones(s, dtype) for s in shapes] if many else np.ones(shapes[0], dtype), **case.call)[0]
    listed = isinstance(like, list)
    arrays = {
        "xs": [d.floats(s, dtype) for s in shapes],
        "masks": [None if m is None or (d.chance(0.2) and not many) else d.booleans(m.shape) for m in masks],
        "dys": [d.floats(y.shape, dtype) for y in (like if listed else [like])],
    }
    if "training" in case.call and case.mask is not None:  # a batch without any step has no statistics
        arrays["masks"] = [d.array(case.mask.shape, bool, lambda n: np.ones(n, bool))]

    def run(xs, masks, dys):  # type: ignore[no-untyped-def]
        if saved is not None:
            made.set_weights(saved)
        _zero(made)
        mask = masks if isinstance(case.mask, list) else masks[0]
        y, back = made.forward(xs if many else xs[0], mask=mask, **case.call)
        dx = back(dys if listed else dys[0])
        grads = [w.grad.copy() for w in made.trainable_weights]
        return [*(y if listed else [y]), *(dx if isinstance(dx, list) else [dx]), *grads]

    return run, arrays, False


def convolution(d: Layouts) -> Call:
    """Conv1D of sizes that are drawn, among them one channel, one step and one row."""
    dtype = d.choose("float32", "float64")
    B, T, C, K = d.size(), d.size(), d.size(1, 1, 2, 5, 16), d.size(1, 2, 3)
    made = layers.Conv1D(d.size(1, 2, 9, 20), K, d.choose(1, 2), d.choose("same", "causal"), dtype=dtype)
    made.build((None, T, C))
    y = made(np.ones((B, T, C), dtype))

    def run(x, dy):  # type: ignore[no-untyped-def]
        _zero(made)
        y, back = made.forward(x)
        return [y, back(dy), *(w.grad.copy() for w in made.trainable_weights)]

    return run, {"x": d.floats((B, T, C), dtype), "dy": d.floats(y.shape, dtype)}, True


def recurrent_layer(d: Layouts) -> Call:
    """A recurrent layer, alone or in both directions, over sequences and as a cell."""
    dtype = d.choose("float32", "float64")
    B, T, I, H = sizes(d)  # noqa: E741
    T = max(T, 1)
    both = d.chance(0.3)
    made = d.choose(layers.LSTM, layers.GRU, layers.SimpleRNN)(
        H, return_sequences=d.chance(0.5), go_backwards=not both and d.chance(0.3), dtype=dtype
    )
    cell = made.cell
    if both:
        made = layers.Bidirectional(made)
    made.build((None, T, I))
    states = d.chance(0.5)
    shapes = [(B, H)] * ((2 if both else 1) * len(cell.contract.states))
    like = made(np.ones((B, T, I), dtype))
    arrays: dict[str, Any] = {
        "x": d.floats((B, T, I), dtype),
        "mask": d.booleans((B, T)) if d.chance(0.5) else None,
        "first": [d.floats(s, dtype) for s in shapes] if states else None,
        "dy": d.floats(np.shape(like), dtype),
    }

    def run(x, mask, first, dy):  # type: ignore[no-untyped-def]
        _zero(made)
        y, back = made.forward(x, mask=mask, initial_state=first)
        dx = back(dy)
        dx = [dx[0], *dx[1]] if isinstance(dx, tuple) else [dx]
        out = [y, *dx, *(w.grad.copy() for w in made.trainable_weights), made(x)]
        if first is not None and not both:
            h, after = cell(x[:, 0], first)
            out += [h, *after]
        return out

    return run, arrays, True


def rows_of_a_table(d: Layouts) -> Call:
    made = layers.Embedding(13, d.size(), mask_zero=True)
    shape = (d.size(), d.size(0, 1, 5, 9))
    made.build(shape)

    def run(x, dy):  # type: ignore[no-untyped-def]
        _zero(made)
        y, back = made.forward(x)
        back(dy)
        return [y, made.compute_mask(x), made.trainable_weights[0].grad.copy()]

    return run, {"x": d.integers(shape, 13), "dy": d.floats((*shape, made.output_dim), "float32")}, True


LOSSES = ("mse", "mae", "binary_crossentropy", "huber", "log_cosh", "kl_divergence", "cosine_similarity", "poisson")
METRICS = ("mean_squared_error", "binary_accuracy", "auc", "precision", "recall", "categorical_accuracy")


def scores(d: Layouts) -> Call:
    """A loss with its gradient, and a metric."""
    shape = (d.size(1, 2, 5, 9), d.size(1, 3, 5))
    loss, metric = losses.get(d.choose(*LOSSES)), d.choose(*METRICS)

    def between(n: int) -> Array:
        return d.rng.random(n).astype("float32")

    arrays = {
        "true": d.array(shape, "float32", between),
        "pred": d.array(shape, "float32", between),
        "weight": d.array(shape[:1], "float32", between),
    }

    def run(true, pred, weight):  # type: ignore[no-untyped-def]
        counted = metrics.get(metric)
        counted.update_state(true, pred, sample_weight=weight)
        return [loss(true, pred, sample_weight=weight), counted.result()]

    return run, arrays, False


def training(d: Layouts) -> Call:
    """fit, evaluate and predict of a small model, and an optimizer given gradients."""
    B, T, I, H = d.size(3, 5, 9), d.size(1, 4), d.size(1, 3), d.size(2, 5)  # noqa: E741
    model = models.Sequential([layers.Input((T, I)), layers.GRU(H), layers.Dense(2)])
    model.compile(d.choose("sgd", "adam", "rmsprop"), "mse")
    start = model.get_weights()
    arrays = {
        "x": d.floats((B, T, I), "float32"),
        "y": d.floats((B, 2), "float32"),
        "weight": d.array((B,), "float32", lambda n: d.rng.random(n).astype("float32")),
        "values": [d.floats(w.shape, "float32") for w in start],
    }

    def run(x, y, weight, values):  # type: ignore[no-untyped-def]
        model.set_weights(start)
        model.compile(model.optimizer.name, "mse")
        model.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0, sample_weight=weight)
        out = [model.predict(x, verbose=0), model.evaluate(x, y, verbose=0), *model.get_weights()]
        optimizer = optimizers.Adam()
        optimizer.build(model.trainable_weights)
        optimizer.apply(values)
        model.set_weights([w + np.asarray(v, "f4") for w, v in zip(model.get_weights(), values, strict=True)])
        return [*out, *model.get_weights()]

    return run, arrays, False


#: How often each is called.
SHARES: dict[Callable[[Layouts], Call], float] = {
    layer: 0.1,
    convolution: 0.04,
    recurrent_layer: 0.08,
    rows_of_a_table: 0.02,
    scores: 0.03,
    training: 0.01,
}
