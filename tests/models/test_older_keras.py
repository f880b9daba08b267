"""Files of Keras 3.4 and 3.9, and what files from here may hold so that these versions read them."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import layers, models

pytest.importorskip("h5py")

GOLDEN = Path(__file__).parent.parent / "golden"
#: What every constructor takes in any version.
SHARED = ("name", "dtype", "trainable", "zero_output_for_mask")
versions = pytest.mark.parametrize("version", ["3.4.1", "3.9.2"])


@versions
@pytest.mark.parametrize("name", ["attention", "states", "mask", "masking"])
def test_their_models_predict_the_same_also_when_saved_again(tmp_path: Path, version: str, name: str) -> None:
    folder = GOLDEN / f"keras-{version}"
    with np.load(folder / "outputs.npz") as values:
        x, wanted = values["x"], values[name]
    net = models.load_model(folder / f"{name}.keras")
    for _ in range(2):
        found = net.predict([x, x] if name == "attention" else x, verbose=0)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        net.save(tmp_path / "m.keras")
        net = models.load_model(tmp_path / "m.keras")


@versions
def test_layers_at_their_defaults_have_arguments_that_they_know(version: str) -> None:
    known = json.loads((GOLDEN / f"keras-{version}" / "arguments.json").read_text())
    threes = ("SimpleRNN", "LSTM", "GRU", "SimpleRNNCell", "LSTMCell", "GRUCell", "Dense", "RepeatVector")
    needed: dict[str, list[Any]] = {
        **{key: [3] for key in threes},
        **{key: [0.5] for key in ("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise")},
        **{key: [2] for key in (name for name in known if "Pool" in name and "Global" not in name)},
        **{key: [2, 3] for key in known if "Conv" in key or key == "MultiHeadAttention"},
        "Embedding": [4, 3],
        "Activation": ["relu"],
        "Reshape": [(-1,)],
        "Permute": [(2, 1)],
        "Dot": [1],
        "RNN": [layers.GRUCell(2)],
        "TimeDistributed": [layers.Dense(2)],
        "Bidirectional": [layers.LSTM(2)],
        "StackedRNNCells": [[layers.GRUCell(2)]],
        "InputLayer": [(3,)],
    }
    compared = 0
    for name in sorted(set(layers.__all__) & set(known) - {"Lambda", "Layer", "Wrapper"}):
        config = getattr(layers, name)(*needed.get(name, [])).get_config()
        assert set(config) <= {*known[name], "name", "dtype", "trainable", "ragged", "cells", "zero_output_for_mask"}, (
            name
        )
        compared += 1
    assert compared > 40


def test_operations_have_no_name_of_their_own_in_files(tmp_path: Path) -> None:
    x = layers.Input((5, 3))
    net = models.Model(x, layers.Dense(1)(x * 2.0 + 1.0))
    net.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        entries = json.loads(archive.read("config.json"))["config"]["layers"]
    assert [entry["config"] for entry in entries if "ops" in entry["module"]] == [{}, {}]
    assert len({entry["name"] for entry in entries}) == len(entries)


def test_operations_have_names_in_files_where_keras_could_give_them_those_of_layers() -> None:
    x = layers.Input((4,))
    a = layers.Add()([layers.Dense(4)(x), x])
    total = (a + x) * layers.Dense(4, name="subtract_7")(a) - a
    configs = {entry["name"]: entry for entry in models.Model(x, total).get_config()["layers"]}
    found = {c["class_name"]: "name" in c["config"] for c in configs.values() if "ops" in c["module"]}
    assert found == {"Add": True, "Multiply": False, "Subtract": True}
    assert all(c["config"].get("name", name) == name for name, c in configs.items())


def test_constants_in_calls_go_on_in_copies_and_in_training() -> None:
    x = layers.Input((5, 3))
    given = [np.full((2, 2), value, "float32") for value in (0.5, 0.25)]
    lengths = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 1]], bool)
    layer = layers.LSTM(2)
    net = models.Model(x, layer(x, initial_state=given, mask=lengths))
    a, y = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32"), np.ones((2, 2), "float32")
    wanted = layer(a, initial_state=given, mask=lengths)
    np.testing.assert_array_equal(net(a), wanted)
    twin = models.clone_model(net)
    twin.set_weights(net.get_weights())
    np.testing.assert_array_equal(twin(a), wanted)
    # the gradient of the kernel against differences
    net.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.train_on_batch(a, y)
    moved = twin.get_weights()[0] - net.get_weights()[0]
    twin.compile("sgd", "mse")
    weights, step, slope = twin.get_weights(), 1e-2, np.zeros_like(moved)
    for at in np.ndindex(moved.shape):
        losses = []
        for sign in (1, -1):
            other = [w.copy() for w in weights]
            other[0][at] += sign * step
            twin.set_weights(other)
            losses.append(float(((twin(a) - y) ** 2).mean()))
        slope[at] = (losses[0] - losses[1]) / (2 * step)
    np.testing.assert_allclose(moved / 0.01, slope, atol=2e-3)
