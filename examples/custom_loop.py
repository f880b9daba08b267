"""A training loop by hand: forward, loss, pullback, step; and what `fit` makes of the same batches.

    python examples/custom_loop.py

A GRU tells which of four tones a noisy sequence holds. The loop keeps its own metrics and validates after each epoch.
There is no tape: `model.forward` gives the outputs and a pullback, `loss.value_and_grad` the loss and its gradient by
the outputs, and the pullback adds to the gradient of each weight. Expect at least 95 % right on unseen sequences, and
weights that agree with those of `fit` on the same batches to 1e-4, in a few seconds on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cellstep as keras
from cellstep import layers

T, CLASSES, BATCH = 40, 4, 32


def tones(number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sequences (number, T, 1), float32, and which tone each holds, (number,)."""
    y = np.random.randint(CLASSES, size=number)
    phase, t = np.random.uniform(0, 2 * np.pi, (number, 1)), np.arange(T)
    x = np.sin((0.4 + 0.3 * y[:, None]) * t + phase) + 0.5 * np.random.standard_normal((number, T))
    return x[..., None].astype("float32"), y


def build() -> keras.Sequential:
    """Logits (B, CLASSES) from sequences (B, T, 1)."""
    return keras.Sequential([keras.Input((T, 1)), layers.GRU(24), layers.Dense(CLASSES)])


def train(model: keras.Sequential, data: Any, unseen: Any, epochs: int) -> float:
    """The loop; returns the accuracy on unseen sequences after the last epoch."""
    optimizer = keras.optimizers.Adam(0.005, global_clipnorm=0.5)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    seen_accuracy = keras.metrics.SparseCategoricalAccuracy()
    unseen_accuracy = keras.metrics.SparseCategoricalAccuracy()
    optimizer.build(model.trainable_weights)
    (x, y), (x_val, y_val) = data, unseen
    for epoch in range(epochs):
        losses = []
        for start in range(0, len(x), BATCH):
            x_batch, y_batch = x[start : start + BATCH], y[start : start + BATCH]
            logits, pullback = model.forward(x_batch, training=True)
            loss, dlogits = loss_fn.value_and_grad(y_batch, logits)
            optimizer.zero_grad()
            pullback(dlogits, need_dx=False)
            optimizer.apply()
            seen_accuracy.update_state(y_batch, logits)
            losses.append(loss)
        unseen_accuracy.update_state(y_val, model(x_val))
        seen, right = seen_accuracy.result(), unseen_accuracy.result()
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, accuracy {seen:.3f}, on unseen sequences {right:.3f}")
        seen_accuracy.reset_state()
        unseen_accuracy.reset_state()
    return float(right)


def main(argv: Sequence[str] | None = None) -> tuple[float, float]:
    """Train by hand and by `fit`; returns the accuracy on unseen sequences, and how far the weights differ at most."""
    parser = argparse.ArgumentParser(description="A training loop written by hand.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error(f"--epochs must be at least 1, got {args.epochs}")

    keras.utils.set_random_seed(args.seed)
    data, unseen = tones(2000), tones(500)
    model, fitted = build(), build()
    fitted.set_weights(model.get_weights())
    accuracy = train(model, data, unseen, args.epochs)

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fitted.compile(keras.optimizers.Adam(0.005, global_clipnorm=0.5), loss=loss)
    fitted.fit(*data, batch_size=BATCH, epochs=args.epochs, shuffle=False, verbose=0)
    pairs = zip(model.get_weights(), fitted.get_weights(), strict=True)
    apart = max(float(np.abs(a - b).max()) for a, b in pairs)
    print(f"{accuracy:.1%} of unseen sequences right; weights differ from those of fit by {apart:.1e} at most")
    return accuracy, apart


if __name__ == "__main__":
    main()
