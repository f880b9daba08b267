"""Recurrent layers whose kernels run at the same time, in both directions or on top of each other, give what each gives
when it runs by itself: to the bit, on any number of threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, get_num_threads, kernels, set_num_threads, set_random_seed
from cellstep.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    GRUCell,
    LSTMCell,
    Masking,
    SimpleRNN,
    bidirectional,
    graph,
)
from cellstep.models import plan

T, I, H = 90, 5, 24  # noqa: E741 - the contract's letter

#: What both directions or all layers are made with.
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"dropout": 0.3, "recurrent_dropout": 0.2},
    "recurrent dropout": {"recurrent_dropout": 0.4},
    "stateful": {"stateful": True},
    "states": {"return_state": True},
    "last": {"return_sequences": False},
    "last and states": {"return_sequences": False, "return_state": True},
    "learned first states": {"trainable_initial_state": True},
    "zeros": {"zero_output_for_mask": True},
    "backwards": {"go_backwards": True},
}
MASKS: dict[str, Callable[[int], Any]] = {
    "none": lambda B: None,
    "right": lambda B: np.arange(T) < np.random.default_rng(B).integers(1, T + 1, B)[:, None],
    "holes": lambda B: np.random.default_rng(B).random((B, T)) < 0.7,
}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    most = get_num_threads()
    yield
    set_num_threads(most)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes each layer run by itself, on one thread."""

    def now() -> None:
        set_num_threads(1)
        for module in (bidirectional, graph):
            monkeypatch.setattr(module, "in_phases", lambda layer, context: False)

    return now


def arrays(values: Any) -> list[Any]:
    return [a for v in values for a in arrays(v)] if isinstance(values, (list, tuple)) else [values]


def same(answers: list[list[Any]]) -> None:
    for other in answers[1:]:
        for a, b in zip(answers[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def passes(layer: Any, x: Any, mask: Any, initial_state: Any = None) -> list[Any]:
    """Two passes with gradients of all that a layer gives, and one without."""
    written = []
    named = {} if initial_state is None else {"initial_state": initial_state}
    for weight in layer.weights:
        weight.grad[...] = 0
    for _ in range(2):
        y, pullback = layer.forward(x, mask, training=True, **named)
        dy = [np.cos(np.arange(a.size, dtype="f4")).reshape(a.shape) for a in arrays([y])]
        written += [*arrays([y]), *arrays([pullback(dy if isinstance(y, list) else dy[0])])]
    written += [*arrays([layer(x, mask=mask, **named)]), *(weight.grad.copy() for weight in layer.weights)]
    return [np.array(a) for a in written]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None], ids=str)
@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
@pytest.mark.parametrize("batch", [1, 6, 40])
def test_both_directions(cell: Any, merge: str | None, mask: str, batch: int, apart: Callable[[], None]) -> None:
    x, answers = np.random.default_rng(0).standard_normal((batch, T, I)).astype("f4"), []
    layer = Bidirectional(cell(H, return_sequences=True), merge_mode=merge)
    layer(x)
    for n in (1, 2, 4):
        set_num_threads(n)
        answers.append(passes(layer, x, MASKS[mask](batch)))
    apart()
    answers.append(passes(layer, x, MASKS[mask](batch)))
    same(answers)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("options", [name for name in OPTIONS if name != "backwards"])
def test_both_directions_with_options(options: str, mask: str, apart: Callable[[], None]) -> None:
    x, answers = np.random.default_rng(0).standard_normal((3, T, I)).astype("f4"), []
    given = [np.full((3, H), v, "f4") for v in (0.1, 0.2, 0.3, 0.4)] if options == "last and states" else None
    for how in (1, 2, 4, "apart"):
        if how == "apart":
            apart()
        else:
            set_num_threads(how)
        set_random_seed(3)
        layer = Bidirectional(LSTM(H, **{"return_sequences": True, **OPTIONS[options]}))
        answers.append(passes(layer, x, MASKS[mask](3), given))
        if layer.states is not None:
            answers[-1] += [s.copy() for s in layer.states]
    same(answers)


def test_stacked_cells_in_both_directions(apart: Callable[[], None]) -> None:
    x, answers = np.random.default_rng(0).standard_normal((2, T, I)).astype("f4"), []
    for dropout in (0.0, 0.3):
        answers = []
        for how in (1, 2, "apart"):
            apart() if how == "apart" else set_num_threads(how)
            set_random_seed(3)
            cells = [LSTMCell(H), GRUCell(H, dropout=dropout), LSTMCell(H)]
            answers.append(passes(Bidirectional(RNN(cells, return_sequences=True)), x, None))
        same(answers)


