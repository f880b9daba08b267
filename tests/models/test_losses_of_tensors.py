"""Losses that a model's own `compute_loss`, or a function of tensors, calls: values and gradients of those compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, layers, losses, math, optimizers

RNG = np.random.default_rng(8)
X = np.where(RNG.random((9, 4, 1)) < 0.3, 0, RNG.standard_normal((9, 4, 3)))
X[2] = 0
WEIGHTS = RNG.integers(0, 3, (9, 4)).astype(float)
SHARES = RNG.dirichlet(np.ones(3), (9, 4))
LABELS = RNG.integers(0, 3, (9, 4))

#: Losses with scores of three classes, and what their targets are.
LOSSES: list[tuple[losses.Loss, Any]] = [
    (losses.MeanSquaredError(), SHARES),
    (losses.MeanAbsoluteError("sum"), SHARES),
    (losses.BinaryCrossentropy(label_smoothing=0.1), SHARES),
    (losses.CategoricalCrossentropy(), SHARES),
    (losses.SparseCategoricalCrossentropy(ignore_class=1), LABELS),
    (losses.CategoricalFocalCrossentropy(), SHARES),
    (losses.KLDivergence(reduction="mean_with_sample_weight"), SHARES),
    (losses.CosineSimilarity(), SHARES),
    (losses.Huber(0.1), SHARES),
    (losses.CTC(), 1 + LABELS[:, :2] % 2),
    (losses.get(lambda y, p: math.mean(math.square(y - p) * p, axis=-1)), SHARES),
]


def fitted(kind: type[Model], loss: Any, y: Any, weights: Any = None, masked: bool = True) -> tuple[list[float], Any]:
    """The losses of three epochs, and the weights then."""
    x = Input((4, 3), dtype="float64")
    h: Any = layers.Masking(dtype="float64")(x) if masked else x
    h = layers.GRU(4, return_sequences=True, dtype="float64", kernel_regularizer="l2")(h)
    model = kind(x, layers.Dense(3, "softmax", dtype="float64")(h))
    rng = np.random.default_rng(2)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    model.compile(optimizers.SGD(0.1), loss)
    history = model.fit(X, y, sample_weight=weights, batch_size=5, epochs=3, shuffle=False, verbose=0).history
    return history["loss"], [w.numpy() for w in model.weights]


def computing(function: Any) -> type[Model]:
    """A model whose loss is a function of targets, outputs and weights, and the penalties."""

    class Own(Model):
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
            return function(y, y_pred, sample_weight) + sum(self.losses)

    return Own


@pytest.mark.parametrize(("loss", "y"), LOSSES, ids=lambda v: getattr(v, "name", ""))
def test_losses_in_compute_loss_are_those_compiled(loss: losses.Loss, y: Any) -> None:
    by_step = loss.name != "ctc"  # which needs all steps, and takes no weights of them
    weights = WEIGHTS if by_step else None
    right = fitted(Model, loss, y, weights, by_step)
    found = fitted(computing(loss), None, y, weights, by_step)
    np.testing.assert_allclose(found[0], right[0], rtol=1e-9)
    for a, b in zip(found[1], right[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def half(y: Any, p: Any) -> Any:
    return 0.5 * losses.mean_squared_error(y, p) + losses.mean_absolute_error(y, p)


def gap(y: Any, p: Any) -> Any:
    return math.mean(math.absolute(y - p), axis=-1)


def test_functions_of_losses() -> None:
    """Added by hand, in a compiled function, in `compute_loss`, and by the values of NumPy."""
    right = fitted(Model, lambda y, p: 0.5 * math.mean((y - p) ** 2, axis=-1) + gap(y, p), SHARES, masked=False)
    own = computing(lambda y, p, w: math.mean(half(y, p)))
    for found in (fitted(Model, half, SHARES, masked=False), fitted(own, None, SHARES, masked=False)):
        np.testing.assert_allclose(found[0], right[0], rtol=1e-9)
        for a, b in zip(found[1], right[1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_gradient_that_would_be_lost_is_refused() -> None:
    mse = losses.MeanSquaredError()
    for function in (
        lambda y, p, w: mse(p, y),
        lambda y, p, w: mse(y, p) + mse(p[:, 1:], p[:, :-1]),
        lambda y, p, w: math.mean(losses.mean_squared_error(p, y)),
        lambda y, p, w: mse(y, p) + mse(y, p, p[:, :, 0]),
    ):
        with pytest.raises(TypeError, match="must hold no outputs of the model, as a loss has a gradient by y_pred"):
            fitted(computing(function), None, SHARES)
    with pytest.raises(TypeError, match="y_true of mean_squared_error must hold no outputs of the model"):
        fitted(Model, lambda y, p: losses.mean_squared_error(p, y), SHARES)
    smooth = computing(lambda y, p, w: mse(math.stop_gradient(p[:, 1:]), p[:, :-1]))
    by_hand = computing(lambda y, p, w: math.mean((math.stop_gradient(p[:, 1:]) - p[:, :-1]) ** 2))
    np.testing.assert_allclose(
        fitted(smooth, None, SHARES, masked=False)[0], fitted(by_hand, None, SHARES, masked=False)[0], rtol=1e-9
    )


def test_a_loss_among_the_layers_of_a_model_is_not_saved(tmp_path: Path) -> None:
    x, y = Input((3,)), Input((3,))
    each = losses.MeanSquaredError(reduction="none")(math.stop_gradient(y), x)
    model = Model([x, y], each)
    a, b = RNG.standard_normal((2, 5, 3)).astype("float32")
    np.testing.assert_allclose(model([a, b]), ((a - b) ** 2).mean(-1), rtol=1e-5)
    with pytest.raises(NotImplementedError, match="mean_squared_error among its layers must not be saved or cloned"):
        model.save(tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_losses_of_sequences_of_different_lengths() -> None:
    lengths = (3, 9, 1, 5, 4)
    x, y = ([RNG.standard_normal((n, k)) for n in lengths] for k in (3, 2))
    weights = [RNG.random(n) for n in lengths]
    mse = losses.MeanSquaredError()
    found = []
    for kind, loss in ((Model, mse), (computing(mse), None)):
        steps = Input((None, 3), dtype="float64")
        h = layers.LSTM(3, return_sequences=True, dtype="float64")(steps)
        model = kind(steps, layers.Dense(2, dtype="float64")(h))
        model.set_weights([np.random.default_rng(4).standard_normal(w.shape) for w in model.weights])
        model.compile(optimizers.SGD(0.1), loss)
        history = model.fit(x, y, sample_weight=weights, epochs=2, verbose=0, shuffle=False).history["loss"]
        found.append((history, np.concatenate([w.numpy().ravel() for w in model.weights])))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-9)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-9)
