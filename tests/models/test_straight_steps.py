"""The short way of models of layers in one line with one loss: a step gives what any other gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, optimizers, utils
from cellstep.layers import GRU, LSTM, Dense, Dropout, Masking, SimpleRNN
from cellstep.models.compiled import Compiled
from cellstep.models.plan import LayerSequence

N, T, I = 50, 4, 3  # noqa: E741 - the contract's letter
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, T, I)).astype("f4")
X[::3, -1] = 0
Y, STEPS, CLASSES = RNG.standard_normal((N, 1)).astype("f4"), RNG.standard_normal((N, T, 2)), RNG.integers(0, 3, N)
WEIGHTS = RNG.random(N)
ADAM = optimizers.Adam

CASES: dict[str, tuple[Callable[[], list[Any]], Any, dict[str, Any], dict[str, Any]]] = {
    "mse": (lambda: [LSTM(4), Dense(1)], Y, {"loss": "mse", "metrics": ["mae"]}, {}),
    "weights": (
        lambda: [LSTM(4), Dense(1)],
        Y,
        {"loss": "mae", "weighted_metrics": ["mse"]},
        {"sample_weight": WEIGHTS},
    ),
    "mask": (lambda: [Masking(), GRU(4, return_sequences=True), Dense(2)], STEPS, {"loss": "huber"}, {}),
    "classes": (
        lambda: [SimpleRNN(4), Dropout(0.2, seed=1), Dense(3, "softmax")],
        CLASSES,
        {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}},
    ),
    "scaled": (lambda: [GRU(4), Dense(1)], Y, {"loss": "mse", "optimizer": ADAM(0.01, loss_scale_factor=8.0)}, {}),
    "clipped": (lambda: [GRU(4), Dense(1)], Y, {"loss": "log_cosh", "optimizer": ADAM(0.01, clipnorm=0.1)}, {}),
    "penalties": (lambda: [LSTM(4, kernel_regularizer="l2"), Dense(1)], Y, {"loss": "mse"}, {}),
    "weighed loss": (lambda: [LSTM(4), Dense(1)], Y, {"loss": "mse", "loss_weights": 0.5}, {}),
}


def trained(name: str) -> tuple[list[Any], dict[str, Any]]:
    """The weights and the history of two epochs."""
    layers, y, compiled, options = CASES[name]
    if isinstance(compiled.get("optimizer"), ADAM):
        compiled = compiled | {"optimizer": ADAM.from_config(compiled["optimizer"].get_config())}
    utils.set_random_seed(0)
    model = Sequential([Input((T, I)), *layers()])
    model.compile(**{"optimizer": "adam", **compiled})
    history = model.fit(X, y, batch_size=16, epochs=2, verbose=0, **options).history
    return model.get_weights(), history


@pytest.mark.parametrize("name", CASES)
def test_a_straight_step_has_the_bits_of_any_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[bool] = []
    score = LayerSequence.score

    def noted(*arguments: Any) -> Any:
        scored = score(*arguments)
        ways.append(scored is not None)
        return scored

    monkeypatch.setattr(LayerSequence, "score", noted)
    weights, history = trained(name)
    assert any(ways) == (name not in ("penalties", "weighed loss"))
    monkeypatch.setattr(Compiled, "alone", None)
    others, other_history = trained(name)
    assert history == other_history
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_array_equal(a, b)