def stack(options: dict[str, Any], at: int = 1) -> Any:
    """Three layers, of which the options are those of the one at this place."""
    kinds: list[Any] = [LSTM, GRU, SimpleRNN]
    cells = [kind(H, return_sequences=True, **(options if i == at else {})) for i, kind in enumerate(kinds)]
    model = Sequential([Input((T, I)), Masking(), *cells, Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(
    "options",
    ["plain", "dropout", "recurrent dropout", "learned first states", "zeros", "backwards", "stateful", "float64"],
)
def test_layers_on_top_of_each_other(options: str, at: int, mask: str, apart: Callable[[], None]) -> None:
    x, answers = np.random.default_rng(0).standard_normal((8, T, I)).astype("f4"), []
    runs = MASKS[mask](8)
    if runs is not None:
        x[~runs] = 0
    for how in (1, 2, 4, "apart"):
        apart() if how == "apart" else set_num_threads(how)
        set_random_seed(3)
        model = stack({"dtype": "float64"} if options == "float64" else OPTIONS[options], at)
        model.fit(x, x[..., :1], batch_size=4, epochs=2, verbose=0)
        loss = model.evaluate(x, x[..., :1], batch_size=4, verbose=0)
        answers.append([model.predict(x, batch_size=4, verbose=0), model(x[:4]), loss, *model.get_weights()])
    same(answers)


def test_which_layers_run_as_one() -> None:
    def lengths(model: Any) -> int:
        sequence = plan.layer_sequence(model)
        assert sequence is not None
        return len(sequence.calls)

    model = Sequential([Input((T, I)), LSTM(I, return_sequences=True), GRU(H, return_sequences=True), LSTM(H)])
    assert lengths(model) == 1
    x = y = np.ones((2, T, I), "f4")
    for layer in model.layers:
        y = layer(y)
    np.testing.assert_array_equal(model.predict(x, verbose=0), y)
    shared, start = LSTM(I, return_sequences=True), Input((T, I))
    twice = Model(start, shared(shared(start)))
    assert lengths(twice) == 2
    np.testing.assert_array_equal(twice.predict(x, verbose=0), shared(shared(x)))


def branches(middle: str) -> Any:
    """Two stacks of two layers that read the same input; "seen": what is between the first two is an output too."""
    start = Input((T, I))
    below = LSTM(H, return_sequences=True)(start)
    left = GRU(H, return_sequences=True)(below)
    right = LSTM(H)(SimpleRNN(H, return_sequences=True)(start))
    return Model(start, [left, right, below] if middle == "seen" else [left, right])


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("frozen", [None, 0, 1, 2])
@pytest.mark.parametrize("kind", ["line", "apart", "seen"])
def test_forward_and_pullback_of_models(kind: str, frozen: int | None, mask: str, apart: Callable[[], None]) -> None:
    x, answers = np.random.default_rng(0).standard_normal((3, T, I)).astype("f4"), []
    for how in (1, 2, "apart"):
        apart() if how == "apart" else set_num_threads(how)
        set_random_seed(3)
        model = stack({"dropout": 0.2}) if kind == "line" else branches(kind)
        if frozen is not None:
            [layer for layer in model.layers if isinstance(layer, RNN)][frozen].trainable = False
        for need_dx in (True, False):
            y, pullback = model.forward(x, MASKS[mask](3), training=True)
            dx = pullback(y, need_dx)
            answers.append([*arrays(y), dx, *[w.grad.copy() for w in model.trainable_weights]])
    for i in (0, 1):
        same(answers[i::2])


@pytest.mark.skipif(kernels.active().name == "numpy", reason="runs all that there is")
def test_kernels_of_both_directions_and_of_a_stack_are_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    backend = kernels.active()

    def counted(name: str) -> Any:
        def call(calls: Any) -> None:
            seen.append(len(calls))
            getattr(backend, name)(calls)

        return call

    names = ("forward_all", "backward_all")
    changed = dataclasses.replace(backend, **{name: counted(name) for name in names})
    monkeypatch.setattr(kernels, "_active", changed)
    model = stack({})
    x = np.ones((4, T, I), "f4")
    model.fit(x, x[..., :1], verbose=0)
    assert seen == [3, 3]
    seen.clear()
    layer = Bidirectional(LSTM(H, return_sequences=True, dropout=0.2))
    y, pullback = layer.forward(x, np.arange(T)[None] < np.full((4, 1), 7), training=True)
    pullback(y)
    assert seen == [2, 2]
    for net, counts in ((model, [3, 3]), (branches("apart"), [2, 2, 2, 2]), (branches("seen"), [2, 2])):
        seen.clear()
        y, pullback = net.forward(x, training=True)
        pullback(y)
        assert seen == counts
    seen.clear()
    model = stack({})
    model.layers[1].trainable = False
    model.fit(x, x[..., :1], verbose=0)
    assert seen == [3, 2]
