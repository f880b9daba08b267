"""Cells without products of h with the options of layers: every backend gives what the reference does; streams too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import cells, kernels, layers, set_random_seed, use_backend

NAMES = ("MinGRU", "MinLSTM", "SRU", "QRNN", "IndRNN", "LRU")
B, T, INPUTS, H = 3, 12, 4, 9
#: Those that Numba's loops are compiled for here, which takes seconds for each kind.
COMPILED = ("MinGRU", "MinLSTM", "QRNN")


def drawn(name: str, seed: int) -> tuple[Any, dict[str, Any], Any, Any]:
    """A layer with random options, the options of its call, x and dy."""
    rng = np.random.default_rng(seed)
    wrapped = bool(rng.integers(2))
    options = {
        "go_backwards": bool(rng.integers(2)) and not wrapped,
        "zero_output_for_mask": bool(rng.integers(2)),
        "recompute": bool(rng.integers(2)),
        "dropout": rng.choice([0.0, 0.3]),
        "recurrent_dropout": rng.choice([0.0, 0.3]),
        "return_sequences": True,
        "dtype": "float64",
        "seed": 3,
    }
    set_random_seed(1)
    layer = getattr(cells, name).Layer(H, **options)
    layer = layers.Bidirectional(layer, merge_mode=str(rng.choice(["concat", "sum"]))) if wrapped else layer
    call: dict[str, Any] = {"training": bool(rng.integers(2))}
    kind = rng.integers(4)
    if kind == 1:
        call["mask"] = rng.random((B, T)) < 0.7
    elif kind == 2:
        call["lengths"] = rng.integers(1, T + 1, B)
    elif kind == 3 and not wrapped:
        call["resets"] = rng.random((B, T)) < 0.2
    x = rng.standard_normal((B, T, INPUTS))
    layer.build(x.shape)
    for w in layer.weights:
        w.assign(w.value + rng.standard_normal(w.shape) / 4)
    return layer, call, x, rng.standard_normal(layer.compute_output_shape(x.shape))


def results(name: str, seed: int) -> list[Any]:
    layer, call, x, dy = drawn(name, seed)
    y, pullback = layer.forward(x, **call)
    dx = pullback(dy)
    return [y, dx, *(w.grad for w in layer.weights)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_options_give_what_the_reference_gives(name: str, seed: int, backend: kernels.Backend) -> None:
    if backend.name == "numba" and name not in COMPILED:
        pytest.skip("one of a kind is enough: compiling takes seconds")
    with use_backend("numpy"):
        wanted = results(name, seed)
    with use_backend(backend.name):
        for ours, theirs in zip(results(name, seed), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_streams_with_resets_give_the_sequence(name: str, backend: kernels.Backend) -> None:
    if backend.name == "numba" and name not in COMPILED:
        pytest.skip("one of a kind is enough: compiling takes seconds")
    layer = getattr(cells, name).Layer(H, return_sequences=True, dtype="float64")
    rng = np.random.default_rng(0)
    x, resets = rng.standard_normal((B, T, INPUTS)), rng.random((B, T)) < 0.3
    layer.build(x.shape)
    with use_backend(backend.name):
        y = layer(x, resets=resets)
        stream = layer.stream(B)
        for t in range(T):
            if resets[:, t].any():
                stream.reset(np.flatnonzero(resets[:, t]))
            np.testing.assert_allclose(stream.step(x[:, t]), y[:, t], rtol=1e-12, atol=1e-13)
