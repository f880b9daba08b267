"""Bidirectional against real Keras: outputs, states and gradients, in every merge mode."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from both import check_both

from cellstep import layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

B, T, I, H = 3, 6, 4, 5  # noqa: E741
RNG = np.random.default_rng(8)
X = RNG.standard_normal((B, T, I)).astype("float32")
MASKS: dict[str, Any] = {
    "no mask": None,
    "right": np.arange(T) < np.array([4, 6, 0])[:, None],
    "left": np.arange(T) >= np.array([1, 3, 0])[:, None],
    "holes": RNG.random((B, T)) < 0.6,
}
RETURNS: dict[str, dict[str, bool]] = {
    "last": {},
    "sequence": {"return_sequences": True},
    "all": {"return_sequences": True, "return_state": True},
    "last and states": {"return_state": True},
}


@pytest.mark.parametrize(
    ("mode", "returns", "mask"),
    [
        ("concat", "last", "right"),
        ("concat", "all", "holes"),
        ("concat", "sequence", "left"),
        ("sum", "sequence", "right"),
        ("sum", "last and states", "no mask"),
        ("mul", "all", "right"),
        ("mul", "last", "holes"),
        ("ave", "sequence", "holes"),
        (None, "last", "right"),
        (None, "all", "left"),
        (None, "sequence", "no mask"),
    ],
)
def test_merge_modes(mode: str | None, returns: str, mask: str) -> None:
    name = {"concat": "LSTM", "sum": "GRU", "mul": "SimpleRNN", "ave": "GRU", None: "LSTM"}[mode]
    made = [
        module.Bidirectional(getattr(module, name)(H, **RETURNS[returns]), merge_mode=mode)
        for module in (layers, keras.layers)
    ]
    check_both(*made, X, mask=MASKS[mask])


@pytest.mark.parametrize(("name", "mask"), [("LSTM", "right"), ("GRU", "holes")])
def test_initial_states(name: str, mask: str) -> None:
    made = [
        module.Bidirectional(getattr(module, name)(H, return_state=True, return_sequences=True))
        for module in (layers, keras.layers)
    ]
    states = [RNG.standard_normal((B, H)).astype("float32") for _ in range(4 if name == "LSTM" else 2)]
    check_both(*made, X, states, MASKS[mask])


def test_a_backward_layer_of_another_kind() -> None:
    made = [
        module.Bidirectional(
            module.LSTM(H, return_sequences=True),
            backward_layer=module.GRU(3, return_sequences=True, go_backwards=True),
        )
        for module in (layers, keras.layers)
    ]
    check_both(*made, X, mask=MASKS["right"])


def test_stacked_cells() -> None:
    made = [
        module.Bidirectional(module.RNN([module.LSTMCell(H), module.GRUCell(3)], return_sequences=True))
        for module in (layers, keras.layers)
    ]
    check_both(*made, X, mask=MASKS["right"])


@pytest.mark.parametrize("mode", ["concat", None])
@pytest.mark.parametrize("returns", RETURNS)
def test_shapes_names_and_configuration(returns: str, mode: str | None) -> None:
    theirs = keras.layers.Bidirectional(keras.layers.LSTM(H, name="foo", **RETURNS[returns]), merge_mode=mode)
    ours = layers.Bidirectional(layers.LSTM(H, name="foo", **RETURNS[returns]), merge_mode=mode)
    assert ours.compute_output_shape((2, 7, I)) == theirs.compute_output_shape((2, 7, I))
    for layer in (ours, theirs):
        layer.build((None, None, I))
    assert [w.path.split("/", 1)[1] for w in ours.weights] == [v.path.split("/", 1)[1] for v in theirs.weights]
    again = layers.Bidirectional.from_config(theirs.get_config())
    assert again.get_config()["layer"]["config"] == ours.get_config()["layer"]["config"]
    assert set(ours.get_config()) == set(theirs.get_config())
    keras.layers.Bidirectional.from_config(ours.get_config())
