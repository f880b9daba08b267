"""RNN over lists of cells against real Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from both import check_both

from cellstep import layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

B, T, I = 3, 6, 4  # noqa: E741
RNG = np.random.default_rng(8)
X = RNG.standard_normal((B, T, I)).astype("float32")
HOLES = RNG.random((B, T)) < 0.6
RIGHT = np.arange(T) < np.array([4, 6, 0])[:, None]

STACKS: dict[str, Any] = {
    "two": lambda m: [m.LSTMCell(5), m.GRUCell(3)],
    "three": lambda m: [m.GRUCell(5, reset_after=False), m.SimpleRNNCell(4), m.LSTMCell(3)],
    "stack": lambda m: m.StackedRNNCells([m.SimpleRNNCell(5), m.LSTMCell(3)]),
}


@pytest.mark.parametrize(
    ("stack", "mask", "flags"),
    [
        ("two", None, {"return_state": True}),
        ("two", HOLES, {"return_sequences": True, "return_state": True}),
        ("three", RIGHT, {"return_sequences": True, "return_state": True}),
        ("three", HOLES, {"go_backwards": True, "return_state": True}),
        ("stack", RIGHT, {"zero_output_for_mask": True, "return_sequences": True}),
    ],
    ids=["none", "holes", "right", "backwards", "zeros"],
)
def test_stacks(stack: str, mask: Any, flags: dict[str, Any]) -> None:
    made = [module.RNN(STACKS[stack](module), **flags) for module in (layers, keras.layers)]
    states = [
        [RNG.standard_normal((B, n)).astype("float32") for n in np.atleast_1d(size)] for size in made[0].state_size
    ]
    check_both(*made, X, states, mask)


def test_a_stack_of_layers_is_keras_s_layers_on_top_of_each_other() -> None:
    class Two(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = keras.layers.LSTM(5, return_sequences=True), keras.layers.LSTM(5)

        def build(self, shape: Any) -> None:
            self.first.build(shape)
            self.second.build((*shape[:2], 5))

        def call(self, x: Any, mask: Any = None, training: bool = False) -> Any:
            return self.second(self.first(x, mask=mask), mask=mask)

    check_both(layers.LSTM(5, num_layers=2), Two(), X, mask=HOLES)


def test_output_shapes_and_configuration() -> None:
    ours, theirs = (m.RNN([m.LSTMCell(5), m.LSTMCell(3)], return_state=True) for m in (layers, keras.layers))
    assert ours.compute_output_shape((2, 7, I)) == theirs.compute_output_shape((2, 7, I))
    assert ours.state_size == theirs.state_size
    assert ours.cell.output_size == theirs.cell.output_size
    again = layers.RNN.from_config(theirs.get_config())
    assert [type(c).__name__ for c in again.cell.cells] == ["LSTMCell", "LSTMCell"]
    keras.layers.RNN.from_config(ours.get_config())
