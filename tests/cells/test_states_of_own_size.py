"""An output state of a size of its own: the LSTM with projection, in everything that runs cells."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Cell, Input, Sequential, cells, core, get_num_threads, kernels, layers, models, set_num_threads
from cellstep.activations import sigmoid
from cellstep.testing import check_cell

B, T, INPUTS = 5, 7, 3
#: Units and projection: less, as many, more, and beyond a vector of either.
SIZES = ((5, 3), (4, 4), (3, 9), (40, 17), (17, 40))


def data(shape: tuple[int, ...], dtype: str = "float32") -> Any:
    return np.random.default_rng(3).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("sizes", SIZES[:3])
def test_gradients(sizes: tuple[int, int]) -> None:
    check_cell(cells.ProjectionLSTM(*sizes))


def test_gradients_of_a_class() -> None:
    check_cell(cells.ProjectionLSTM, batch=2, steps=2)


@pytest.mark.parametrize("sizes", SIZES)
def test_bits_do_not_depend_on_how_a_call_is_made(sizes: tuple[int, int]) -> None:
    if kernels.active().name == "numpy":
        pytest.skip("the reference multiplies through BLAS")
    cell = cells.ProjectionLSTM(*sizes)
    cell.build((None, INPUTS))
    packed, before = cell.packed(backward=True), get_num_threads()
    x, dy = data((37, T, INPUTS)), data((37, T, sizes[1]))
    lengths = np.random.default_rng(0).integers(0, T + 1, 37)

    def run(rows: slice, given: dict[str, Any]) -> list[Any]:
        y, last, back = core.forward(packed, x[rows], tape=True, **{k: v[rows] for k, v in given.items()})
        assert back is not None
        dweights = [None if w is None else np.zeros(w.shape, "float32") for w in cell.row_weights]
        dx, dfirst = back(dy[rows], [None, None], dweights if rows == slice(None) else None)
        return [y, *last, dx, *dfirst, *(dweights if rows == slice(None) else [])]

    for given in ({}, {"lengths": lengths}, {"mask": data((37, T)) > 0}):
        whole = run(slice(None), given)
        for rows in (slice(0, 1), slice(1, 8), slice(8, 37)):
            for ours, all_rows in zip(run(rows, given), whole, strict=False):
                np.testing.assert_array_equal(ours, all_rows[rows])
        try:
            set_num_threads(2)
            for ours, alone in zip(run(slice(None), given), whole, strict=True):
                np.testing.assert_array_equal(ours, alone)
        finally:
            set_num_threads(before)


def test_masked_steps_are_as_if_they_were_not_there(backend: kernels.Backend) -> None:
    cell = cells.ProjectionLSTM(4, 3)
    cell.build((None, INPUTS))
    packed = core.pack(cell.contract, *cell.row_weights, backward=True, backend=backend, **cell.options)
    x, mask = data((1, T, INPUTS)), np.ones((1, T), bool)
    mask[0, [0, 3]] = False
    x[~mask] = np.nan
    dlast = [data((1, 3)), data((1, 4))]
    found = []
    for part, given in ((x, {"mask": mask}), (x[:, mask[0]], {})):
        _, last, back = core.forward(packed, part, tape=True, sequences=False, **given)
        assert back is not None
        dweights = [np.zeros(w.shape, "float32") for w in cell.row_weights]
        _, dfirst = back(None, dlast, dweights)
        found.append([*last, *dfirst, *dweights])
    for masked, short in zip(*found, strict=True):
        np.testing.assert_allclose(masked, short, rtol=2e-5, atol=1e-6)


def test_it_is_a_layer_like_others(tmp_path: Path) -> None:
    kind = cells.ProjectionLSTM.Layer
    model = Sequential(
        [
            Input((None, INPUTS)),
            kind(8, 4, return_sequences=True, num_layers=2, dropout=0.1, recurrent_dropout=0.1),
            layers.Bidirectional(kind(6, 2, return_sequences=True)),
            layers.RNN([cells.ProjectionLSTM(5, 3), layers.LSTMCell(4)]),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    x, y = data((B, T, INPUTS)), data((B, 1))
    model.fit(x, y, epochs=2, verbose=0)
    model.fit([row[: 2 + k] for k, row in enumerate(x)], y, verbose=0)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    layer = again.layers[0]
    assert (layer.units, layer.projection) == (8, 4)
    assert layer.cell.state_size == [[4, 8], [4, 8]]
    assert layer.compute_output_shape((None, T, INPUTS)) == (None, T, 4)


def test_streams_and_steps(backend: kernels.Backend) -> None:
    kind, x = cells.ProjectionLSTM.Layer, data((B, T, INPUTS))
    model = Sequential([Input((None, INPUTS)), kind(8, 4, return_sequences=True, name="p"), layers.Dense(2)])
    y = model.predict(x, verbose=0)
    stream = model.stream(B)
    found = np.stack([stream.step(x[:, t]) for t in range(3)], axis=1)
    kept = pickle.loads(pickle.dumps(stream))
    assert {name: a.shape for name, a in kept.state.items()} == {"p/h": (B, 4), "p/c": (B, 8)}
    np.testing.assert_array_equal(found, y[:, :3])
    np.testing.assert_array_equal(kept.steps(x[:, 3:]), y[:, 3:])
    cell = model.layers[0].cell
    states, out = cell.get_initial_state(B), None
    for t in range(T):
        out, states = cell(x[:, t], states)
    np.testing.assert_allclose(model.layers[1](out), y[:, -1], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"state 0|states h|\(5, 4\)"):
        cell(x[:, 0], [np.zeros((B, 8)), np.zeros((B, 8))])


def test_a_cell_of_ones_own() -> None:
    class Squeezed(Cell):
        """One state, whose output is narrower than its gates; and a vector."""

        gates = "f n"
        states = {"h": "width"}
        vectors = "p"

        def step(self, z: Any, h: Any) -> Any:
            return self.project(self.normalize(sigmoid(z.f + self.p) * np.tanh(z.x.n) + z.h.n))

    class Open(Cell):
        """Without a product with h."""

        gates = "f n"
        states = {"h": "width", "c": "units"}

        def step(self, z: Any, h: Any, c: Any) -> Any:
            c = sigmoid(z.x.f) * c + z.x.n
            return self.project(np.tanh(c)), c

    for kind in (Squeezed, Open):
        check_cell(kind(4, 3), batch=2, steps=3)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'width'"):
        Squeezed(4)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="width must be a positive integer, got 0"):
        Squeezed(4, 0)


def defined(step: Any, **body: Any) -> Any:
    attributes = {"gates": "n", "states": {"h": "width", "c": "units"}, "step": step, "__module__": __name__}
    return type("Own", (Cell,), {**attributes, **body})


BAD = {
    "h elementwise": (
        lambda self, z, h, c: (self.project(h * c), z.n),
        "expected multiply of values with a number for",
    ),
    "h activated": (lambda self, z, h, c: (self.project(np.tanh(h)), z.n), "expected tanh of values with a number for"),
    "mean of h": (lambda self, z, h, c: (self.project(z.n + self.mean(h)), c), "expected mean of values with a number"),
    "not projected": (lambda self, z, h, c: (z.n, c), r"return h as self.project\(value\), got another value"),
    "h returned": (lambda self, z, h, c: (h, z.n), r"return h as self.project\(value\), got another value"),
    "projected c": (lambda self, z, h, c: (self.project(z.n),) * 2, "return c as a number for each unit"),
    "two": (lambda self, z, h, c: (self.project(self.project(z.n)), c), "one projection"),
    "product": (lambda self, z, h, c: (self.project(z.x.n + self.product(c, "n")), c), "leave product away"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_steps_are_refused_with_their_line(what: str) -> None:
    step, sentence = BAD[what]
    with pytest.raises((TypeError, ValueError), match=rf"{sentence}.*test_states_of_own_size.py"):
        defined(step)


def test_sizes_are_of_the_output_alone() -> None:
    def step(self: Any, z: Any, h: Any, c: Any) -> Any:
        return self.project(z.n), c

    for states in ({"h": "units", "c": "width"}, {"h": "width", "c": "other"}, {"h": "not a name", "c": "units"}):
        with pytest.raises(ValueError, match="expected states of Own of the size 'units', but for the first"):
            defined(step, states=states)
    for states, body in (({"h": "dropout", "c": "units"}, {}), ({"h": "p", "c": "units"}, {"vectors": "p"})):
        with pytest.raises(ValueError, match="sizes of Own by names of their own"):
            defined(step, states=states, **body)
    with pytest.raises(TypeError, match=r"project gives a state of a size of its own.*test_states_of_own_size.py"):
        defined(step, states="h c")
