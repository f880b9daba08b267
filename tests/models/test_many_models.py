"""Many models at once give, to the bit, what a loop over the models with `fit` gives."""

from __future__ import annotations

import copy
import pickle
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Input, ManyModels, Sequential, cells, kernels, optimizers, set_random_seed
from cellstep.bridges import FileError
from cellstep.callbacks import CSVLogger, EarlyStopping
from cellstep.layers import GRU, LSTM, RNN, Bidirectional, Dense, Dropout, Masking, SimpleRNN
from cellstep.models import load_model

pytestmark = pytest.mark.skipif(kernels.active().many is None, reason="many models at once are compiled")

Build = Callable[[], Sequential]
N = 19  # a block and a part of one


def compiled(*layers: Any, optimizer: Any = "adam", loss: Any = "mse", metrics: Any = None) -> Build:
    """A function that makes a model of these layers, given as functions."""

    def build() -> Sequential:
        model = Sequential([Input((None, 3)), *(layer() for layer in layers)])
        model.compile(copy.deepcopy(optimizer), loss, metrics=metrics)
        return model

    return build


CLASSES = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
#: By name: the description, what targets are like, and whether sequences have masked steps.
CASES: dict[str, tuple[Build, str, bool]] = {
    "gru": (compiled(lambda: GRU(4), lambda: Dense(2, "softmax"), **CLASSES), "classes", False),
    "lstm of steps": (
        compiled(
            *(Masking, lambda: LSTM(5, return_sequences=True), lambda: SimpleRNN(3, return_sequences=True)),
            *(lambda: Dense(6, "tanh"), lambda: Dense(1, "sigmoid")),
            optimizer=optimizers.RMSprop(0.01, momentum=0.5),
            loss="binary_crossentropy",
            metrics=["accuracy", "mse"],
        ),
        "steps",
        True,
    ),
    "backwards": (
        compiled(
            lambda: GRU(17, return_sequences=True, reset_after=False, go_backwards=True),
            *(lambda: GRU(3, activation="relu", go_backwards=True), lambda: Dense(2, use_bias=False)),
            optimizer=optimizers.SGD(0.01, momentum=0.9, nesterov=True, clipnorm=0.2),
            metrics=["mae", "root_mean_squared_error"],
        ),
        "numbers",
        False,
    ),
    "masked": (
        compiled(
            *(lambda: Masking(-1.0), lambda: LSTM(3, return_sequences=True), lambda: GRU(2, reset_after=False)),
            lambda: Dense(2, use_bias=False),
            optimizer=optimizers.RMSprop(0.01, centered=True),
            loss="mae",
        ),
        "numbers",
        True,
    ),
    "float64": (
        compiled(
            lambda: GRU(2, return_sequences=True, use_bias=False, dtype="float64"),
            optimizer=optimizers.Nadam(0.01, clipvalue=0.1),
            loss="huber",
        ),
        "steps",
        False,
    ),
    "equations": (
        compiled(
            lambda: RNN(cells.IndRNN(4), return_sequences=True),
            *(lambda: RNN(cells.MGU(4)), lambda: Dense(3, "softmax")),
            optimizer=optimizers.AdamW(optimizers.schedules.ExponentialDecay(0.01, 3, 0.5), global_clipnorm=0.1),
            **CLASSES,
        ),
        "classes",
        False,
    ),
}


