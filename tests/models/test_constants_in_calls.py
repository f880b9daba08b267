"""Constants among the tensors of a call: initial states and masks as arrays and lists."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, layers, ops

RNG = np.random.default_rng(3)
X = RNG.standard_normal((2, 5, 3)).astype("float32")
H, C = RNG.standard_normal((2, 2, 4)).astype("float32")
MASK = np.array([[True, True, False, True, False], [True, False, True, True, True]])


@pytest.mark.parametrize(
    ("constant", "given"),
    [
        ({"initial_state": [H, C]}, {"initial_state": [H, C]}),
        ({"initial_state": [H.tolist(), C.tolist()]}, {"initial_state": [H, C]}),
        ({"mask": MASK}, {"mask": MASK}),
        ({"mask": MASK.tolist()}, {"mask": MASK}),
        ({"mask": MASK.astype("float32"), "initial_state": [H, C]}, {"mask": MASK, "initial_state": [H, C]}),
    ],
)
def test_states_and_masks_without_tensors_are_the_same_in_every_call(constant: Any, given: Any) -> None:
    layer, x = layers.LSTM(4), Input((5, 3))
    model = Model(x, layer(x, **constant))
    wanted = layer(X, **given)
    np.testing.assert_array_equal(model(X), wanted)
    again = Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(X), wanted)
    y, pullback = model.forward(X)
    assert pullback(np.ones_like(y)).shape == X.shape


def test_a_constant_beside_tensors_is_a_state_of_each_row() -> None:
    layer, x, h = layers.LSTM(4), Input((5, 3)), Input((4,))
    model = Model([x, h], layer(x, initial_state=[h, C[:1]]))
    np.testing.assert_array_equal(model([X, H]), layer(X, initial_state=[H, np.broadcast_to(C[:1], (2, 4))]))


def test_zeros_of_an_open_size_are_states() -> None:
    layer, x = layers.GRU(4), Input((5, 3))
    model = Model(x, layer(x, initial_state=ops.zeros((ops.shape(x)[0], 4))))
    np.testing.assert_array_equal(model(X), layer(X))


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(TypeError, match="expected initial_state of gru to hold real numbers, got dtype <U1, strings"):
        layers.GRU(4, name="gru")(Input((5, 3)), initial_state=[["a"]])
