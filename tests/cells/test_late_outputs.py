"""Cells whose products serve the output alone, which no later step sees: the compiled loops make them for a chunk of
steps at a time, and give what the reference gives, and the same bits however a call is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellstep import (
    Cell,
    Input,
    ManyModels,
    Sequential,
    cells,
    core,
    get_num_threads,
    kernels,
    layers,
    set_num_threads,
    set_random_seed,
    testing,
)

T, INPUTS, H = 300, 5, 37

pytestmark = pytest.mark.skipif(bool(kernels.available()["cython"]), reason="needs the compiled kernels")


@pytest.fixture
def threads() -> Any:
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


def options(kind: str, batch: int) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    mask, resets, lengths = rng.random((batch, T)) < 0.7, rng.random((batch, T)) < 0.1, rng.integers(1, T, batch)
    return {
        "plain": {},
        "mask": {"mask": mask},
        "mask and resets": {"mask": mask, "resets": resets},
        "lengths and resets": {"lengths": lengths, "resets": resets},
    }[kind]


def run(backend: str, batch: int, recompute: int = 0, **options: Any) -> list[Any]:
    """Everything that a call and its pullback give, traces too."""
    rng = np.random.default_rng(3)
    cell = cells.LRU(H, use_bias=True)
    cell.build((None, INPUTS))
    weights = [rng.standard_normal(w.shape) / 3 for w in cell.weights]
    x, dy = rng.standard_normal((batch, T, INPUTS)), rng.standard_normal((batch, T, H))
    first, dlast = ([rng.standard_normal((batch, H)) for _ in range(3)] for _ in range(2))
    packed = core.pack(cell.contract, *weights, backward=True, backend=kernels.load(backend))
    y, last, back = core.forward(packed, x, first, tape=True, recompute=recompute, **options)
    assert back is not None
    dweights, traces = [np.zeros_like(w) for w in weights], back.new_traces()
    dx, dfirst = back(dy, dlast, dweights, True, traces)[:2]
    untaped = core.forward(packed, x, first, **options)
    return [y, *last, dx, *dfirst, *dweights, *traces, untaped[0], *untaped[1]]


@pytest.mark.parametrize("batch", [1, 3, 40])
@pytest.mark.parametrize("kind", ["plain", "mask", "mask and resets", "lengths and resets"])
def test_every_way_of_running(kind: str, batch: int, threads: Any) -> None:
    given = options(kind, batch)
    threads(1)
    ours = run("cython", batch, **given)
    for a, b in zip(ours, run("numpy", batch, **given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    for n, recompute in ((2, 0), (7, 0), (1, 1), (2, 50)):
        threads(n)
        for a, b in zip(ours, run("cython", batch, recompute, **given), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("wrapped", [False, True])
def test_calls_made_together(wrapped: bool, threads: Any) -> None:
    x, found = np.random.default_rng(0).standard_normal((1, 2000, 16)).astype("f"), []
    for n in (1, 2):
        threads(n)
        set_random_seed(1)
        layer: Any = cells.LRU.Layer(64, return_sequences=True, num_layers=1 if wrapped else 2)
        layer = layers.Bidirectional(layer) if wrapped else layer
        y, pullback = layer.forward(x)
        found.append([y, pullback(np.ones_like(y)), *(w.grad for w in layer.weights)])
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_streams_of_blocks_and_steps() -> None:
    layer = cells.LRU.Layer(H, return_sequences=True)
    x = np.random.default_rng(0).standard_normal((2, 90, INPUTS)).astype("f")
    y, stream = layer(x), layer.stream(2)
    parts = [stream.steps(x[:, a:b]) for a, b in ((0, 1), (1, 34), (34, 35), (35, 90))]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), y)


@pytest.mark.usefixtures("_rows")
def test_many_models() -> None:
    class Pair(Cell):
        gates = "a d"
        states = "h c"
        vectors = "p"

        def step(self, z: Any, h: Any, c: Any) -> Any:
            c = np.tanh(self.p * c + z.x.a)
            return z.x.d + self.product(c, "a"), c

    def build() -> Sequential:
        model = Sequential([Input((None, 3)), Pair.Layer(5), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    assert Pair(3).contract.equations.program_by_chunks.chunked
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((18, 8, 6, 3)).astype("f"), rng.standard_normal((18, 8, 1)).astype("f")
    many = ManyModels(build(), seeds=list(range(18)))
    many.fit(x, y, batch_size=4, epochs=2)
    predictions = many.predict(x)
    for i in range(18):
        set_random_seed(i)
        alone = build()
        alone.fit(x[i], y[i], batch_size=4, epochs=2, verbose=0)
        np.testing.assert_array_equal(alone.predict(x[i], verbose=0), predictions[i])


@pytest.mark.usefixtures("_rows")
def test_which_cells_are_such() -> None:
    class SeesOutput(Cell):
        gates = "a"
        states = "h c"

        def step(self, z: Any, h: Any, c: Any) -> Any:
            c = 0.5 * c + 0.1 * h + z.x.a
            return self.product(c, "a"), c

    class OfMemory(Cell):
        gates = "a b"
        states = "h c"

        def step(self, z: Any, h: Any, c: Any) -> Any:
            new = 0.5 * c + z.x.a
            return np.tanh(z.x.b + self.product(new, "a")) + c, new

    class Readout(Cell):
        gates = "a b d"
        states = "h c"
        vectors = "p"

        def step(self, z: Any, h: Any, c: Any) -> Any:
            new = np.tanh(self.p * c + z.x.a + z.x.b)
            return np.tanh(z.x.d + self.product(new, "a")) * self.product(new * new, "b"), new

    for kind, such in ((SeesOutput, False), (OfMemory, False), (Readout, True), (cells.MGU, False)):
        assert kind(3).contract.equations.program_by_chunks.chunked == such
        testing.check_cell(kind(3), batch=2, steps=5, backends=["cython"])
