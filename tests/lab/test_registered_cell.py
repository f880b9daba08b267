"""The lab reads the row of a cell: an LSTM with peepholes, which no file of the package names, as all others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import kernels, lab, layers
from cellstep.kernels import CELLS, Product, Weight
from cellstep.kernels.reference.activations import apply
from cellstep.lab.analysis.cell_state_terms import through_gates
from cellstep.lab.analysis.jacobians import step_jacobians
from cellstep.registry import get_custom_objects, register_keras_serializable

H, FEATURES, B, T = 4, 2, 3, 6

ROW = replace(
    CELLS["lstm"],
    name="peephole",
    title="PeepLSTM",
    weights=(*CELLS["lstm"].weights, Weight("p", ("H",), {"keras": "peephole_kernel"})),
    products=(*CELLS["lstm"].products, Product("c", "p", "f")),
)


def step(weights: Any, options: Any, x: Any, hd: Any, h: Any, c: Any) -> Any:
    """An LSTM whose forget gate sees c."""
    (W, U, b, p), (act, rec) = weights, options
    z = x @ W + hd @ U + (0 if b is None else b)
    zi, zf, zc, zo = np.split(z, 4, axis=1)
    (i, i_back), (f, f_back), (g, g_back), (o, o_back) = (
        apply(*pair) for pair in ((rec, zi), (rec, zf + c * p), (act, zc), (rec, zo))
    )
    new = f * c + i * g
    a, a_back = apply(act, new)

    def back(dh: Any, dc: Any) -> Any:
        total = dc + a_back(dh * o)
        df = f_back(total * c)
        dz = np.concatenate([i_back(total * g), df, g_back(total * i), o_back(dh * a)], axis=1)
        dweights = (x.T @ dz, hd.T @ dz, dz.sum(0), (df * c).sum(0))
        return dz @ W.T, dz @ U.T, (np.zeros_like(dh), total * f + df * p), dweights

    return np.stack([i, f, g, o], axis=1), (o * a, new), back


@pytest.fixture(scope="module")
def PeepLSTM() -> Iterator[Any]:
    kernels.add_cell(ROW, step)

    class PeepLSTMCell(layers.LSTMCell):
        contract = ROW

    @register_keras_serializable("tests")
    class PeepLSTM(layers.LSTM):
        cell_class = PeepLSTMCell

    yield PeepLSTM
    kernels.remove_cell(ROW.name)
    del get_custom_objects()["tests>PeepLSTM"]


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture
def model(PeepLSTM: Any) -> Any:
    cellstep.set_random_seed(0)
    layer = PeepLSTM(H, name="memory", dtype="float64")
    net = cellstep.Sequential([cellstep.Input((None, FEATURES), dtype="float64"), layer, layers.Dense(1)], name="net")
    layer.cell.peephole_kernel.assign(normal(H, seed=5))
    net.compile("sgd", "mse")
    return net


def test_gates_and_flow(model: Any) -> None:
    x = normal(B, T, FEATURES)
    result = lab.gates(model, x)
    assert result.kind == "PeepLSTM"
    assert list(result.gates) == ["forget", "input", "candidate", "output"]
    assert "The forget gate gives its units a mean memory of" in result.summary()
    flow = lab.gradient_flow([model, "PeepLSTM", "GRU"], x, scales=[1.0], units=H)
    assert [curve.kind for curve in flow.curves] == ["PeepLSTM", "PeepLSTM", "GRU"]
    assert list(flow.curves[0].terms or ()) == ["direct", "by the forget gate", "by the input gate", "by the candidate"]
    assert "The forget gates alone keep" in flow.summary()
    assert lab.lyapunov(model, x).exponents.shape == (2 * H,)


def test_terms_add_up_with_a_peephole(model: Any) -> None:
    with layers.trace() as runs:
        model.layers[0].forward(normal(B, T, FEATURES))
    whole, slopes = step_jacobians(runs[0]), through_gates(runs[0], B)
    assert slopes is not None
    direct, ways = slopes
    np.testing.assert_allclose(sum(ways.values()), whole[:, :, H:, :H], atol=1e-14)
    np.testing.assert_allclose(direct[..., None] * np.eye(H), whole[:, :, H:, H:], atol=1e-14)


def test_each_weight_has_its_parts(model: Any) -> None:
    x, y = normal(B, T, FEATURES), normal(B, 1)
    result = lab.bptt(model, x, y)
    gradients, _ = model.gradients(x, y)
    (layer,) = result.layers
    assert set(layer.gradients) == {"kernel", "recurrent_kernel", "bias", "peephole_kernel"}
    assert set(layer.columns) == {"kernel", "recurrent_kernel", "bias"}
    for name, parts in layer.gradients.items():
        np.testing.assert_allclose(parts.sum(axis=0), gradients[getattr(model.layers[0].cell, name).path], atol=1e-12)
    assert "peephole" in result.table()[0]


def test_watching_drawing_and_comparing(model: Any, tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    monitor = lab.GradientMonitor(vanishing=1e9, patience=1, verbose=1)
    model.fit(normal(B, T, FEATURES), normal(B, 1), verbose=0, callbacks=[monitor])
    assert "Try a larger bias of the forget gate (unit_forget_bias=True sets 1; 3 keeps 95% of c" in monitor.warnings[0]
    unrolled = lab.unroll(model, T)
    assert unrolled.rows[1].states == ("h", "c")
    assert "peephole_kernel (4)" in unrolled.summary()
    compared = lab.compare("parity", ("PeepLSTM", "GRU"), budget=8, seeds=2, lengths=(2,), units=4)
    assert compared.parameters[0, 0] > 0
    results = [
        lab.gates(model, normal(B, T, FEATURES)),
        lab.bptt(model, normal(B, T, FEATURES), normal(B, 1)),
        compared,
    ]
    assert lab.report([monitor, unrolled, *results], tmp_path / "page.html").exists()


def test_its_figure_has_its_gates(PeepLSTM: Any) -> None:
    layer = PeepLSTM(H)
    drawn = lab.diagram("peep LSTM", layer, normal(B, T, FEATURES), unit=1)
    seen = lab.gates(layer, normal(B, T, FEATURES))
    assert drawn.numbers["forget"] == seen.gates["forget"][0, -1, 1]
    assert "the gates see x W, h U, c p" in drawn.svg
    assert lab.diagram("peeplstm").title == "PeepLSTM: one step"
