"""Losses that a user writes, with `keras.ops` there and `cellstep.ops` here: values, masks, weights and a step."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import cellstep

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(9)
WORDS = RNG.integers(0, 4, (6, 5)).astype("int32")
Y = RNG.standard_normal((6, 5, 2)).astype("float32")


def tilted(m: Any) -> Any:
    def loss(y_true: Any, y_pred: Any) -> Any:
        gap = y_true - y_pred
        return m.mean(m.maximum(0.9 * gap, -0.1 * gap), axis=-1) + 0.1 * m.sum(m.square(y_pred[..., 1:]), axis=-1)

    return loss


def everywhere(m: Any) -> Any:
    return lambda y_true, y_pred: m.abs(y_true - y_pred) ** 1.5


def own(library: Any, m: Any) -> Any:
    class Own(library.losses.Loss):  # type: ignore[misc, name-defined]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return m.log(1 + m.exp(y_pred - y_true))[..., 0]

    return Own(reduction="sum")


CASES = {"tilted": lambda k, m: tilted(m), "everywhere": lambda k, m: everywhere(m), "own": own}


@pytest.mark.parametrize("weights", [None, "rows", "steps"])
@pytest.mark.parametrize("name", CASES)
def test_a_step_under_a_loss_of_ones_own(name: str, weights: str | None) -> None:
    given = {None: None, "rows": np.arange(6, dtype="float32")[:, None], "steps": np.abs(Y[..., 0])}[weights]
    if name == "everywhere" and given is not None:
        given = given[..., None]  # Keras broadcasts from the right
    # nor does its mask of (batch, steps) go with values of more axes
    masked, nets = name != "everywhere", []
    for library, m in ((keras, keras.ops), (cellstep, cellstep.ops)):
        L = library.layers
        net = library.Sequential([L.Input((5,), dtype="int32"), L.Embedding(4, 3, mask_zero=masked), L.Dense(2)])
        net.compile(library.optimizers.SGD(0.1), CASES[name](library, m))
        nets.append(net)
    theirs, ours = nets
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(
        ours.evaluate(WORDS, Y, sample_weight=given, verbose=0),
        theirs.evaluate(WORDS, Y, sample_weight=given, verbose=0),
        rtol=1e-5,
    )
    for net in nets:
        net.train_on_batch(WORDS, Y, sample_weight=given)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
