"""Layers of steps for batches without rows, and sequences without steps; and what they refuse."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cellstep import layers, utils

X = np.random.default_rng(3).standard_normal((4, 5, 6)).astype("float32")
LAYERS = {
    "Conv1D": lambda: layers.Conv1D(3, 2, padding="same"),
    "Conv1D groups": lambda: layers.Conv1D(4, 2, groups=2, padding="same"),
    "SeparableConv1D": lambda: layers.SeparableConv1D(3, 2, padding="same", depth_multiplier=2),
    "Conv1DTranspose": lambda: layers.Conv1DTranspose(3, 2, strides=2),
    "UnitNormalization": layers.UnitNormalization,
    "Normalization": lambda: layers.Normalization(mean=0.0, variance=1.0),
}


@pytest.mark.parametrize("part", [np.s_[:0], np.s_[:, :0], np.s_[:0, :0], np.s_[:, :1], np.s_[:1]], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_few_rows_and_steps(name: str, part: Any) -> None:
    layer, x = LAYERS[name](), X[part]
    y, pullback = layer.forward(x, training=True)
    assert y.shape == layer.compute_output_shape(x.shape)
    assert pullback(np.ones_like(y)).shape == x.shape


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: layers.Normalization(mean=0.0, variance=-1.0), ValueError, "variance must be 0 or more, got -1.0"),
    (
        lambda: layers.MultiHeadAttention(2, 3)(X, X, attention_mask="no"),
        TypeError,
        "attention_mask to hold real numbers, got dtype <U2",
    ),
    (
        lambda: utils.timeseries_dataset_from_array(X[0], None, 2).map(3),  # type: ignore[arg-type]
        TypeError,
        "map_func must be a function of the arrays of a batch, got 3",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
