"""Runs that are killed and started again end with the bits of a run that nothing disturbed; files that are damaged.

CELLSTEP_KILLS is the number of kills of each kind of run, 6 by default.
"""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import X, Y, linear

from cellstep import callbacks, layers, metrics, models, seeds
from cellstep.callbacks import state_file

KILLS = int(os.environ.get("CELLSTEP_KILLS", "6"))


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal to the bit."""
    return state_file.dump(a) == state_file.dump(b)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")
@pytest.mark.parametrize("case", ["shuffled", "stateful", "drawn", "numbered"])
def test_killed_runs_end_as_an_undisturbed_one(case: str, tmp_path: Path) -> None:
    if case == "shuffled":
        pytest.importorskip("h5py")
    program = Path(__file__).with_name("killed_runs.py")
    command = [sys.executable, "-W", "ignore", str(program), case, str(tmp_path), str(KILLS), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 4 * KILLS, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    whole = state_file.read(tmp_path / "whole" / "result")
    assert whole["left"] == (["latest.state"] if case == "stateful" else [])
    runs = sorted(tmp_path.glob("[0-9]*"))
    assert runs
    for folder in runs:
        found = state_file.read(folder / "result")
        for key, wanted in whole.items():
            assert same(found[key], wanted), f"{key} of {folder.name} differs"


class Cut(Exception):
    pass


class Raise(callbacks.Callback):
    """Ends a run from within, before the backup of a batch."""

    def __init__(self, at: int) -> None:
        self.left = at

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut


def fit(net: Any, folder: Path, *others: Any, **options: Any) -> Any:
    backup = callbacks.BackupAndRestore(folder, save_freq=1, double_checkpoint=True)
    given = {"batch_size": 3, "epochs": 4, "verbose": 0, "callbacks": [backup, *others]} | options
    return net.fit(X, Y, **given)


def cut(folder: Path, at: int = 6) -> models.Sequential:
    seeds.set_random_seed(1)
    net = linear()
    with pytest.raises(Cut):
        fit(net, folder, Raise(at))
    return net


@pytest.mark.parametrize("at", range(1, 16))
def test_every_batch_of_a_run_can_be_its_last(at: int, tmp_path: Path) -> None:
    seeds.set_random_seed(1)
    whole = linear(metrics=["mae"])
    wanted = fit(whole, tmp_path / "whole")
    seeds.set_random_seed(1)
    net = linear(metrics=["mae"])
    with pytest.raises(Cut):
        fit(net, tmp_path / "cut", Raise(at))
    seeds.set_random_seed(2)
    net = linear(metrics=["mae"])
    history = fit(net, tmp_path / "cut")
    assert same([history.epoch, history.history], [wanted.epoch, wanted.history])
    assert same(net.get_weights(), whole.get_weights())


def test_a_generator_of_one_pass_goes_on_where_it_was(tmp_path: Path) -> None:
    asked: list[int] = []

    def batches() -> Iterator[Any]:
        for i in range(9):
            asked.append(i)
            yield X[i : i + 2], Y[i : i + 2]

    wanted, net = linear(), linear()
    wanted.fit(batches(), epochs=3, steps_per_epoch=3, verbose=0)
    options = {"epochs": 3, "steps_per_epoch": 3, "verbose": 0}
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=1)
    with pytest.raises(Cut):
        net.fit(batches(), callbacks=[Raise(4), backup], **options)
    asked.clear()
    net = linear()
    net.fit(batches(), callbacks=backup, **options)
    assert asked == list(range(9))
    assert same(net.get_weights(), wanted.get_weights())


def test_the_backup_before_the_last_one_serves_where_that_is_damaged_or_missing(tmp_path: Path) -> None:
    seeds.set_random_seed(1)
    wanted = linear()
    fit(wanted, tmp_path / "whole")
    cut(tmp_path)
    last, before = tmp_path / "latest.state", tmp_path / "latest.state.before"
    data = last.read_bytes()
    last.write_bytes(data[:-1])
    net = linear()
    with pytest.warns(UserWarning, match=r"backup before the last one is used: .* must be a file of training state"):
        fit(net, tmp_path)
    assert same(net.get_weights(), wanted.get_weights())
    cut(tmp_path)
    last.unlink()
    net = linear()
    fit(net, tmp_path)
    assert same(net.get_weights(), wanted.get_weights())
    cut(tmp_path)
    for path in (last, before):
        path.write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="backup before the last one is used"),
        pytest.raises(ValueError, match="must be a file of training state, got another"),
    ):
        fit(linear(), tmp_path)


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    cut(tmp_path)
    path = tmp_path / "latest.state"
    data = path.read_bytes()
    (tmp_path / "latest.state.before").unlink()
    rng = np.random.default_rng(4)
    net = linear()
    before = net.get_weights()
    for _ in range(300):
        where, damaged = int(rng.integers(len(data))), bytearray(data)
        if rng.random() < 0.5:
            damaged[where] ^= int(rng.integers(1, 256))
        else:
            del damaged[where : where + int(rng.integers(1, 40))]
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"latest\.state: must be a file of training state"):
            fit(net, tmp_path)
    assert same(net.get_weights(), before)


def signed(body: bytes) -> bytes:
    return b"cellstep state 1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]\n",
        b'{"state": {}, "arrays": [["float32", [9999999999999]]]}\n',
        b'{"state": {}, "arrays": [["float32", [-1]]]}\n',
        b'{"state": {}, "arrays": [["float32", [true]]]}\n0000',
        b'{"state": {}, "arrays": [["object", [1]]]}\n00000000',
        b'{"state": {" array": 3}, "arrays": []}\n',
        b'{"state": {" array": "x"}, "arrays": []}\n',
        b'{"state": {}, "arrays": []}\nleft over',
        b'{"state": ' + b"[" * 100000 + b"]" * 100000 + b', "arrays": []}\n',
        b'{"state": 1' + b"0" * 5000 + b', "arrays": []}\n',
        b'{"state": "\xff", "arrays": []}\n',
    ],
)
def test_files_that_were_made_to_harm_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="here: must hold states and arrays, got "):
        state_file.load(signed(body), "here")


#: A path in the state, and a value that cannot stand there.
WRONG: list[tuple[list[Any], Any]] = [
    (["epoch"], -1),
    (["epoch"], "1"),
    (["epoch"], True),
    (["epoch"], None),
    (["epoch"], 4),
    (["seen"], 2**63),
    (["seen"], 1.5),
    (["seen"], -3),
    (["logs"], []),
    (["stop_training"], 2),
    (["weights"], []),
    (["weights", 0], np.zeros((3, 3))),
    (["weights", 0], np.zeros((3, 2), np.float32)),
    (["weights", 1], None),
    (["trainable", 0], []),
    (["trainable", 1, 0], "yes"),
    (["optimizer", "calls"], -1),
    (["optimizer", "calls"], 10**400),
    (["optimizer", "learning_rate"], float("nan")),
    (["optimizer", "learning_rate"], -0.1),
    (["optimizer", "variables"], [None]),
    (["optimizer", "variables", 0, "calls"], 0.5),
    (["optimizer", "variables", 0, "slots"], {"else": np.zeros(6)}),
    (["optimizer", "variables", 0, "slots", "momentum"], np.zeros(5)),
    (["stateful", 0], [np.zeros((1, 2)), np.zeros((1, 2))]),
    (["stateful", 0, 0], np.zeros((3, 5), np.float32)),
    (["generators", 0, "state", "state"], -1),
    (["generators", 0, "bit_generator"], "MT19937"),
    (["generators", 0], 7),
    (["random", "python", 1], np.zeros(3, np.uint32)),
    (["random", "numpy"], {}),
    (["random"], None),
    (["source", "taken"], -1),
    (["source", "taken"], "all"),
    (["source", "shuffle"], None),
    (["source"], []),
    (["validation"], {}),
    (["metrics"], 3),
    (["callbacks"], [3]),
    (["callbacks", 0, 1, "wait"], -1),
    (["callbacks", 0, 1, "best"], "low"),
    (["callbacks", 0, 1, "best_weights"], [np.zeros(3)]),
    (["callbacks", 0, 1], {}),
    (["callbacks", 2, 1, "epoch"], [-1]),
    (["callbacks", 2, 1, "history"], {"loss": 3}),
]


@pytest.mark.parametrize(("place", "value"), WRONG, ids=lambda v: str(v)[:50])
def test_every_value_of_a_backup_is_checked(place: list[Any], value: Any, tmp_path: Path) -> None:
    def net() -> models.Sequential:
        made = models.Sequential(
            [
                layers.Input((4, 3), batch_size=2),
                layers.GRU(2, stateful=True, dropout=0.2),
                layers.Dense(1, dtype="float64"),
            ]
        )
        made.compile("adam", "mse")
        return made

    x, y = np.ones((8, 4, 3)), np.ones((8, 1))
    stopping = callbacks.EarlyStopping("loss", restore_best_weights=True)
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=1)

    def train(made: Any, *others: Any) -> Any:
        return made.fit(x, y, 2, 3, 0, [stopping, backup, *others])

    first = net()
    with pytest.raises(Cut):
        train(first, Raise(6))
    path = tmp_path / "latest.state"
    state = state_file.read(path)
    at = state
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    state_file.write(path, state)
    second = net()
    before = second.get_weights()
    with pytest.raises(ValueError, match=r"latest\.state: must hold a state of this training, got another"):
        train(second)
    assert same(second.get_weights(), before)
    assert second.optimizer.iterations == 0


def test_a_backup_of_another_model_is_refused(tmp_path: Path) -> None:
    cut(tmp_path)
    net = models.Sequential([layers.Input((3,)), layers.Dense(5, dtype="float64"), layers.Dense(2, dtype="float64")])
    net.compile("sgd", "mse")
    with pytest.raises(ValueError, match="weights must have 4 entries, got 2"):
        fit(net, tmp_path)


class Remembers(callbacks.Callback):
    """Remembers what no file can hold."""

    def get_state(self) -> dict[str, Any]:
        return {"last": [object()]}


def test_the_callback_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^Remembers\.get_state\(\)\['last'\]\[0\] must be a number, a text, an array"):
        fit(linear(), tmp_path, Remembers())


def test_what_cannot_be_kept_is_named() -> None:
    with pytest.raises(TypeError, match=r"state\['callbacks'\]\[0\] must be a number, a text, an array"):
        state_file.dump({"callbacks": [object()]})
    with pytest.raises(RuntimeError, match="training_state must be called during fit"):
        linear().training_state()
    tree = {
        "a": [1, 2.5, None, True, "x"],
        "b": {"c": np.arange(6, dtype=np.int16).reshape(2, 3)},
        "d": np.float32(0.1),
    }
    again = state_file.load(state_file.dump(tree), "here")
    assert same(again, tree)
    assert type(again["d"]) is np.float32
    assert np.isnan(state_file.load(state_file.dump(float("nan")), "here"))


class Own(models.Model):
    """A step of its own, with metrics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.head = layers.Dropout(0.3), layers.Dense(2)
        self.seen, self.error = Seen(), metrics.Mean(name="error")

    def call(self, x: Any, training: Any = None) -> Any:
        return self.head(self.drop(x, training=training))

    def train_step(self, data: Any) -> Any:
        x, y = data
        gradients, loss, out = self.gradients(x, y, advance=True, outputs=True)
        self.optimizer.apply(list(gradients.values()), self.trainable_weights)
        self.seen.update_state(y, out)
        self.error.update_state(loss)
        return {m.name: m.result() for m in self.metrics}

    @property
    def metrics(self) -> list[Any]:
        return [self.seen, self.error]


