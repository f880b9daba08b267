"""Our layers, in the active backend, give what real Keras gives with the same weights: outputs, states, gradients.

float32, within 1e-5 * max(1, |value|).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from golden.by_keras import by_keras
from ours import assert_agree, by_ours, given
from table import NO_BIAS, VARIANTS, Shape, Variant, problem, variant

from cellstep import layers

# Keras's own Variable.numpy() trips over it
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = Shape(7, 5, 4, 11)

FLAGS: dict[str, dict[str, Any]] = {
    "sequences": {},
    "last": {"return_sequences": False},
    "backwards": {"go_backwards": True},
    "backwards_last": {"go_backwards": True, "return_sequences": False},
    "zeros": {"zero_output_for_mask": True},
    "zeros_last": {"zero_output_for_mask": True, "return_sequences": False},
}


@pytest.mark.parametrize("mask", ["none", "holes", "right"])
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_layers(v: Variant, flags: str, mask: str) -> None:
    if mask == "none" and flags.startswith("zeros"):
        mask = "rows"
    asked = FLAGS[flags]
    arrays = given(problem(v, SHAPE, "float32", mask), asked.get("return_sequences", True))
    assert_agree(by_ours(v.cell.name, v.named, arrays, **asked), by_keras(v.cell.name, v.named, arrays, **asked))


@pytest.mark.parametrize("v", NO_BIAS, ids=str)
def test_layers_without_bias(v: Variant) -> None:
    arrays = given(problem(v, SHAPE, "float32", "holes"))
    assert_agree(by_ours(v.cell.name, v.named, arrays), by_keras(v.cell.name, v.named, arrays))


@pytest.mark.parametrize(
    "v",
    [
        variant("lstm", activation="relu", recurrent_activation="hard_sigmoid"),
        variant("gru", activation="softsign", recurrent_activation="hard_sigmoid", reset_after=False),
        variant("gru", activation="elu", recurrent_activation="hard_tanh"),
        variant("rnn", activation="leaky_relu"),
        variant("lstm", activation="silu", recurrent_activation="sparse_sigmoid"),
        variant("lstm", activation="squareplus", recurrent_activation="hard_silu"),
        variant("gru", activation="gelu", recurrent_activation="mish"),
        variant("gru", activation="log_sigmoid", recurrent_activation="celu", reset_after=False),
        variant("gru", activation="tanh_shrink", recurrent_activation="sparse_plus", reset_after=False),
        variant("rnn", activation="soft_shrink"),
        variant("rnn", activation="hard_shrink"),
        # of whole rows, which run in NumPy; without sparsemax, whose rows in Keras 3.15 do not add up to 1
        variant("rnn", activation="log_softmax"),
        variant("lstm", activation="log_softmax", recurrent_activation="softmax"),
        variant("gru", activation="softmax", recurrent_activation="hard_sigmoid"),
        variant("gru", activation="mish", recurrent_activation="softmax", reset_after=False),
    ],
    ids=str,
)
def test_activations(v: Variant) -> None:
    arrays = given(problem(v, SHAPE, "float32", "holes", gain=0.4))
    assert_agree(by_ours(v.cell.name, v.named, arrays), by_keras(v.cell.name, v.named, arrays))


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_weights_are_shaped_and_ordered_as_in_keras(name: str) -> None:
    theirs, ours = getattr(keras.layers, name)(6), getattr(layers, name)(6)
    for layer in (theirs, ours):
        layer.build((None, 3, 5))
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    # biases start the same: unit_forget_bias puts ones where Keras puts them
    np.testing.assert_array_equal(ours.get_weights()[2], theirs.get_weights()[2])


@pytest.mark.parametrize("name", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_cells_called_by_hand(name: str) -> None:
    rng = np.random.default_rng(3)
    theirs, ours = getattr(keras.layers, name)(6), getattr(layers, name)(6)
    for cell in (theirs, ours):
        cell.build((4, 5))
    ours.set_weights(theirs.get_weights())
    x = rng.normal(size=(4, 5)).astype(np.float32)
    states = [rng.normal(size=(4, 6)).astype(np.float32) for _ in ours.get_initial_state(4)]
    output, new = ours(x, states)
    right, right_new = theirs(x, states)
    assert len(new) == len(right_new)
    for a, e in zip((output, *new), (right, *right_new), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-5)
