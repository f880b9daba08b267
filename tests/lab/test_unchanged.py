"""What only looks at a model changes nothing in it, and no random numbers of anybody's; also where it raises."""

from __future__ import annotations

import contextlib
import copy
import pickle
import random as python_random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import lab, layers, seeds
from cellstep.layers import names
from cellstep.utils import plot_model

B, T, F = 3, 5, 2


class Breaks(layers.Layer):
    """Passes its inputs on, and counts and draws; raises on the way there or back where it is told to."""

    at = ""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.noise = 0, np.random.default_rng(1)

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        self.calls += 1
        self.noise.random()
        np.random.random(), python_random.random(), seeds.make_seed()  # noqa: NPY002
        if Breaks.at == "forward":
            raise KeyboardInterrupt

        def pullback(dy: Any, need_dx: bool = True) -> Any:
            if Breaks.at == "back":
                raise KeyboardInterrupt
            return dy

        return x, pullback


class ByHand(cellstep.Model):
    """A model with a forward of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.norm = layers.GRU(4, stateful=True, dropout=0.3), layers.BatchNormalization()
        self.breaks = Breaks()

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        h, back = self.rnn.forward(x, training=training)
        n, norm_back = self.norm.forward(h, training=training)
        y, last_back = self.breaks.forward(n)
        return y, lambda dy, need_dx=True: back(norm_back(last_back(dy)), need_dx)


def chain(*parts: Any) -> Callable[[], Any]:
    return lambda: cellstep.Sequential([layers.Input((T, F), batch_size=B), *(part() for part in parts), Breaks()])


LSTM, GRU, RNN = layers.LSTM, layers.GRU, layers.RNN
MODELS: dict[str, Callable[[], Any]] = {
    "stateful": chain(lambda: LSTM(4, stateful=True, return_sequences=True), lambda: GRU(4, stateful=True)),
    "dropout": chain(lambda: LSTM(4, dropout=0.5, recurrent_dropout=0.5), lambda: layers.Dropout(0.5)),
    "noise": chain(lambda: layers.GaussianNoise(0.5), lambda: layers.SimpleRNN(4)),
    "normalization": chain(lambda: layers.BatchNormalization(), lambda: LSTM(4)),
    "bidirectional": chain(lambda: layers.Bidirectional(LSTM(4, stateful=True, dropout=0.2), "sum")),
    "stack": chain(lambda: RNN([layers.LSTMCell(4, dropout=0.5), layers.GRUCell(4)], stateful=True)),
    "deep": chain(lambda: LSTM(4, num_layers=2, stateful=True)),
    "inner model": chain(lambda: cellstep.Sequential([LSTM(4, stateful=True), layers.BatchNormalization()])),
    "penalties": chain(lambda: LSTM(4, activity_regularizer="l2", kernel_regularizer="l2", stateful=True)),
    "by hand": ByHand,
}


def made(name: str) -> Any:
    """A model that has trained, with states, statistics, moments and gradients that are not zero."""
    model = MODELS[name]()
    model.compile(cellstep.optimizers.Adam(global_clipnorm=1.0), "mse", metrics=["mae"])
    model.train_on_batch(*DATA)
    model.predict(DATA[0], batch_size=B, verbose=0)
    for weight in model.trainable_weights:
        weight.grad[...] = np.arange(weight.size).reshape(weight.shape)
    return model


def frozen(thing: Any, seen: dict[int, int]) -> Any:
    """All that hangs on an object, as values that can be compared; but for caches, and versions, which caches read."""
    if isinstance(thing, np.ndarray):
        return thing.shape, thing.dtype.str, thing.tobytes()
    if isinstance(thing, np.random.Generator):
        return repr(thing.bit_generator.state)
    if thing is None or isinstance(thing, (bool, int, float, str, bytes, np.generic, np.dtype, type)):
        return thing
    if id(thing) in seen:
        return "again", seen[id(thing)]
    seen[id(thing)] = len(seen)
    if isinstance(thing, (list, tuple)):
        return [frozen(part, seen) for part in thing]
    if isinstance(thing, dict):
        return [(frozen(key, seen), frozen(value, seen)) for key, value in thing.items()]
    kept = {k: v for k, v in getattr(thing, "__dict__", {}).items() if k not in ("version", "_view", "_lock")}
    names = {k: v for k, v in kept.items() if k == "_cached_penalties" or not k.startswith("_cached")}
    return type(thing).__name__, {k: frozen(v, seen) for k, v in names.items() if not callable(v) or hasattr(v, "name")}


def everything(model: Any) -> Any:
    sources = seeds._root.bit_generator.state, python_random.getstate(), np.random.get_state()  # noqa: NPY002
    return frozen(model, {}), model.losses, model.metrics_names, repr(sources), dict(names._names)


rng = np.random.default_rng(0)
DATA = rng.standard_normal((B, T, F)).astype("f4"), rng.standard_normal((B, 4)).astype("f4")

RUN: dict[str, Callable[[Any], Any]] = {
    "gradients": lambda model: model.gradients(*DATA),
    "gates": lambda model: lab.gates(model, DATA[0]),
    "lyapunov": lambda model: lab.lyapunov(model, DATA[0]),
    "bptt": lambda model: lab.bptt(model, *DATA),
    "flow": lambda model: lab.gradient_flow([model, "LSTM"], DATA[0]),
    "flow of the loss": lambda model: lab.gradient_flow([model, "GRU"], *DATA, scales=(1, 2), clipnorm=1.0),
}
SHOW: dict[str, Callable[[Any], Any]] = {
    "explain": lambda model: model.explain(),
    "summary": lambda model: model.summary(print_fn=lambda line: None),
    "configuration": lambda model: model.get_config() if model._graph is not None else None,
    "shape": lambda model: model.compute_output_shape((B, T, F)) if model._graph is not None else None,
    "copy": lambda model: (copy.deepcopy(model), pickle.dumps(model)),
    "file": lambda model: model.to_json() if model._graph is not None else None,
    "losses": lambda model: (model.losses, model.metrics_names, model.count_params(), model.get_weights()),
    "states": lambda model: [layer.states for layer in model.layers if hasattr(layer, "states")],
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("look", RUN | SHOW)
def test_looking_changes_nothing(name: str, look: str) -> None:
    model = made(name)
    before = everything(model)
    (RUN | SHOW)[look](model)
    assert everything(model) == before


@pytest.mark.parametrize("at", ["forward", "back"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("look", RUN)
def test_looking_changes_nothing_where_it_is_interrupted(
    name: str, look: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made(name)
    before = everything(model)
    monkeypatch.setattr(Breaks, "at", at)
    with contextlib.suppress(KeyboardInterrupt):
        RUN[look](model)
    assert everything(model) == before


@pytest.mark.parametrize("name", MODELS)
def test_what_is_frozen_sees_a_step(name: str) -> None:
    """So that the tests above can fail: training on, and each thing alone."""
    model = made(name)
    before = everything(model)
    model.gradients(*DATA, advance=True)
    assert everything(model) != before
    for change in (
        lambda: model.trainable_weights[0].grad.fill(7),
        lambda: np.random.random(),  # noqa: NPY002
        lambda: layers.Dense(3),
        lambda: model.test_on_batch(*DATA),
        lambda: model.optimizer.apply(),
    ):
        before = everything(model)
        change()
        assert everything(model) != before


@pytest.mark.parametrize("name", [name for name in MODELS if name != "by hand"])
def test_pictures_change_nothing(name: str, tmp_path: Path) -> None:
    model = made(name)
    before = everything(model)
    plot_model(model, tmp_path / "model.dot", show_shapes=True)
    lab.unroll(model, T)
    assert everything(model) == before


@pytest.mark.parametrize("name", MODELS)
def test_a_report_and_a_file_change_nothing(name: str, tmp_path: Path) -> None:
    model = made(name)
    before = everything(model)
    pytest.importorskip("h5py")
    pytest.importorskip("matplotlib")
    model.save_weights(tmp_path / "model.weights.h5")
    lab.report(lab.gates(model, DATA[0]), tmp_path / "report.html")
    assert everything(model) == before


def test_a_stream_changes_nothing_in_its_model() -> None:
    model = cellstep.Sequential([layers.Input((T, F)), LSTM(4, dropout=0.5), layers.Dense(2)])
    model.compile("adam", "mse")
    before = everything(model)
    stream = model.stream(batch_size=B)
    stream.step(DATA[0][:, 0])
    stream.steps(DATA[0])
    assert everything(model) == before


@pytest.mark.parametrize("name", MODELS)
def test_a_look_sees_the_same_twice(name: str) -> None:
    model = made(name)
    one, other = model.gradients(*DATA), model.gradients(*DATA)
    assert one[1] == other[1]
    for path, gradient in one[0].items():
        np.testing.assert_array_equal(gradient, other[0][path])


@pytest.mark.parametrize("name", MODELS)
def test_gradients_that_advance_leave_what_a_step_leaves(name: str) -> None:
    cellstep.set_random_seed(3)
    model = made(name)
    cellstep.set_random_seed(3)
    names.reset_names()
    same = made(name)
    same.optimizer.learning_rate = model.optimizer.learning_rate = 0.0
    before = [w.numpy() for w in model.weights]
    _, loss = model.gradients(*DATA, advance=True)
    again = same.train_on_batch(*DATA)
    assert loss == pytest.approx(again[0], rel=1e-6)
    for ours, theirs, old in zip(model.weights, same.weights, before, strict=True):
        np.testing.assert_array_equal(ours.value, theirs.value)
        assert not ours.trainable or np.array_equal(ours.value, old)
    assert model.gradients(*DATA)[1] == same.gradients(*DATA)[1]


def test_every_scale_starts_from_the_same_states() -> None:
    model = made("stateful")
    result = lab.gradient_flow(model, *DATA, scales=(1.0, 1.0, 1.0))
    for curves in zip(*[iter(result.curves)] * 3, strict=True):
        for curve in curves[1:]:
            np.testing.assert_array_equal(curve.loss, curves[0].loss)
            np.testing.assert_array_equal(curve.chain, curves[0].chain)


def test_a_scale_counts_for_weights_that_are_not_made_yet() -> None:
    def flow(built: bool) -> Any:
        layer = LSTM(4, kernel_initializer="ones", recurrent_initializer="ones", stateful=True)
        if built:
            layer.build((B, T, F))
        result = lab.gradient_flow(layer, DATA[0], scales=(0.5, 2.0))
        assert layer.states is None
        return [curve.loss for curve in result.curves]

    np.testing.assert_array_equal(flow(False), flow(True))


def test_a_model_that_is_made_by_a_look_begins_its_states_anew() -> None:
    net = ByHand()
    net.compile("sgd", "mse")
    net.gradients(*DATA)
    assert net.rnn.states is None
    assert not np.any(net.norm.moving_mean.numpy())


def test_an_error_in_a_step_puts_the_states_of_a_bidirectional_layer_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("bidirectional")
    before = [s.copy() for s in model.layers[0].states]
    monkeypatch.setattr(Breaks, "at", "back")
    with pytest.raises(KeyboardInterrupt):
        model.train_on_batch(*DATA)
    for now, then in zip(model.layers[0].states, before, strict=True):
        np.testing.assert_array_equal(now, then)
