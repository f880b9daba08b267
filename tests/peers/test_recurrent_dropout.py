"""Dropout of states against real Keras, both with the same mask, in Keras for all of its gates."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from both import check_both

from cellstep import layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

B, T, I, H = 3, 6, 4, 7  # noqa: E741
RNG = np.random.default_rng(8)
X = RNG.standard_normal((B, T, I)).astype("float32")
MASKS: dict[str, Any] = {
    "holes": RNG.random((B, T)) < 0.6,
    "right": np.arange(T) < np.array([4, 6, 0])[:, None],
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "SimpleRNN": ("SimpleRNN", {}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
    "GRU before": ("GRU", {"reset_after": False}),
}


def dropped_alike(ours: layers.RNN, theirs: Any, inputs: float) -> None:
    """Both drop the same inputs and the same states."""
    keep = RNG.random((B, 1, I)) >= inputs
    drop = ((RNG.random((B, H)) >= 0.4) / 0.6).astype("float32")
    ours.cell.draw_dropout = lambda shape: keep  # type: ignore[method-assign]
    ours.cell.draw_recurrent_dropout = lambda rows: drop  # type: ignore[method-assign]
    gates = getattr(theirs.cell, "dropout_mask_count", None)
    scaled = (keep[:, 0] / (1 - inputs)).astype("float32")
    theirs.cell.get_dropout_mask = lambda x: (scaled if inputs else None) if gates is None else [scaled] * gates
    theirs.cell.get_recurrent_dropout_mask = lambda h: drop if gates is None else [drop] * gates


@pytest.mark.parametrize(("inputs", "mask"), [(0.0, "right"), (0.3, "holes")], ids=["states", "inputs too"])
@pytest.mark.parametrize("kind", KINDS)
def test_masks_act_where_they_act_in_keras(kind: str, inputs: float, mask: str) -> None:
    name, options = KINDS[kind]
    ours, theirs = (
        getattr(module, name)(
            H, dropout=inputs, recurrent_dropout=0.4, return_sequences=True, return_state=True, **options
        )
        for module in (layers, keras.layers)
    )
    dropped_alike(ours, theirs, inputs)
    states = [RNG.standard_normal((B, H)).astype("float32") for _ in ours.state_size]
    check_both(ours, theirs, X, states, MASKS[mask], training=True)
