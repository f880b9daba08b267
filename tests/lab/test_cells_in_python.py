"""The lab on cells that a user wrote in Python: what it says is what the same arithmetic in the kernels gives, or what
differences give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Input, Sequential, lab, layers, ops
from cellstep.lab.analysis.jacobians import step_jacobians
from cellstep.lab.analysis.traced_cells import places, run_layer

B, T, FEATURES, H = 3, 6, 2, 4
WIDE = {"dtype": "float64"}


class PlainCell(layers.Layer):
    """The step of a SimpleRNN, as a Keras user writes it."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = self.state_size = units

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight((shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, self.units), "orthogonal", name="recurrent_kernel")
        self.built = True

    def call(self, x: Any, states: Any) -> Any:
        h = ops.tanh(ops.matmul(x, self.kernel) + ops.matmul(states[0], self.recurrent_kernel))
        return h, [h]


class TwoStates(layers.Layer):
    """States of two sizes, and an output that is neither."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.state_size, self.output_size = [units, 2], 3

    def build(self, shape: Any) -> None:
        n, m = self.state_size
        self.u = self.add_weight((n + m + shape[-1], n), name="u")
        self.v = self.add_weight((n, m), name="v")
        self.w = self.add_weight((n, 3), name="w")
        self.built = True

    def call(self, x: Any, states: Any) -> Any:
        a, b = states
        new = ops.tanh(ops.matmul(ops.concatenate([a, b, x], axis=-1), self.u))
        return ops.matmul(new, self.w), [new, 0.5 * b + ops.matmul(new, self.v)]


class ByHand(layers.Layer):
    """A leaky sum, with its own pullback."""

    state_size = H

    def make_weights(self, shape: Any) -> None:
        self.w = self.add_weight((shape[-1], H), "glorot_uniform", name="w")

    def forward(self, x: Any, states: Any, training: bool) -> Any:
        h = 0.5 * states[0] + np.sin(x @ self.w.value)

        def pullback(dy: Any, d: Any) -> Any:
            dz = (dy + d[0]) * np.cos(x @ self.w.value)
            self.w.grad[...] += x.T @ dz
            return dz @ self.w.value.T, [0.5 * (dy + d[0])]

        return (h, [h]), pullback


CELLS: dict[str, Callable[[], Any]] = {
    "call": lambda: PlainCell(H, **WIDE),
    "two states": lambda: TwoStates(H, **WIDE),
    "forward": lambda: ByHand(**WIDE),
    "stack": lambda: layers.StackedRNNCells([PlainCell(H, **WIDE), layers.GRUCell(3, **WIDE)]),
}
FORMS: dict[str, Callable[[Any], Any]] = {
    "last": lambda cell: layers.RNN(cell, name="mine"),
    "sequences": lambda cell: layers.RNN(cell, return_sequences=True, name="mine"),
    "backwards": lambda cell: layers.RNN(cell, go_backwards=True, name="mine"),
    "both ways": lambda cell: layers.Bidirectional(layers.RNN(cell, name="mine")),
}


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def net(layer: Any, *front: Any) -> Any:
    model = Sequential([Input((None, FEATURES), **WIDE), *front, layer, layers.Dense(1, **WIDE)])
    model.compile("sgd", "mse")
    return model


def twins() -> tuple[Any, Any]:
    cellstep.set_random_seed(0)
    mine = net(layers.RNN(PlainCell(H, **WIDE), name="mine"))
    ours = net(layers.SimpleRNN(H, use_bias=False, name="mine", **WIDE))
    ours.set_weights(mine.get_weights())
    return mine, ours


X, Y = normal(B, T, FEATURES), normal(B, 1, seed=1)


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_said_of_a_cell_with_call_is_what_is_said_of_the_kernels(masked: bool) -> None:
    x = X.copy()
    mine, ours = twins()
    if masked:
        x[1, 4:] = 0
        parts = [net(layer, layers.Masking()) for layer in (mine.layers[0], ours.layers[0])]
        parts[1].set_weights(parts[0].get_weights())
        mine, ours = parts
    (a,), (b,) = lab.bptt(mine, x, Y).layers, lab.bptt(ours, x, Y).layers
    for name in ("dh", "output", "feedback", "jacobians", "chain", "radii"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-12)
    for name in ("kernel", "recurrent_kernel"):
        np.testing.assert_allclose(a.gradients[name], b.gradients[name], atol=1e-12)
    for p, q in zip(lab.gradient_flow(mine, x, Y).curves, lab.gradient_flow(ours, x, Y).curves, strict=True):
        assert p.scale == q.scale
        np.testing.assert_allclose(p.chain, q.chain, atol=1e-12)
        np.testing.assert_allclose(p.loss, q.loss, atol=1e-12)
    points, wanted = lab.fixed_points(mine, x), lab.fixed_points(ours, x)
    np.testing.assert_allclose(points.points, wanted.points, atol=1e-6)
    np.testing.assert_allclose(lab.lyapunov(mine, x).exponents, lab.lyapunov(ours, x).exponents, atol=1e-9)
    np.testing.assert_allclose(lab.dependence(mine, x).norms, lab.dependence(ours, x).norms, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CELLS)
def test_parts_of_each_step_add_up(name: str, form: str) -> None:
    cellstep.set_random_seed(0)
    model = net(FORMS[form](CELLS[name]()), *([] if form != "last" else [layers.Masking()]))
    y = normal(B, T, 1) if form == "sequences" else Y
    x = X.copy()
    x[0, 4:] = 0 if form == "last" else x[0, 4:]
    result = lab.bptt(model, x, y)
    assert len(result.layers) == len(places(model))
    for path, rest in result.rest.items():
        np.testing.assert_allclose(rest, 0, atol=1e-12, err_msg=path)
    result.summary()


@pytest.mark.parametrize("name", CELLS)
def test_jacobians_are_those_of_differences(name: str) -> None:
    cellstep.set_random_seed(0)
    layer = layers.RNN(CELLS[name](), return_state=True)
    _, run = run_layer(layer, X, 0)
    found, sizes = step_jacobians(run, 1)[0], run.cell.state_sizes
    before = run.forward.read(1)[1]
    step, t, size = run.cell.steps, 3, sum(sizes)
    x = X[:1, t]
    states = [s[:, t - 1] for s in before]
    flat = np.concatenate(states, axis=1)
    for j in range(size):
        ends = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[0, j] += sign * 1e-6
            parts = np.split(moved, np.cumsum(sizes[:-1]), axis=1)
            ends.append(np.concatenate(step(x, parts, False)(x, parts)[1], axis=1)[0])
        np.testing.assert_allclose(found[t][:, j], (ends[0] - ends[1]) / 2e-6, atol=1e-8)


def test_a_float32_cell_has_its_fixed_points() -> None:
    cellstep.set_random_seed(0)
    layer = layers.RNN(PlainCell(1))
    layer.build((None, None, 1))
    layer.set_weights([np.ones((1, 1)), np.full((1, 1), 2.0)])  # h = tanh(2 h)
    found = lab.fixed_points(layer, np.zeros((1, 9, 1), "float32"))
    assert sorted(found.kinds()) == ["repeller", "stable", "stable"]
    assert "So the net can hold one of 2 values" in found.summary()


def test_weights_that_are_not_called_recurrent_are_not_scaled() -> None:
    cellstep.set_random_seed(0)
    flow = lab.gradient_flow(net(layers.RNN(TwoStates(H, **WIDE))), X, Y, scales=(0.5, 2.0))
    (curve,) = flow.curves
    assert (curve.scale, curve.scaled) == (1.0, False)
    assert "It is as it is: no weight of it is known to be recurrent." in flow.summary()


def test_a_view_of_gates_says_that_they_are_not_known() -> None:
    mine, ours = twins()
    seen = lab.gates(mine, X)
    np.testing.assert_allclose(seen.states["h"], lab.gates(ours, X).states["h"], atol=1e-12)
    assert not seen.gates
    assert "PlainCell is written in Python, so that its states are known and its gates are not" in seen.summary()
    drawn = lab.diagram("cell", mine, X)
    assert list(drawn.numbers) == ["h before", "h after"]
    assert "written in Python: its gates are not known" in drawn.svg


def test_the_monitor_watches_it() -> None:
    mine, ours = twins()
    seen = []
    for model in (mine, ours):
        monitor = lab.GradientMonitor(vanishing=1e9, patience=1, verbose=1)
        model.fit(X, Y, verbose=0, callbacks=[monitor])
        seen.append(monitor.records[0].layers["mine"])
        assert "gradients vanish" in monitor.warnings[0]
    np.testing.assert_allclose(seen[0].dh, seen[1].dh, atol=1e-12)
    assert seen[0].kept == pytest.approx(seen[1].kept)


@pytest.mark.parametrize("name", CELLS)
def test_every_view_is_drawn(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    cellstep.set_random_seed(0)
    model = net(layers.RNN(CELLS[name](), name="mine"))
    results = [
        lab.bptt(model, X, Y),
        lab.gradient_flow(model, X, Y),
        lab.gates(model, X),
        lab.lyapunov(model, X),
        lab.fixed_points(model, X, starts=8),
        lab.dependence(model, X),
        lab.diagram("cell", model, X, unit=1),
        lab.diagram("bptt", model, X, Y),
        lab.unroll(model, T),
    ]
    assert lab.report(results, tmp_path / "page.html").exists()


@pytest.mark.parametrize("name", ["ProjectionLSTM", "MinGRU"])
def test_states_of_two_sizes_and_no_recurrent_weights(name: str) -> None:
    pytest.importorskip("matplotlib")
    cellstep.set_random_seed(0)
    kind, sizes = getattr(cellstep.cells, name).Layer, (5, 3) if name == "ProjectionLSTM" else (4,)
    model = net(kind(*sizes, name="mine", **WIDE))
    split = lab.bptt(model, X, Y)
    for path, rest in split.rest.items():
        np.testing.assert_allclose(rest, 0, atol=1e-12, err_msg=path)
    flow = lab.gradient_flow(model, X, Y)
    assert len(flow.curves) == (3 if name == "ProjectionLSTM" else 1)
    seen = lab.gates(model, X)
    assert seen.units == sizes[0]
    for result in (split, flow, seen, lab.fixed_points(model, X, starts=8)):
        result.summary()
        result.draw()
    assert "h after" in lab.diagram("cell", model, X, unit=2).numbers


class Halves(cellstep.Cell):
    """A cell that is written as equations."""

    gates = "g"

    def step(self, z: Any, h: Any) -> Any:
        return 0.5 * h + np.tanh(z.g)


def test_cells_of_ones_own_are_compared() -> None:
    def four(units: int) -> Any:
        return PlainCell(4)

    found = lab.compare("parity", ("GRU", PlainCell, Halves, four), budget=8, seeds=2, lengths=(2,), units=6)
    assert found.cells == ("GRU", "PlainCell", "Halves", "four")
    layer = layers.RNN(PlainCell(int(found.units[1, 0])))
    layer.build((None, None, 1))
    assert found.parameters[1, 0] == layer.count_params() + (found.units[1, 0] + 1) * 2
    assert abs(found.parameters[1, 0] - found.parameters[0, 0]) < 40
    assert "PlainCell" in found.summary()
    if pytest.importorskip("matplotlib"):
        found.draw()
    with pytest.raises(ValueError, match=r"cells must be two or more different ones of .*, got 3$"):
        lab.compare("parity", ("GRU", 3))
