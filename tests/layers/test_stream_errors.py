"""Bad calls of a stream of a layer: a sentence says what was wanted and what came, and the states are as before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streaming import assert_all_same

from cellstep import kernels, layers

Array = NDArray[Any]


def made(**options: Any) -> layers.LSTM:
    layer = layers.LSTM(5, **options)
    layer.build((None, None, 3))
    return layer


X = np.ones((2, 3), "float32")
BLOCK = np.ones((2, 4, 3), "float32")
OUT = r"expected out to be a C-contiguous writable float32 array of shape \(2, 5\), got "


def read_only() -> Array:
    out = np.empty((2, 5), "float32")
    out.flags.writeable = False
    return out


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "rows": (lambda s: s.step(X[:1]), ValueError, r"expected x of shape \(2, 3\), got \(1, 3\)"),
    "features": (lambda s: s.step(X[:, :2]), ValueError, r"expected x of shape \(2, 3\), got \(2, 2\)"),
    "block as a step": (lambda s: s.step(BLOCK), ValueError, r"expected x of shape \(2, 3\), got \(2, 4, 3\)"),
    "step as a block": (lambda s: s.steps(X), ValueError, r"expected x of shape \(2, time, 3\), got \(2, 3\)"),
    "words": (lambda s: s.step([["a"] * 3] * 2), TypeError, "expected x to hold real numbers, got dtype <U1"),
    "none": (lambda s: s.step(None), TypeError, "expected x to be an array, got None"),
    "complex": (lambda s: s.steps(BLOCK * 1j), TypeError, "expected x to hold real numbers, got dtype complex64"),
    "ragged": (lambda s: s.step([[1, 2, 3], [1]]), ValueError, "expected x to be an array or an even nested list"),
    "out": (lambda s: s.step(X, out=[1]), TypeError, OUT + "list"),
    "shape of out": (lambda s: s.step(X, out=X.copy()), ValueError, OUT + r"float32 of shape \(2, 3\)"),
    "dtype of out": (lambda s: s.step(X, out=np.empty((2, 5))), ValueError, OUT + "float64"),
    "order of out": (lambda s: s.step(X, out=np.empty((5, 2), "f").T), ValueError, OUT + "not contiguous, float32"),
    "read-only out": (lambda s: s.step(X, out=read_only()), ValueError, OUT + "read-only, float32"),
    "state": (lambda s: setattr(s, "state", [1]), TypeError, "expected state to be a mapping .* got list"),
    "names": (
        lambda s: setattr(s, "state", {"lstm/h": np.zeros((2, 5))}),
        *(ValueError, "expected state with lstm/h, lstm/c, got lstm/h"),
    ),
    "another batch": (
        lambda s: setattr(s, "state", s.state.rows(0)),
        *(ValueError, r"expected state lstm/h of shape \(2, 5\), got \(1, 5\)"),
    ),
    "half a state": (
        lambda s: setattr(s, "state", s.state | {"lstm/h": np.ones((2, 5)), "lstm/c": np.ones(5)}),
        *(ValueError, r"expected state lstm/c of shape \(2, 5\), got \(5,\)"),
    ),
    "rows to reset": (lambda s: s.reset(2), ValueError, "expected rows to select some of the rows 0 .. 1, got 2"),
    "rows as words": (lambda s: s.reset("h"), ValueError, "expected rows to select .* got 'h'"),
    "rows as fractions": (lambda s: s.reset([0.5]), ValueError, "expected rows to select .* got"),
    "one boolean": (lambda s: s.reset(True), ValueError, "expected rows to select .* got True"),
    "rows of a state": (lambda s: s.state.rows([0, 7]), ValueError, "expected rows to select some of the rows 0 .. 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls_change_nothing(on: kernels.Backend, name: str) -> None:
    run, error, message = BAD[name]
    stream = made().stream(2)
    stream.step(X)
    before = stream.state
    with pytest.raises(error, match=message):
        run(stream)
    assert_all_same(on, stream.state.values(), before.values())


def test_layers_that_cannot_be_streamed() -> None:
    with pytest.raises(ValueError, match="lstm is not built"):
        layers.LSTM(3).stream()
    with pytest.raises(ValueError, match="go_backwards must be False to stream lstm_1, got True"):
        made(go_backwards=True).stream()
    with pytest.raises(ValueError, match="batch_size must be a positive integer, got 0"):
        made().stream(0)
    with pytest.raises(TypeError, match=r"batch_size must be a positive integer, got 1\.5"):
        made().stream(1.5)
    with pytest.raises(NotImplementedError, match="layer cannot be streamed, as Layer has no step"):
        layers.Layer().stages()
