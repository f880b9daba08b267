"""Weights files: what is in them, what is refused, and that nothing is half read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import X, Y, linear

from cellstep import layers
from cellstep.models import Sequential
from cellstep.untrusted import FileError

h5py = pytest.importorskip("h5py")


def tagger() -> Sequential:
    parts = [layers.Embedding(5, 2), layers.LSTM(3, return_sequences=True), layers.LSTM(2, return_sequences=True)]
    return Sequential([layers.Input((4,)), *parts, layers.Dropout(0.1), layers.Dense(2), layers.Dense(1)])


def test_groups_are_those_of_keras(tmp_path: Path) -> None:
    net, found = tagger(), []
    net.save_weights(tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5") as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        assert "layers/dropout/vars" in file
        assert file["layers/lstm_1/vars"].attrs["name"] == net.layers[2].name
    cells = [f"layers/{name}/cell/vars/{i}" for name in ("lstm", "lstm_1") for i in range(3)]
    dense = [f"layers/{name}/vars/{i}" for name in ("dense", "dense_1") for i in range(2)]
    assert sorted(found) == sorted([*cells, *dense, "layers/embedding/vars/0"])


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    one, other = tagger(), tagger()
    one.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    path, net = tmp_path / "a.weights.h5", linear()
    wide = Sequential([layers.Input((3,)), layers.Dense(3)])
    wide.save_weights(path)
    before = net.get_weights()
    with pytest.raises(
        FileError, match=r"layers/dense/vars/0: must hold dense.*/kernel of shape \(3, 2\), got \(3, 3\)"
    ):
        net.load_weights(path)
    bare = Sequential([layers.Input((3,)), layers.Dense(2, use_bias=False)])
    bare.save_weights(path)
    with pytest.raises(FileError, match=r"layers/dense/vars: must hold 2 weights of dense.*, got 1"):
        net.load_weights(path)
    with h5py.File(path, "a") as file:
        file["layers/dense/vars/1"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(FileError, match="layers/dense/vars/1: must hold plain arrays of numbers, got something else"):
        net.load_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/dense"]
        file["layers/dense"] = h5py.SoftLink("/layers")
    with pytest.raises(FileError, match="layers/dense/vars: must hold no links, got one"):
        net.load_weights(path)
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_state_of_another_optimizer_is_left(tmp_path: Path) -> None:
    net, other = linear(), linear()
    net.train_on_batch(X, Y)
    net.save_weights(tmp_path / "a.weights.h5")
    other.compile("adam", "mse")
    with pytest.warns(UserWarning, match="the optimizer starts anew"):
        other.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(other.get_weights()[0], net.get_weights()[0])


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda p: linear().save_weights(p / "a.h5"), ValueError, "filepath must end in .weights.h5, got"),
        (lambda p: Sequential([layers.Dense(2)]).save_weights(p / "a.weights.h5"), ValueError, "no weights to save"),
        (lambda p: Sequential([layers.Dense(2)]).load_weights(p / "a.weights.h5"), ValueError, "must be built before"),
        (lambda p: [linear().save_weights(p / "a.weights.h5", False) for _ in "ab"], FileExistsError, "exists already"),
        (lambda p: linear().load_weights(p / "b.weights.h5"), FileNotFoundError, "b.weights.h5"),
    ],
)
def test_bad_calls(tmp_path: Path, run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(tmp_path)


def test_the_number_of_all_weights_may_stand_in_front_as_before_keras_3_10(tmp_path: Path) -> None:
    path, one, other = tmp_path / "a.weights.h5", linear(), linear()
    for net in (one, other):
        net.compile("nadam", "mse")
    one.fit(X, Y, epochs=2, verbose=0)
    one.save_weights(path)
    with h5py.File(path, "r+") as file:
        state = file["optimizer/vars"]
        arrays = [state[str(i)][()] for i in range(len(state))]
        arrays.insert(2, arrays.pop())
        for i, array in enumerate(arrays):
            del state[str(i)]
            state[str(i)] = array
    other.load_weights(path)  # a warning, and so an error, where the state does not fit
    for net in (one, other):
        net.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_groups_of_stacks_and_of_both_directions(tmp_path: Path) -> None:
    stack = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True)
    net = Sequential([layers.Input((4, 2)), stack, layers.Bidirectional(layers.GRU(2))])
    net.save_weights(tmp_path / "a.weights.h5")
    found: list[str] = []
    with h5py.File(tmp_path / "a.weights.h5") as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    both = [f"layers/bidirectional/{way}_layer/cell/vars/{i}" for way in ("forward", "backward") for i in range(3)]
    cells = [f"layers/rnn/cell/cells/{name}/vars/{i}" for name in ("lstm_cell", "gru_cell") for i in range(3)]
    assert sorted(found) == sorted([*both, *cells])
    before = net.get_weights()
    net.set_weights([0 * w for w in before])
    net.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("array", [np.full((3, 2), 1e300), np.ones((3, 2), "int64"), np.ones((3, 2), bool)])
def test_values_that_a_cast_would_change_are_refused(tmp_path: Path, array: Any) -> None:
    net, path = Sequential([layers.Input((3,)), layers.Dense(2)]), tmp_path / "a.weights.h5"
    net.save_weights(path)
    before = net.get_weights()
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = array
    with pytest.raises(FileError, match=r"a\.weights\.h5, layers/dense/vars/0: must hold "):
        net.load_weights(path)
    np.testing.assert_array_equal(net.get_weights()[0], before[0])


def test_weights_given_by_hand_must_fit_their_dtype() -> None:
    net = Sequential([layers.Input((3,)), layers.Dense(2)])
    before = net.get_weights()
    with pytest.raises(ValueError, match=r"dense.*/bias to hold values that float32 can hold, got -1e\+300"):
        net.set_weights([np.ones((3, 2)), np.array([0.0, -1e300])])
    with pytest.raises(ValueError, match="kernel to hold values that float32 can hold, got 1e"):
        net.weights[0].assign(np.full((3, 2), 1e39))
    np.testing.assert_array_equal(net.get_weights()[0], before[0])
    net.set_weights([np.full((3, 2), np.inf), np.array([np.nan, 1e-300])])  # what is infinite may stay so
    assert np.isinf(net.get_weights()[0]).all()


def test_a_checksum_finds_damaged_bytes(tmp_path: Path) -> None:
    net, path = linear(), tmp_path / "a.weights.h5"
    net.train_on_batch(X, Y)
    net.save_weights(path)
    data, weights, draw = path.read_bytes(), net.get_weights(), np.random.default_rng(0)
    refused = 0
    for at in draw.integers(0, len(data), 1500):
        damaged = bytearray(data)
        damaged[at] ^= 1 << draw.integers(8)
        path.write_bytes(damaged)
        try:
            net.load_weights(path)
        except ValueError:
            refused += 1
        for a, b in zip(net.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)
    assert refused > 1450  # but for those in the mark of the checksum


def test_a_file_that_a_program_changes_has_no_checksum(tmp_path: Path) -> None:
    net, path = linear(), tmp_path / "a.weights.h5"
    net.save_weights(path)
    with h5py.File(path, "a") as file:
        file["layers/dense/vars/1"][...] = 7
    net.load_weights(path)
    np.testing.assert_array_equal(net.get_weights()[1], [7, 7])


def test_an_h5py_that_fails_to_load_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(message: str, name: str) -> Any:
        class Finder:
            @staticmethod
            def find_spec(asked: str, *args: Any) -> None:
                if asked == "h5py":
                    raise (ModuleNotFoundError if name else ImportError)(message, name=name or None)

        return Finder

    for message, name in (("failed to map segment from shared object", ""), ("No module named 'h5py'", "h5py")):
        monkeypatch.delitem(sys.modules, "h5py")
        monkeypatch.setattr(sys, "meta_path", [short(message, name), *sys.meta_path])
        words = "files of models and weights need h5py: pip install 'cellstep\\[files\\]'" if name else message
        with pytest.raises(ImportError, match=words):
            linear().save_weights(tmp_path / "a.weights.h5")
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