class Seen(metrics.Metric):
    """A metric with weights."""

    def __init__(self, name: str = "seen") -> None:
        super().__init__(name=name)
        self.total = self.add_weight(name="total")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.total.assign_add(np.sum(np.abs(y_pred)))

    def result(self) -> Any:
        return self.total


def own_steps() -> tuple[Any, dict[str, Any]]:
    net = Own()
    net.build((None, 3))
    net.compile("adam", "mse")
    return net, {"x": X, "y": Y}


def windows() -> tuple[Any, dict[str, Any]]:
    net = models.Sequential(
        [layers.Input((None, 2)), layers.GRU(3, return_sequences=True, dropout=0.2), layers.Dense(1)]
    )
    net.compile("rmsprop", "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    return net, {"x": rng.normal(size=(10, 6, 2)), "y": rng.normal(size=(10, 6, 1)), "tbptt": (2, 3)}


def two_outputs() -> tuple[Any, dict[str, Any]]:
    x, z = layers.Input((3,), name="x"), layers.Input((4,), dtype="int32", name="z")
    table = layers.Embedding(20, 3, sparse=True)(z)
    h = layers.Concatenate()([layers.Dense(4)(x), layers.SimpleRNN(3, recurrent_dropout=0.3)(table)])
    net = models.Model(
        [x, z], {"a": layers.Dense(2, name="a")(h), "b": layers.Dense(1, activation="sigmoid", name="b")(h)}
    )
    net.compile("nadam", {"a": "mse", "b": "binary_crossentropy"}, metrics={"a": ["mae"], "b": ["accuracy", "AUC"]})
    rng = np.random.default_rng(0)
    given = {"x": X, "z": rng.integers(0, 20, (10, 4))}
    return net, {"x": given, "y": {"a": Y, "b": rng.integers(0, 2, (10, 1))}, "validation_split": 0.2}


def scores() -> tuple[Any, dict[str, Any]]:
    net = models.Sequential([layers.Input((3,)), layers.Dropout(0.2), layers.Dense(3, activation="softmax")])
    net.compile("adam", "categorical_crossentropy", metrics=[metrics.F1Score(average=None), "accuracy"])
    return net, {"x": X, "y": np.eye(3)[np.arange(10) % 3]}


@pytest.mark.parametrize("kind", [own_steps, windows, two_outputs, scores])
@pytest.mark.parametrize("at", [1, 3, 4, 7, 8])
def test_models_of_every_kind_are_taken_up(kind: Any, at: int, tmp_path: Path) -> None:
    def run(seed: int, *others: Any) -> tuple[Any, Any]:
        seeds.set_random_seed(seed)
        net, given = kind()
        backup = callbacks.BackupAndRestore(tmp_path, save_freq=1)
        return net, net.fit(**given, batch_size=3, epochs=3, verbose=0, callbacks=[backup, *others])

    net, wanted = run(1)
    with pytest.raises(Cut):
        run(1, Raise(at))
    assert (tmp_path / "latest.state").exists()
    again, history = run(2)
    assert same([history.epoch, history.history], [wanted.epoch, wanted.history])
    assert same(again.get_weights(), net.get_weights())


def test_a_model_in_training_can_be_copied() -> None:
    copies: list[Any] = []
    watch = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: copies.append(copy.deepcopy(net)))
    net = linear()
    net.fit(X, Y, epochs=2, verbose=0, callbacks=watch)
    assert same(copies[1].get_weights(), net.get_weights())
    for made in (copies[1], net):
        made.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    assert same(copies[1].get_weights(), net.get_weights())


def test_a_file_takes_no_more_memory_than_its_arrays(tmp_path: Path) -> None:
    state = {"a": [np.ones((1000, 1000)), np.ones((3, 0)), np.asfortranarray(np.arange(6.0).reshape(2, 3))]}
    tracemalloc.start()
    state_file.write(tmp_path / "file", state)
    written = tracemalloc.get_traced_memory()[1]
    again = state_file.read(tmp_path / "file")
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written < 1e6
    assert read < 2.1 * 8e6
    assert same(again, state)
