"""Cells with `call` of the user's: in files, with states, on tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, layers, ops, saving
from cellstep.models import load_model

RNG = np.random.default_rng(3)
X = RNG.standard_normal((4, 6, 3))
Y = RNG.standard_normal((4, 1))


@saving.register_keras_serializable("call")
class Cell(layers.Layer):
    """A cell with a layer inside, which has no `build`, and states of its own to begin with."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = self.state_size = units
        self.inner = layers.Dense(units)

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        y = ops.tanh(self.inner(ops.concatenate([inputs, states[0]], axis=-1)))
        return y, [y]

    def get_initial_state(self, batch_size: Any = None) -> Any:
        return [ops.ones((batch_size, self.units))]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def test_cells_in_files_and_with_states(tmp_path: Any) -> None:
    model = Sequential([Input((None, 3)), layers.Bidirectional(layers.RNN(Cell(3))), layers.Dense(1, use_bias=False)])
    assert len(model.weights) == 5
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras")(X), model(X))
    layer = layers.RNN(Cell(3), stateful=True)
    parts = [layer(X[:, :2]), layer(X[:, 2:])]
    layer.reset_states()
    np.testing.assert_array_equal(layer(X), parts[1])
    first = np.ones((4, 3))
    y, pullback = layer.forward(X, initial_state=[first], lengths=[6, 3, 1, 0])
    dx, (dfirst,) = pullback(np.ones_like(y))
    assert not dx[1, 3:].any()
    np.testing.assert_array_equal(y[3], first[3])
    np.testing.assert_array_equal(dfirst[3], first[3])


def test_a_cell_that_is_no_layer() -> None:
    class Sums:
        state_size = 3

        def call(self, inputs: Any, states: Any) -> Any:
            return inputs + states[0], inputs + states[0]

    y, pullback = layers.RNN(Sums(), return_sequences=True).forward(X)
    np.testing.assert_allclose(y, X.cumsum(1), rtol=1e-5)
    np.testing.assert_array_equal(pullback(np.ones_like(y))[0, :, 0], [6, 5, 4, 3, 2, 1])
    with pytest.raises(ValueError, match=r"expected call of .* to give \(output, new_states\)"):
        layers.RNN(type("Alone", (Sums,), {"call": lambda self, x, states: x})())(X)


def test_cells_on_tensors_of_a_functional_model(tmp_path: Any) -> None:
    x, h, c = Input((3,)), Input((4,)), Input((4,))
    for cell, states in ((layers.LSTMCell(4), [h, c]), (layers.GRUCell(4), [h])):
        y, new = cell(x, states)
        model = Model([x, *states], [y, *new])
        values = [X[:, 0], *(np.full((4, 4), 0.3) for _ in states)]
        wanted, after = cell(values[0], values[1:])
        for a, b in zip(model(values), [wanted, *after], strict=True):
            np.testing.assert_array_equal(a, b)
        model.save(tmp_path / "model.keras")
        np.testing.assert_array_equal(load_model(tmp_path / "model.keras")(values)[0], wanted)
    stacked = layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(4)])
    y, new = stacked(x, [[h, c], [h]])
    assert [tensor.shape for tensor in [y, *new[0], *new[1]]] == [(None, 4)] * 4
