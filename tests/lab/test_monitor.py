"""GradientMonitor: its numbers by other ways, that it changes nothing, and what it says of nets made to go wrong."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cellstep
from cellstep import lab, layers
from cellstep.lab.analysis.gradient_monitor import GradientWarning

Array = NDArray[Any]
B, T, FEATURES = 8, 12, 3


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def net(*parts: Any, optimizer: Any = "sgd") -> cellstep.Sequential:
    model = cellstep.Sequential([cellstep.Input((None, FEATURES)), *parts, layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


@pytest.fixture(autouse=True)
def _seeded() -> None:
    cellstep.set_random_seed(3)


def fit(model: Any, monitor: Any, x: Array | None = None, epochs: int = 1, **options: Any) -> Any:
    x = normal(2 * B, T, FEATURES) if x is None else x
    y = normal(len(x), 1, seed=1)
    return model.fit(x, y, batch_size=B, epochs=epochs, shuffle=False, verbose=0, callbacks=[monitor], **options)


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_training_is_the_same_to_the_bit(kind: Any) -> None:
    found = []
    for callbacks in ([], [lab.GradientMonitor(exploding=0, verbose=1, patience=1)]):
        cellstep.set_random_seed(3)
        model = net(layers.Bidirectional(kind(5, return_sequences=True)), kind(4), optimizer="adam")
        x, y = normal(3 * B, T, FEATURES), normal(3 * B, 1, seed=1)
        model.fit(x, y, batch_size=B, epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_numbers_are_those_of_the_lab(kind: Any) -> None:
    """The first step, whose weights are those before training."""
    x, y = normal(B, T, FEATURES), normal(B, 1, seed=1)
    model = net(kind(5, name="cell"))
    with layers.trace() as runs:
        gradients, loss = model.gradients(x, y)
    through, gates = lab.bptt(model, x, y), lab.gates(model, x[:4])
    monitor = lab.GradientMonitor()
    fit(model, monitor, x)
    (record,) = monitor.records
    assert record.step == 0
    assert record.loss == pytest.approx(loss, rel=1e-6)
    assert record.gradients == pytest.approx({p: np.linalg.norm(g) for p, g in gradients.items()}, rel=1e-5)
    layer = record.layers["cell"]
    np.testing.assert_allclose(layer.dh, through.layers[0].dh[1:], rtol=1e-5)
    assert runs[0].gradients is not None
    first, last = (np.sqrt(sum((g[:, t] ** 2).sum() for g in runs[0].gradients)) for t in (0, -1))
    assert layer.kept == pytest.approx(first / last, rel=1e-5)
    assert layer.saturated == pytest.approx(dict(gates.saturated))
    assert (layer.kind, layer.units, layer.dead) == (kind.__name__, 5, 0)


def test_saturation_and_dead_units_of_the_steps_that_run() -> None:
    model = cellstep.Sequential([layers.Masking(), layers.LSTM(5, name="cell"), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = 20 * normal(B, T, FEATURES)
    x[0, 3:], x[1], x[2, ::2] = 0, 0, 0
    gates = lab.gates(model, x[:4])
    monitor = lab.GradientMonitor()
    fit(model, monitor, x)
    layer = monitor.records[0].layers["cell"]
    assert layer.saturated == pytest.approx(dict(gates.saturated))
    assert 0.3 < layer.saturated["forget"] < 1


def test_a_net_that_forgets() -> None:
    model = net(layers.SimpleRNN(6, name="cell"))
    model.layers[0].cell.recurrent_kernel.assign(0.2 * np.eye(6))
    monitor = lab.GradientMonitor()
    with pytest.warns(GradientWarning) as caught:
        fit(model, monitor, normal(10 * B, T, FEATURES))
    assert len(caught) == 1
    (sentence,) = monitor.warnings
    assert str(caught[0].message) == sentence
    assert caught[0].filename == __file__  # where fit is called
    dh = monitor.records[2].layers["cell"].dh
    ratio = dh[0] / dh[-1]
    assert ratio < 1e-3
    assert sentence.startswith("Training step 2: cell (SimpleRNN): gradients vanish.")
    assert f"{ratio:.2e} of one is left after 11 steps back" in sentence
    assert "LSTM or a GRU" in sentence
    assert sentence in monitor.summary()


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_what_is_kept_where_the_loss_sees_every_step(kind: Any) -> None:
    """Held against one backward pass for each step, from the gradient that is there and from nothing else."""
    layer = kind(5, name="cell", return_sequences=True)
    model = cellstep.Sequential([cellstep.Input((None, FEATURES)), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = normal(B, T, FEATURES), normal(B, T, 1, seed=1)
    again = kind(5, return_state=True)
    again.build((None, None, FEATURES))
    again.set_weights(layer.get_weights())
    with layers.trace() as runs:
        model.gradients(x, y)
    assert runs[0].gradients is not None
    logs = []
    for t in range(1, T):
        states = again(x[:, :t])[1:]
        _, back = again.forward(x[:, t : t + 1], initial_state=states)
        arrived = [g[:, t] for g in runs[0].gradients]
        _, left = back([None, *arrived])
        logs.append(0.5 * np.log(sum((a**2).sum() for a in left) / sum((a**2).sum() for a in arrived)))
    monitor = lab.GradientMonitor()
    model.fit(x, y, batch_size=B, verbose=0, callbacks=[monitor])
    assert monitor.records[0].layers["cell"].kept == pytest.approx(np.exp(sum(logs)), rel=1e-3)


def test_a_net_that_forgets_though_the_loss_sees_every_step() -> None:
    model = net(layers.SimpleRNN(6, name="cell", return_sequences=True))
    model.layers[0].cell.recurrent_kernel.assign(0.2 * np.eye(6))
    monitor = lab.GradientMonitor(patience=1)
    x = normal(B, T, FEATURES)
    with pytest.warns(GradientWarning, match="gradients vanish"):
        model.fit(x, x[:, :, :1], batch_size=B, verbose=0, callbacks=[monitor])
    dh = monitor.records[0].layers["cell"].dh
    assert dh[0] > 0.1 * dh[-1]


def test_a_net_that_explodes() -> None:
    model = net(layers.SimpleRNN(2, activation="linear", name="cell"), optimizer=cellstep.optimizers.SGD(0.0))
    model.layers[0].cell.recurrent_kernel.assign(3 * np.eye(2))
    monitor = lab.GradientMonitor(patience=1)
    with pytest.warns(GradientWarning, match="gradients explode"):
        fit(model, monitor)
    # eleven steps from h_12 to h_1, threefold each
    assert monitor.records[0].layers["cell"].kept == pytest.approx(3**11, rel=1e-5)
    assert "One is 1.77e+05 times as large after 11 steps back" in monitor.warnings[0]
    assert "clipnorm" in monitor.warnings[0]


def test_gates_that_saturate_and_units_that_die() -> None:
    model = net(layers.GRU(4, name="gated", return_sequences=True), layers.SimpleRNN(4, activation="relu", name="relu"))
    x = 1e4 * normal(4 * B, T, FEATURES)
    model.layers[1].cell.bias.assign(np.array([-100, -100, 0, 0]))
    monitor = lab.GradientMonitor(vanishing=0)
    with pytest.warns(GradientWarning):
        fit(model, monitor, x)
    assert monitor.records[0].layers["relu"].dead == 2
    said = "\n".join(monitor.warnings)
    assert "gated (GRU): " in said
    assert "of the values of its update gate are saturated" in said
    assert "of the values of its candidate are saturated" in said
    assert "relu (SimpleRNN): 2 of 4 units are dead" in said
    assert len(set(monitor.warnings)) == len(monitor.warnings)


def test_a_gate_that_holds_is_no_fault() -> None:
    for bias, warned in ((100, False), (-100, True)):
        model = net(layers.LSTM(4, name="gated", bias_initializer=cellstep.initializers.Constant(0)))
        model.layers[0].cell.bias.assign(bias * (np.arange(16) // 4 == 1))
        monitor = lab.GradientMonitor(vanishing=0, verbose=1)
        fit(model, monitor, normal(4 * B, T, FEATURES))
        assert monitor.records[0].layers["gated"].saturated["forget"] == 1
        assert monitor.records[0].layers["gated"].held == (bias > 0)
        assert ("forget gate are saturated" in "\n".join(monitor.warnings)) == warned


def test_numbers_that_are_none() -> None:
    model, x = net(layers.GRU(4)), normal(2 * B, T, FEATURES)
    x[B + 1, 3, 0] = np.nan
    monitor = lab.GradientMonitor()
    with pytest.warns(GradientWarning, match=r"Training step 1: the gradient of gru.*/kernel is not finite"):
        fit(model, monitor, x)
    assert len(monitor.warnings) == 1


def test_patience_and_printing(capsys: pytest.CaptureFixture[str]) -> None:
    for patience, steps in ((4, 3), (3, 3)):
        model = net(layers.SimpleRNN(6, name="cell"))
        model.layers[0].cell.recurrent_kernel.assign(0.2 * np.eye(6))
        monitor = lab.GradientMonitor(patience=patience, verbose=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit(model, monitor, normal(steps * B, T, FEATURES))
        assert len(monitor.warnings) == (1 if steps >= patience else 0)
        assert capsys.readouterr().out == "".join(f"{sentence}\n" for sentence in monitor.warnings)
    quiet = lab.GradientMonitor()
    fit(net(layers.LSTM(4)), quiet)
    assert not quiet.warnings
    assert "Nothing was found to be wrong." in quiet.summary()


def test_every_and_epochs() -> None:
    monitor = lab.GradientMonitor(every=3)
    fit(net(layers.GRU(4)), monitor, normal(4 * B, T, FEATURES), epochs=2)
    assert [record.step for record in monitor.records] == [0, 3, 6]


def test_windows_stacks_and_calls_of_shared_layers() -> None:
    model = cellstep.Sequential([layers.GRU(4, num_layers=2, return_sequences=True, name="top"), layers.Dense(1)])
    model.compile("sgd", "mse")
    monitor = lab.GradientMonitor()
    x = normal(B, T, FEATURES)
    model.fit(x, x[:, :, :1], batch_size=B, verbose=0, tbptt=(4, 8), callbacks=[monitor])
    names = list(monitor.records[0].layers)
    assert names[0] == "top/cells/gru_cell"
    assert len(names) == 6
    assert {len(layer.dh) for layer in monitor.records[0].layers.values()} == {4, 8}


def test_an_error_ends_the_watching() -> None:
    model, monitor = net(layers.GRU(4)), lab.GradientMonitor()

    class Stops(cellstep.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            raise KeyError("stop")

    with pytest.raises(KeyError):
        model.fit(normal(B, T, FEATURES), normal(B, 1), verbose=0, callbacks=[monitor, Stops()])
    before = len(monitor._runs)
    model.gradients(normal(B, T, FEATURES), normal(B, 1))
    assert len(monitor._runs) == before == 0
    assert monitor.records == []
    assert "Nothing was recorded" in monitor.summary()


def test_the_table_and_the_errors() -> None:
    monitor = lab.GradientMonitor()
    fit(net(layers.LSTM(4, name="cell")), monitor, normal(20 * B, T, FEATURES))
    header, rows = monitor.table()
    ratios = [record.layers["cell"].kept for record in monitor.records]
    assert rows[0][0:2] == ["cell", "20"]
    assert float(rows[0][2]) == pytest.approx(np.median(ratios[:2]), rel=5e-3)
    assert float(rows[0][3]) == pytest.approx(np.median(ratios[-2:]), rel=5e-3)
    assert len(rows[0]) == len(header)
    with pytest.raises(ValueError, match="model must have a recurrent layer"):
        fit(net(layers.GlobalAveragePooling1D()), lab.GradientMonitor())
    for options, message in (
        ({"every": 0}, "every must be"),
        ({"saturated": 2}, "saturated must be a finite number from 0 to 1, got 2"),
        ({"verbose": 2}, "verbose must be 0 or 1, got 2"),
    ):
        with pytest.raises(ValueError, match=message):
            lab.GradientMonitor(**options)  # type: ignore[arg-type]


def test_large_gradients_do_not_overflow() -> None:
    from cellstep.lab.analysis.gradient_monitor import _norm, _squares

    big = np.full((2, 3, 4), 1e25, np.float32)
    np.testing.assert_allclose(_squares(big), 8e50, rtol=1e-6)
    assert _norm(big) == pytest.approx(1e25 * 24**0.5, rel=1e-6)
    assert np.isnan(_norm(big * np.float32(np.nan)))
