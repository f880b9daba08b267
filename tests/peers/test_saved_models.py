"""Whole models in files of Keras's: written there and read here, written here and read there, and trained on."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from saved_models import MODELS, flat, targets

import cellstep

pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WAYS = {"from keras": (keras, cellstep), "to keras": (cellstep, keras)}


def fresh(library: Any, name: str) -> tuple[Any, Any]:
    """A model with weights none of which is what it begins with, and its inputs."""
    make, x = MODELS[name]
    net, rng = make(library), np.random.default_rng(11)
    net.set_weights([rng.uniform(0.1, 0.9, w.shape).astype(w.dtype) for w in net.get_weights()])
    return net, x


def trained(library: Any, name: str, **options: Any) -> tuple[Any, Any, Any]:
    """A model after two steps, with its data."""
    library.utils.set_random_seed(3)
    make, x = MODELS[name]
    net = make(library)
    y = targets(net.predict(x, verbose=0))
    net.compile(**({"optimizer": library.optimizers.SGD(0.01, momentum=0.9), "loss": "mse"} | options))
    for _ in range(2):
        net.train_on_batch(x, y)
    return net, x, y


def close(a: Any, b: Any, tolerance: float = 1e-5) -> None:
    for one, other in zip(flat(a), flat(b), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_models_go_both_ways(tmp_path: Path, name: str, way: str) -> None:
    first, second = WAYS[way]
    net, x = fresh(first, name)
    net.save(tmp_path / "m.keras")
    again = second.saving.load_model(tmp_path / "m.keras")
    assert [w.shape for w in net.get_weights()] == [w.shape for w in again.get_weights()]
    assert [layer.name for layer in again.layers] == [layer.name for layer in net.layers]
    assert [layer.trainable for layer in again.layers] == [layer.trainable for layer in net.layers]
    close(net(x), again(x))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_weights_files_go_both_ways(tmp_path: Path, name: str, way: str) -> None:
    first, second = WAYS[way]
    net, x = fresh(first, name)
    net.save_weights(tmp_path / "m.weights.h5")
    again = MODELS[name][0](second)
    again.load_weights(tmp_path / "m.weights.h5")
    close(net(x), again(x))


OPTIMIZERS: dict[str, Any] = {
    "Adam": {"amsgrad": True, "clipnorm": 1.0},
    "RMSprop": {"centered": True, "momentum": 0.5, "use_ema": True},
    "AdamW": {"weight_decay": 0.01, "gradient_accumulation_steps": 2},
    "Nadam": {},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_in_the_other_library(tmp_path: Path, name: str, way: str) -> None:
    first, second = WAYS[way]
    rate = first.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5) if name == "Adam" else 0.01
    optimizer = getattr(first.optimizers, name)(rate, **OPTIMIZERS[name])
    loss = {"one": first.losses.LogCosh(reduction="sum"), "two": "mae"}
    net, x, y = trained(
        *(first, "nested"),
        optimizer=optimizer,
        loss=loss,
        loss_weights={"one": 0.5, "two": 2.0},
        metrics={"one": ["mse", first.metrics.RootMeanSquaredError(name="root")]},
    )
    net.save(tmp_path / "m.keras")
    again = second.saving.load_model(tmp_path / "m.keras")
    for key, value in OPTIMIZERS[name].items():
        assert getattr(again.optimizer, key) == value
    y = dict(zip(("one", "two"), y, strict=True))
    for _ in range(3):
        for m in (net, again):
            m.reset_metrics()  # Keras goes on with the means of the batches before
        logs = [m.train_on_batch(x, y, return_dict=True) for m in (net, again)]
        assert {key for key in logs[0]} == {key for key in logs[1]}
        close(*[[float(log[key]) for key in sorted(log)] for log in logs])
    close(net.predict(x, verbose=0), again.predict(x, verbose=0))


def test_a_file_has_the_members_of_keras(tmp_path: Path) -> None:
    configs = []
    for library in (keras, cellstep):
        trained(library, "nested")[0].save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as archive:
            assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
            assert set(json.loads(archive.read("metadata.json"))) == {"keras_version", "date_saved"}
            configs.append(json.loads(archive.read("config.json")))
    theirs, ours = configs
    assert set(theirs["compile_config"]) == set(ours["compile_config"])
    assert theirs["compile_config"]["loss"] == ours["compile_config"]["loss"] == "mse"
    assert theirs["config"]["output_layers"] == ours["config"]["output_layers"]


def test_a_layer_in_two_places_is_one_layer(tmp_path: Path) -> None:
    # Keras itself forgets it: the number of the first place is not in its files
    L = cellstep.layers
    dense, x = L.Dense(3, name="dense"), L.Input((5, 3), name="x")
    net = cellstep.Model(x, L.TimeDistributed(dense, name="b")(L.TimeDistributed(dense, name="a")(x)))
    net.save(tmp_path / "m.keras")
    data = np.ones((2, 5, 3), "float32")
    for library in (keras, cellstep):
        again = library.saving.load_model(tmp_path / "m.keras")
        assert len(again.weights) == 2
        close(net(data), again(data))


def test_without_what_it_was_compiled_with(tmp_path: Path) -> None:
    for first, second in WAYS.values():
        trained(first, "normalized")[0].save(tmp_path / "m.keras")
        assert not second.saving.load_model(tmp_path / "m.keras", compile=False).compiled


def looking(k: Any) -> Any:
    """Attention that also gives its weights, and a Bidirectional layer that begins with states."""
    L = k.layers
    x, z = L.Input((5, 4), name="x"), L.Input((5, 4), name="z")
    y, weights = L.Attention(name="look")([x, z], return_attention_scores=True, use_causal_mask=True)
    first = [L.Dense(3, name=f"s{i}")(L.GlobalAveragePooling1D(name=f"p{i}")(z)) for i in range(2)]
    both = L.Bidirectional(L.GRU(3), name="both")(y, initial_state=first)
    return k.Model([x, z], [both, weights], name="looking")


def test_options_of_calls_go_both_ways(tmp_path: Path) -> None:
    data = [np.random.default_rng(i).standard_normal((2, 5, 4)).astype("float32") for i in range(2)]
    for first, second in WAYS.values():
        net = looking(first)
        net.save(tmp_path / "m.keras")
        again = second.saving.load_model(tmp_path / "m.keras")
        for a, b in zip(net(data), again(data), strict=True):
            close(a, b)


def test_layers_and_operations_of_one_name(tmp_path: Path) -> None:
    """Keras names an operation that has no name in a file, and took the name of a layer."""
    x = cellstep.Input((4,))
    a = cellstep.layers.Add()([cellstep.layers.Dense(4)(x), x])
    b = cellstep.layers.Concatenate()([a + x, a])
    model = cellstep.Model(x, cellstep.ops.concatenate([b, a], axis=-1))
    model.save(tmp_path / "model.keras")
    keras.utils.clear_session()
    data = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    for _ in range(5):  # whatever number Keras has come to
        read = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(read(data), model(data), rtol=1e-5, atol=1e-6)
