"""Weights, whole models and the states of streams in .safetensors files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import layers as L
from cellstep import models, tensor_file
from cellstep.layers.stream import StreamState
from cellstep.untrusted import FileError


def chain() -> models.Sequential:
    return models.Sequential(
        [
            *(L.Input((None,), dtype="int32"), L.Embedding(7, 3), L.Bidirectional(L.GRU(2, return_sequences=True))),
            *(L.LSTM(3, num_layers=2, return_sequences=True), L.RNN([L.LSTMCell(2), L.GRUCell(3)])),
            *(L.BatchNormalization(), L.Dense(2), L.Dense(1, "sigmoid")),
        ]
    )


def branches() -> models.Model:
    x = L.Input((6, 3))
    h = L.Attention(use_scale=True)([L.LSTM(3, return_sequences=True)(x), L.Conv1D(3, 3, padding="same")(x)])
    inner = models.Sequential([L.Input((6, 3)), L.Dense(2), L.Dense(2)])
    shared = L.Dense(2)
    h = L.Concatenate()([shared(inner(h)), inner(x), shared(inner(x))])
    return models.Model(x, [L.Dense(2, "softmax", name="y")(L.Flatten()(h)), L.GRU(1, name="z")(h)])


def inputs(model: models.Model) -> Any:
    draw = np.random.default_rng(1)
    return draw.integers(0, 7, (3, 5)) if isinstance(model, models.Sequential) else draw.standard_normal((3, 6, 3))


def same(a: models.Model, b: models.Model) -> bool:
    x = inputs(a)
    found = [
        np.atleast_1d(p) for m in (a, b) for p in (lambda y: y if isinstance(y, list) else [y])(m.predict(x, verbose=0))
    ]
    half = len(found) // 2
    return all(np.array_equal(p, q) for p, q in zip(found[:half], found[half:], strict=True))


@pytest.mark.parametrize("make", [chain, branches])
def test_a_whole_model_comes_back(make: Any, tmp_path: Path) -> None:
    cellstep.set_random_seed(3)
    model = make()
    model.save(tmp_path / "m.safetensors")
    assert same(models.load_model(tmp_path / "m.safetensors"), model)
    other = make()
    assert not same(other, model)
    other.load_weights(tmp_path / "m.safetensors")
    assert same(other, model)
    with tensor_file.opened(tmp_path / "m.safetensors") as file:
        assert len(file.entries) == len(model.weights)
        assert file.metadata["cellstep"] == "1"


def test_names_say_what_a_weight_is(tmp_path: Path) -> None:
    chain().save_weights(tmp_path / "m.safetensors")
    with tensor_file.opened(tmp_path / "m.safetensors") as file:
        names = set(file.entries)
    assert {
        "layers/embedding/embeddings",
        "layers/bidirectional/forward_layer/cell/recurrent_kernel",
        "layers/bidirectional/backward_layer/cell/bias",
        "layers/lstm/cell/cells/lstm_cell_1/kernel",
        "layers/rnn/cell/cells/gru_cell/kernel",
        "layers/batch_normalization/moving_mean",
        "layers/dense_1/kernel",
    } <= names


class Own(L.Layer):
    """Two weights of one name, in a class that no file can name."""

    def make_weights(self, input_shape: Any) -> None:
        self.a, self.b = self.add_weight((2,), name="w"), self.add_weight((3,), name="w")

    def call(self, x: Any) -> Any:
        return x * cellstep.ops.sum(self.a) + cellstep.ops.sum(self.b)


def test_weights_of_what_cannot_be_configured(tmp_path: Path) -> None:
    def make() -> models.Sequential:
        return models.Sequential([L.Input((3,)), Own(), L.Dense(1, activation=lambda x: 2 * x)])

    model, other = make(), make()
    model.save_weights(tmp_path / "m.safetensors")
    other.load_weights(tmp_path / "m.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    with pytest.raises(FileError, match="__metadata__: expected the configuration of a model in model, got none"):
        models.load_model(tmp_path / "m.safetensors")


def test_other_floats_are_cast_and_what_is_too_large_is_refused(tmp_path: Path) -> None:
    model = models.Sequential([L.Input((3,)), L.Dense(2)])
    path, names = tmp_path / "m.safetensors", ["layers/dense/kernel", "layers/dense/bias"]
    for dtype in ("f2", "f4", "f8"):
        tensor_file.write(path, dict(zip(names, (np.full((3, 2), 0.5, dtype), np.ones(2, dtype)), strict=True)))
        model.load_weights(path)
        assert model.get_weights()[0].tolist() == [[0.5] * 2] * 3
    before = model.get_weights()
    for kernel, said in (
        (np.full((3, 2), 1e300), r"tensor 'layers/dense/kernel': expected numbers that float32 can hold, got 1e\+300"),
        (np.ones((3, 2), int), "expected numbers for float32, got int64"),
        (np.ones((2, 3)), r"expected dense\S*/kernel of shape \(3, 2\), got \(2, 3\)"),
    ):
        tensor_file.write(path, dict(zip(names, (kernel, np.zeros(2)), strict=True)))
        with pytest.raises(FileError, match=said):
            model.load_weights(path)
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_missing_and_left_over_tensors_are_named(tmp_path: Path) -> None:
    model = models.Sequential([L.Input((3,)), L.Dense(2)])
    path, kernel, bias = tmp_path / "m.safetensors", np.ones((3, 2)), np.ones(2)
    tensor_file.write(path, {"layers/dense/kernel": kernel})
    with pytest.raises(FileError, match=r"tensor 'layers/dense/bias': expected .* got no such tensor"):
        model.load_weights(path)
    tensor_file.write(path, {"layers/dense/kernel": kernel, "layers/dense/bias": bias, "0.weight": bias})
    with pytest.raises(FileError, match=r"tensor '0\.weight': expected the weights of "):
        model.load_weights(path)
    tensor_file.write(path, {"layers/dense/kernel": kernel, "x": bias})
    with pytest.warns(UserWarning, match="weights stay as they are: "):
        model.load_weights(path, skip_mismatch=True)
    assert np.array_equal(model.get_weights()[0], kernel)


def test_a_configuration_that_is_damaged_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for text, said in (
        ("{", "model: expected a model, got no JSON"),
        ("[]", "model: expected a model, got expected config"),
        ('{"class_name": "Nothing", "config": {}}', "model: in Nothing: class_name"),
        (
            '{"class_name": "Sequential", "config": {"layers": [{"class_name": "InputLayer", "config": {"batch_shape": '
            '[null, 3]}}, {"class_name": "Dense", "config": {"units": 1000000000000}}]}}',
            "takes .* bytes of memory",
        ),
    ):
        tensor_file.write(path, {}, {"model": text})
        with pytest.raises(FileError, match=said) as caught:
            models.load_model(path)
        assert str(path) in str(caught.value)


def test_states_of_streams(tmp_path: Path) -> None:
    model, path = chain(), tmp_path / "state.safetensors"
    model = models.Sequential([*model.layers[:1], L.LSTM(3, return_sequences=True), L.GRU(2)])
    model.build((None, None))
    x = np.random.default_rng(0).integers(0, 7, (2, 9))
    stream = model.stream(2)
    stream.steps(x[:, :4])
    stream.state.save(path)
    right = stream.steps(x[:, 4:])
    model.save(tmp_path / "m.safetensors")
    again = models.load_model(tmp_path / "m.safetensors").stream(2)
    again.state = StreamState.load(path)
    assert np.array_equal(again.steps(x[:, 4:]), right)
    with pytest.raises(ValueError, match=r"path must end in \.safetensors, got"):
        stream.state.save(tmp_path / "state.npz")
    with pytest.raises(FileExistsError):
        stream.state.save(path, overwrite=False)
