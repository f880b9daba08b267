"""Normalization adapts as Keras's does, and files with the layers around convolutions go both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import cellstep

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RNG = np.random.default_rng(4)
X = (RNG.standard_normal((6, 5, 3)) * [1.0, 10.0, 0.1] + [4.0, 0.0, -3.0]).astype("float32")


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("axis", [-1, None, 1, (1, 2), (2, 1), [2]])
def test_adapt(axis: Any, invert: bool) -> None:
    theirs, ours = (of.layers.Normalization(axis, invert=invert) for of in (keras, cellstep))
    for layer in (theirs, ours):
        layer.adapt(X)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert ours.mean.shape == theirs.mean.shape
    np.testing.assert_allclose(ours(X), np.asarray(theirs(X)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("writer", [keras, cellstep], ids=["keras", "cellstep"])
def test_files(writer: Any, tmp_path: Path) -> None:
    reader = cellstep if writer is keras else keras
    of = writer.layers
    normalization = of.Normalization()
    normalization.adapt(X)
    model = writer.Sequential(
        [
            *(writer.Input((5, 3)), normalization, of.Identity(), of.UnitNormalization()),
            of.SeparableConv1D(4, 2, depth_multiplier=2, pointwise_regularizer="l2"),
            of.Conv1DTranspose(2, 3, 2, "same", output_padding=1, activation="relu"),
        ]
    )
    model.compile("adam", "mse")
    model.fit(X, np.zeros(model.output_shape[1:])[None].repeat(6, 0), verbose=0)
    right = np.asarray(model.predict(X, verbose=0))
    model.save(tmp_path / "model.keras")
    again = reader.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again.predict(X, verbose=0)), right, rtol=1e-5, atol=1e-5)
    model.save_weights(tmp_path / "model.weights.h5")
    twin = reader.Sequential.from_config(model.get_config())
    twin.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(np.asarray(twin.predict(X, verbose=0)), right, rtol=1e-5, atol=1e-5)
