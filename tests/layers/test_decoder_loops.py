"""Loops of cells in a `call`, whose first states have the batch size of an open axis: as on arrays, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Input, Model, layers, ops
from cellstep.layers import LSTM, Dense, nested

RNG = np.random.default_rng(8)
STEPS = 3
CELLS = {
    "LSTM": lambda: layers.LSTMCell(4),
    "GRU": lambda: layers.GRUCell(4),
    "SimpleRNN": lambda: layers.SimpleRNNCell(4),
    "stacked": lambda: layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(3)]),
    "written": lambda: cellstep.cells.JANET(4),
}


class Decoder(layers.Layer):
    """Feeds its own output back."""

    def __init__(self, cell: Any, first: str) -> None:
        super().__init__()
        self.cell, self.head, self.first = cell, Dense(2), first

    def call(self, x: Any) -> Any:
        rows = ops.shape(x)[0]
        if self.first == "own":
            states = self.cell.get_initial_state(batch_size=rows)
        else:
            sizes = self.cell.state_size
            states = nested.change(list(sizes) if isinstance(sizes, tuple) else sizes, lambda n: ops.zeros((rows, n)))
            states = states if isinstance(states, list) else [states]
        y, outputs = x, []
        for _ in range(STEPS):
            output, states = self.cell(y, states)
            y = self.head(output)
            outputs.append(y)
        return ops.stack(outputs, axis=1)


@pytest.mark.parametrize("first", ["own", "zeros"])
@pytest.mark.parametrize("name", CELLS)
def test_loops_of_cells(name: str, first: str) -> None:
    decoder = Decoder(CELLS[name](), first)
    x = Input((2,))
    model = Model(x, decoder(x))
    assert model.output_shape == (None, STEPS, 2)
    data = RNG.standard_normal((5, 2)).astype("float32")
    y, states = data, decoder.cell.get_initial_state(5)
    for t in range(STEPS):
        output, states = decoder.cell(y, states)
        y = decoder.head(output)
        np.testing.assert_array_equal(model.predict(data, verbose=0)[:, t], y)
    model.compile("sgd", "mse")
    target = RNG.standard_normal((5, STEPS, 2))
    losses = model.fit(data, target, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("options", [{}, {"trainable_initial_state": True}, {"num_layers": 2}], ids=str)
def test_first_states_of_layers(options: dict[str, Any]) -> None:
    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = LSTM(3, **options)

        def call(self, x: Any) -> Any:
            return self.rnn(x, initial_state=self.rnn.get_initial_state(ops.shape(x)[0]))

    x, own = Input((None, 2)), Own()
    model = Model(x, own(x))
    for variable in own.rnn.weights:
        variable.assign(RNG.standard_normal(variable.shape))
    data = RNG.standard_normal((4, 5, 2)).astype("float32")
    np.testing.assert_array_equal(model.predict(data, verbose=0), own.rnn(data))
    gradients, _ = compiled(model).gradients(data, np.ones((4, 3)))
    alone = Model(x, own.rnn(x))
    wanted, _ = compiled(alone).gradients(data, np.ones((4, 3)))
    assert len(gradients) == len(wanted) == len(own.rnn.weights)
    for d, w in zip(gradients.values(), wanted.values(), strict=True):
        np.testing.assert_allclose(d, w, rtol=1e-5, atol=1e-7)


def compiled(model: Model) -> Model:
    model.compile("sgd", "mse")
    return model