def data(case: str, even: bool, seed: int = 0) -> tuple[list[Any], list[Any]]:
    """x and y of N models, with one number of rows and steps or with several."""
    build, kind, masked = CASES[case]
    rng = np.random.default_rng(seed)
    dtype, outputs = build().dtype, build().output_shape
    xs, ys = [], []
    for _ in range(N):
        rows, steps = (70, 9) if even else rng.integers((5, 3), (80, 14)).tolist()
        x = rng.normal(size=(rows, steps, 3)).astype(dtype)
        if masked:
            hidden = (rng.random((rows, steps)) < 0.1) | (np.arange(steps) >= rng.integers(1, steps + 1, (rows, 1)))
            x[hidden] = -1.0 if case == "masked" else 0.0
        shape = (rows, steps, outputs[-1]) if kind == "steps" else (rows, outputs[-1])
        y = rng.integers(0, outputs[-1], rows) if kind == "classes" else rng.random(shape).round(1).astype("float32")
        xs.append(x)
        ys.append(y)
    return xs, ys


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_bits_are_those_of_a_loop(case: str, even: bool) -> None:
    build = CASES[case][0]
    if case == "equations" and "IndRNN" not in str(kernels.active().cells):
        pytest.importorskip("llvmlite")
    x, y = data(case, even)
    seeds = list(range(100, 100 + N))
    many = ManyModels(build(), seeds=seeds)
    histories = [many.fit(x, y, batch_size=16, epochs=2), many.fit(x, y, validation_split=0.3, shuffle=False)]
    predictions, results = many.predict(x), many.evaluate(x, y)
    for i in range(N):
        set_random_seed(seeds[i])
        alone = build()
        first = alone.fit(x[i], y[i], batch_size=16, epochs=2, verbose=0)
        second = alone.fit(x[i], y[i], validation_split=0.3, shuffle=False, verbose=0)
        assert [h[i].history for h in histories] == [first.history, second.history]
        assert list(histories[1][i].history) == list(second.history)
        for mine, other in zip(many.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(mine[i], other)
        np.testing.assert_array_equal(predictions[i], alone.predict(x[i], verbose=0))
        scores = alone.evaluate(x[i], y[i], verbose=0, return_dict=True)
        assert {name: values[i] for name, values in results.items()} == scores


def test_each_model_stops_by_itself_with_its_best_weights() -> None:
    x, y = data("gru", even=False)
    vx, vy = data("gru", even=False, seed=1)
    stop = EarlyStopping("val_accuracy", patience=2, restore_best_weights=True)
    many = ManyModels(CASES["gru"][0](), N, range(N))
    histories = many.fit(x, y, epochs=30, callbacks=stop, validation_data=(vx, vy))
    assert len({len(h.epoch) for h in histories}) > 1
    for i in range(N):
        set_random_seed(i)
        alone = CASES["gru"][0]()
        mine = copy.deepcopy(stop)
        history = alone.fit(x[i], y[i], epochs=30, callbacks=mine, validation_data=(vx[i], vy[i]), verbose=0)
        assert histories[i].history == history.history
        for own, other in zip(many.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(own[i], other)


def test_a_grid_of_learning_rates() -> None:
    build = CASES["gru"][0]
    x, y = data("gru", even=True)
    rates = np.geomspace(1e-4, 0.1, 5)[np.arange(N) % 5]
    many = ManyModels(build(), seeds=[3] * N, learning_rate=rates)
    many.fit(x, y, epochs=2)
    for i in (0, 4, 18):
        set_random_seed(3)
        alone = build()
        alone.optimizer.learning_rate = rates[i]
        alone.fit(x[i], y[i], epochs=2, verbose=0)
        np.testing.assert_array_equal(many.get_weights()[0][i], alone.get_weights()[0])
        assert many.model(i).optimizer.learning_rate == rates[i]


def test_the_bits_do_not_depend_on_threads_and_neighbours() -> None:
    x, y = data("lstm of steps", even=False)
    build = CASES["lstm of steps"][0]
    whole = ManyModels(build(), seeds=range(N))
    whole.fit(x, y)
    few = ManyModels(build(), seeds=[7, 2])
    few.fit([x[7], x[2]], [y[7], y[2]])
    for a, b in zip(whole.get_weights(), few.get_weights(), strict=True):
        np.testing.assert_array_equal(a[[7, 2]], b)


def test_one_array_of_all_models_is_as_a_list_of_them() -> None:
    x, y = data("gru", even=True)
    many, other = (ManyModels(CASES["gru"][0](), N, range(N)) for _ in range(2))
    histories = many.fit(np.stack(x), np.stack(y), validation_split=0.1)
    assert [h.history for h in histories] == [h.history for h in other.fit(x, y, validation_split=0.1)]
    np.testing.assert_array_equal(many.predict(np.stack(x)), other.predict(x))
    with pytest.raises(ValueError, match=r"expected x of shape \(None, None, 3\), got \(76, 5, 2\)"):
        many.fit(np.ones((N, 4, 5, 2)), np.stack(y)[:, :4])


def test_a_model_of_them_is_an_ordinary_one() -> None:
    x, y = data("gru", even=True)
    many = ManyModels(CASES["gru"][0](), N)
    model = many.model(-1)
    np.testing.assert_array_equal(model.predict(x[-1], verbose=0), many.predict(x)[-1])
    assert model.evaluate(x[-1], y[-1], verbose=0, return_dict=True)["loss"] == many.evaluate(x, y)["loss"][-1]
    model.fit(x[-1], y[-1], verbose=0)
    with pytest.raises(IndexError, match="i must be from 0 to 18, got 19"):
        many.model(N)


def test_weights_are_those_that_were_set() -> None:
    many, other = ManyModels(CASES["gru"][0](), N, range(N)), ManyModels(CASES["gru"][0](), N, range(N, 2 * N))
    other.set_weights(many.get_weights())
    for a, b in zip(many.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="weights must be 5 arrays, got 1"):
        other.set_weights([np.zeros(3)])


def test_saved_models_go_on_where_they_were(tmp_path: Path) -> None:
    x, y = data("equations", even=True)
    pytest.importorskip("llvmlite")
    many = ManyModels(CASES["equations"][0](), N, range(N))
    many.fit(x, y)
    many.save(tmp_path / "many.safetensors")
    again = ManyModels.load(tmp_path / "many.safetensors")
    assert [h.history for h in many.fit(x, y)] == [h.history for h in again.fit(x, y)]
    for a, b in zip(many.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        many.save(tmp_path / "many.keras")


class Interrupting(dict[str, Any]):
    """Slots that bring a Ctrl-C where an epoch is stored, which cannot be cut in two."""

    def __getitem__(self, name: str) -> Any:
        signal.raise_signal(signal.SIGINT)
        return super().__getitem__(name)


def test_copies_go_on_as_they_do() -> None:
    build = CASES["gru"][0]
    x, y = data("gru", even=True)
    many = ManyModels(build(), seeds=range(N))
    many.fit(x, y)
    for twin in (copy.deepcopy(many), pickle.loads(pickle.dumps(many))):
        twin.fit(x, y)
        again = copy.deepcopy(many)
        again.fit(x, y)
        for a, b in zip(twin.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_interrupt_leaves_whole_epochs() -> None:
    x, y = data("gru", even=True)
    many, wanted = (ManyModels(CASES["gru"][0](), N, range(N)) for _ in range(2))
    assert many._updates.slots
    for m in (many, wanted):
        m.fit(x, y)
    many._updates.slots = Interrupting(many._updates.slots)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            many.fit(x, y)
    finally:
        signal.signal(signal.SIGINT, before)
    many._updates.slots = dict(many._updates.slots)
    wanted.fit(x, y)
    np.testing.assert_array_equal(many._updates.calls, wanted._updates.calls)
    for m in (many, wanted):
        m.fit(x, y)
    for a, b in zip(many.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("tensor", "value", "message"),
    [
        ("calls", -1, "tensor 'calls': must hold numbers of steps, got -1"),
        ("learning_rate", -0.5, "tensor 'learning_rate': must hold finite numbers >= 0, got -0.5"),
        ("learning_rate", np.nan, "tensor 'learning_rate': must hold finite numbers >= 0, got nan"),
        ("learning_rate", np.inf, "tensor 'learning_rate': must hold finite numbers >= 0, got inf"),
    ],
)
def test_damaged_values_in_files_are_refused(tmp_path: Path, tensor: str, value: float, message: str) -> None:
    many, path = ManyModels(CASES["gru"][0](), N, range(N)), tmp_path / "many.safetensors"
    {"calls": many._updates.calls, "learning_rate": many._updates.rates}[tensor][3] = value
    many.save(path)
    with pytest.raises(FileError, match=re.escape(message)):
        ManyModels.load(path)


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    model = CASES["gru"][0]()
    model.save(tmp_path / "one.safetensors")
    with pytest.raises(ValueError, match=r"one\.safetensors"):
        ManyModels.load(tmp_path / "one.safetensors")
    ManyModels(model, 2).save(tmp_path / "many.safetensors")
    with pytest.raises(FileError, match="expected one model, got many"):
        load_model(tmp_path / "many.safetensors")


def gru() -> GRU:
    return GRU(2, return_sequences=True)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (compiled(lambda: GRU(2, dropout=0.5)), "without dropout"),
        (compiled(lambda: GRU(2, kernel_regularizer="l2")), "without regularizer and constraint"),
        (compiled(lambda: Bidirectional(GRU(2))), "got Bidirectional"),
        (compiled(gru, lambda: Dropout(0.5)), "got Dropout"),
        (compiled(Masking, lambda: GRU(2, go_backwards=True)), "no go_backwards behind Masking"),
        (compiled(lambda: Dense(2)), "needs a recurrent layer"),
        (compiled(gru, lambda: Dense(2, "softmax"), lambda: Dense(2)), "needs an elementwise activation"),
        (compiled(gru, optimizer=optimizers.Adam(use_ema=True)), "takes no use_ema"),
        (compiled(gru, optimizer=optimizers.SGD(gradient_accumulation_steps=2)), "takes no gradient_accumulation"),
    ],
)
def test_what_is_not_covered_is_refused(build: Build, message: str) -> None:
    with pytest.raises(NotImplementedError, match=message):
        ManyModels(build(), 2)


@pytest.mark.parametrize(("loss", "metric"), [("hinge", None), ("mse", "auc"), ("mse", "precision")])
def test_losses_and_metrics_of_more_than_a_row_are_refused(loss: str, metric: Any) -> None:
    many = ManyModels(compiled(lambda: GRU(1), loss=loss, metrics=[metric] if metric else None)(), 2)
    with pytest.raises(NotImplementedError, match="single rows"):
        many.fit(np.ones((2, 4, 5, 3)), np.ones((2, 4, 1)))


def test_arguments_that_do_not_fit() -> None:
    build = CASES["gru"][0]
    x, y = data("gru", even=True)
    many = ManyModels(build(), N)
    before = many.get_weights()
    with pytest.raises(ValueError, match="x must have one entry for each of 19 models, got 18"):
        many.fit(x[1:], y)
    with pytest.raises(ValueError, match="data of model 3: expected y to have the 70 rows of x, got 2"):
        many.fit(x, [*y[:3], y[3][:2], *y[4:]])
    with pytest.raises(ValueError, match=r"data of model 0: expected x of shape .* of sequences of one length"):
        many.fit([[x[0][0], x[0][1, :4]], *x[1:]], [y[0][:2], *y[1:]])
    with pytest.raises(ValueError, match="y_true must hold labels from 0 to 1"):
        many.fit(x, [y[0] + 5, *y[1:]])
    with pytest.raises(NotImplementedError, match="one EarlyStopping, got CSVLogger"):
        many.fit(x, y, callbacks=CSVLogger("log.csv"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n must be given, or seeds"):
        ManyModels(build())
    with pytest.raises(ValueError, match="seeds must be 2 integers, one a model, got 3"):
        ManyModels(build(), 2, [1, 2, 3])
    with pytest.raises(ValueError, match="seeds must be one or more integers, one a model, got 3"):
        ManyModels(build(), seeds=3)  # type: ignore[arg-type]
    for nothing in (None, np.array(1.0), (a for a in x)):
        with pytest.raises(ValueError, match="x must have one entry for each of 19 models, got "):
            many.predict(nothing)
    with pytest.raises(ValueError, match=r"validation_data must be \(x, y\), got "):
        many.fit(x, y, validation_data=(x, None))
    for i in ("1", 1.0, True):
        with pytest.raises(TypeError, match="i must be an integer"):
            many.model(i)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="weights must be a list of 5 arrays, got None"):
        many.set_weights(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="learning_rate must be 2 finite numbers"):
        ManyModels(build(), 2, learning_rate=[1.0, 2.0, 3.0])
    with pytest.raises(RuntimeError, match="before ManyModels"):
        ManyModels(Sequential([Input((None, 3)), GRU(2)]), 2)
    for a, b in zip(before, many.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
