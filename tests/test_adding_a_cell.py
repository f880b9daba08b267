"""CONTRIBUTING.md's recipe for a cell, followed: `adding_a_cell/` adds one, and what the package does with cells it
does with this one too, while no file of the package changes or names it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adding_a_cell
import numpy as np
import pytest
from adding_a_cell.layer import PeepLSTM, PeepLSTMCell
from adding_a_cell.row import ROW

import cellstep
from cellstep import core, kernels, layers
from cellstep.layers.cell_layer import layer_of

TESTS = Path(__file__).parent
B, T, I, H = 5, 7, 3, 4  # noqa: E741
WEIGHTS = ["kernel", "recurrent_kernel", "bias", *(f"{gate}_peephole_kernel" for gate in ("input", "forget", "output"))]


@pytest.fixture(autouse=True)
def _cell() -> Iterator[None]:
    adding_a_cell.add()
    yield
    adding_a_cell.remove()


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def with_peepholes(layer: Any) -> Any:
    """The layer, built, with weights of no zeros."""
    layer.build((None, None, I))
    layer.set_weights([0.5 * normal(*w.shape, seed=k) for k, w in enumerate(layer.weights)])
    return layer


def model(**options: Any) -> Any:
    layer = PeepLSTM(H, name="memory", **options)
    return cellstep.Sequential([cellstep.Input((None, I)), layer, layers.Dense(1)], name="net")


def compiled(**options: Any) -> Any:
    net = model(**options)
    net.compile("adam", "mse")
    return net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ops_run_it_on_every_backend(backend: kernels.Backend, dtype: str) -> None:
    weights = [normal(*shape, seed=k).astype(dtype) / 2 for k, shape in enumerate(ROW.shapes({"I": I, "H": H}, {}))]
    x, states, dy = normal(B, T, I), [normal(B, H, seed=1), normal(B, H, seed=2)], normal(B, T, H, seed=3)
    calls = {"mask": normal(B, T, seed=4) > -1, "resets": normal(B, T, seed=5) > 1, "sequences": True, "tape": True}
    answers = []
    for each in (backend, kernels.load("numpy")):
        packed = core.pack(ROW, *weights, backward=True, backend=each, **ROW.defaults)
        assert packed.backend.name == ("numba" if each.name == "numba" else "numpy")
        y, last, pullback = core.forward(packed, x, states, **calls)
        dweights = [np.zeros_like(w) for w in weights]
        dx, dfirst = pullback(dy, [None, None], dweights)
        gates, kept = pullback.read()
        answers.append([y, *last, dx, *dfirst, *dweights, gates, *kept])
    for name, (actual, expected) in enumerate(zip(*answers, strict=True)):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-13, err_msg=name)


def test_weights_options_and_states_follow_from_the_row() -> None:
    layer = with_peepholes(PeepLSTM(H, return_state=True))
    assert [w.name for w in layer.weights] == WEIGHTS
    assert [w.shape for w in layer.weights] == [(I, 4 * H), (H, 4 * H), (4 * H,), (H,), (H,), (H,)]
    assert [a.shape for a in layer(normal(B, T, I))] == [(B, H)] * 3
    assert layer.cell.state_size == [H, H]
    assert layer_of(ROW.name) is PeepLSTM
    over = layers.RNN(PeepLSTMCell(H))
    over.build((None, None, I))
    over.set_weights(layer.get_weights())
    np.testing.assert_array_equal(over(normal(B, T, I)), layer(normal(B, T, I))[0])
    with pytest.raises(TypeError, match="activtion"):
        PeepLSTM(H, activtion="tanh")


@pytest.mark.parametrize(
    "options", [{}, {"go_backwards": True}, {"use_bias": False}, {"num_layers": 2}, {"recurrent_activation": "silu"}]
)
def test_gradients_are_differences_of_the_loss(backend: kernels.Backend, options: dict[str, Any]) -> None:
    with kernels.use(backend.name):
        layer = with_peepholes(PeepLSTM(H, return_sequences=True, dtype="float64", **options))
        x, dy = normal(B, T, I), normal(B, T, H, seed=1)
        calls = {"mask": normal(B, T, seed=2) > -1, "resets": normal(B, T, seed=3) > 1}
        _, pullback = layer.forward(x, **calls)
        dx = pullback(dy)
        arrays = [(x, dx), *((w.numpy(), w.grad.copy()) for w in layer.weights)]

        def loss(values: list[Any]) -> float:
            layer.set_weights(values[1:])
            return float((layer(values[0], **calls) * dy).sum())

        for k, (array, gradient) in enumerate(arrays):
            values = [a for a, _ in arrays]
            direction = normal(*array.shape, seed=9)
            up, down = (loss([*values[:k], array + e * direction, *values[k + 1 :]]) for e in (1e-6, -1e-6))
            np.testing.assert_allclose((gradient * direction).sum(), (up - down) / 2e-6, rtol=1e-6, atol=1e-8)


def test_fit_evaluate_and_predict() -> None:
    net, x = compiled(recurrent_dropout=0.1), normal(64, T, I)
    y = x[:, 0, :1] * x[:, -1, 1:2]
    before = [w.numpy().copy() for w in net.weights]
    losses = net.fit(x, y, epochs=8, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert all((w.numpy() != old).any() for w, old in zip(net.weights, before, strict=True))
    assert net.evaluate(x, y, verbose=0) == pytest.approx(
        float(((net.predict(x, verbose=0) - y) ** 2).mean()), rel=1e-5
    )
    both = layers.Bidirectional(PeepLSTM(H))
    assert both(x).shape == (64, 2 * H)


def test_a_stream_gives_what_the_sequence_gives(backend: kernels.Backend) -> None:
    with kernels.use(backend.name):
        net = model(return_sequences=True)
        x = normal(B, T, I).astype("float32")
        whole, stream = net(x), net.stream(B)
        np.testing.assert_allclose(np.stack([stream.step(x[:, t]) for t in range(T)], axis=1), whole, atol=1e-6)


def test_a_file_brings_it_back(tmp_path: Path) -> None:
    net, x = compiled(), normal(B, T, I)
    net.fit(x, normal(B, 1), verbose=0)
    net.save(tmp_path / "net.keras")
    again = cellstep.models.load_model(tmp_path / "net.keras")
    assert type(again.layers[0]) is PeepLSTM
    np.testing.assert_array_equal(again(x), net(x))
    net.save_weights(tmp_path / "net.weights.h5")
    other = model()
    other.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_array_equal(other(x), net(x))


def test_summary_and_explain_say_what_it_is_and_where_it_runs(backend: kernels.Backend) -> None:
    net, said = compiled(), list[str]()
    net.summary(print_fn=said.append)
    assert "memory (PeepLSTM)" in "\n".join(said)
    with kernels.use(backend.name):
        net.explain(print_fn=said.append)
    if backend.name == "cython":
        assert "peephole_lstm_forward and _backward of numpy" in said[-1]
        assert "slowly: backend cython does not have this cell" in said[-1]
    else:
        assert f"peephole_lstm_forward and _backward of {backend.name}" in said[-1]
        assert "at full speed" in said[-1]


def test_the_lab_looks_into_it() -> None:
    from cellstep import lab

    net, x, y = compiled(), normal(B, T, I), normal(B, 1)
    gates = lab.gates(net, x)
    assert gates.kind == ROW.title
    assert list(gates.gates) == ["forget", "input", "candidate", "output"]
    flow = lab.gradient_flow([net, ROW.title, "LSTM"], x, scales=[1.0], units=H)
    assert [curve.kind for curve in flow.curves] == [ROW.title, ROW.title, "LSTM"]
    monitor = lab.GradientMonitor()
    net.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
    assert "memory" in monitor.summary()
    assert "input_peephole_kernel" in lab.unroll(net, T).summary()
    assert {*lab.bptt(net, x, y).layers[0].gradients} == {*WEIGHTS}


def test_the_lab_asks_the_row_for_the_layer_whatever_its_class_is_called() -> None:
    from cellstep import lab
    from cellstep.lab.cell_rows import layer_over, titles

    before = titles()
    row = dataclasses.replace(ROW, name="other_lstm", title="Other")
    kernels.add_cell(row, adding_a_cell.step)
    try:
        assert titles() == before  # it has no layer, and studies of all cells go without it
        with pytest.raises(ValueError, match=r"^models must be models, layers or some of .*, got 'Other'$"):
            lab.gradient_flow(["Other", "LSTM"], normal(B, T, I), units=H)
        cell = type("OtherCell", (PeepLSTMCell,), {"contract": row})
        layer = type("LayerOfMine", (PeepLSTM,), {"cell_class": cell})
        assert titles() == [*before, "Other"]
        assert layer_over("Other") is layer
        assert layer_over(ROW.title) is PeepLSTM
        flow = lab.gradient_flow(["Other", "LSTM"], normal(B, T, I), scales=[1.0], units=H)
        assert [curve.kind for curve in flow.curves] == ["Other", "LSTM"]
    finally:
        kernels.remove_cell(row.name)


def test_estimators_take_its_name() -> None:
    pytest.importorskip("sklearn")
    from cellstep.sklearn import RNNClassifier

    x = normal(24, T, I)
    y = (x[:, -1, 0] > 0).astype(int)
    net = RNNClassifier(ROW.name, units=H, epochs=1, random_state=0).fit(x, y)
    assert net.predict(x).shape == (24,)


def test_the_bench_times_it_and_checks_its_answers() -> None:
    from cellstep.benchmarks import compare, shapes
    from cellstep.benchmarks.answers import check
    from cellstep.benchmarks.problem import Problem

    assert ROW.name in shapes.cells()
    for work in shapes.TABLE:
        problem = Problem(ROW.name, work, shapes.Shape(T, 1 if work == "step" else B, I, H))
        contenders = compare.names(work, ROW.name, {}, ("cython", "numba", "reference", "padded"))
        assert len(contenders) >= 3
        for name in contenders:
            check(problem, name, compare.contender(name, problem, 1, {}))


@pytest.mark.parametrize(
    "files",
    [
        ["test_cells.py", "test_contract.py", "test_gradients.py", "test_resets.py"],
        ["test_invariants.py", "test_numba_thread_pool.py"],
    ],
    ids=lambda files: files[0],
)
def test_the_tables_of_the_tests_take_it_up(files: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "adding_a_cell.registered", "-p", "no:cacheprovider"]
    paths = [TESTS / "kernels" / file for file in files if (TESTS / "kernels" / file).exists()]
    done = subprocess.run(
        [*command, "-k", f"{ROW.name} and not cython and not every_activation", *paths],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 20
    assert "failed" not in done.stdout
