"""Files that tf.keras 2.15, Keras 3.0 and Keras 3.4 wrote, of every kind that each writes."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import layers, models, optimizers
from cellstep.untrusted import FileError

h5py = pytest.importorskip("h5py")

GOLDEN = Path(__file__).parent.parent / "golden"
X = (np.arange(30).reshape(2, 5, 3) % 7 - 3).astype("float32") / 3
WORDS = (np.arange(10).reshape(2, 5) * 3 % 7).astype("int32")
INPUTS: dict[str, Any] = {"embedded": WORDS, "graph": [X, X[:, ::-1].copy()]}
FILES = [
    (version, name)
    for version in ("2-tf2.15.1", "3.0.5", "3.4.1")
    for name in zipfile.ZipFile(GOLDEN / f"legacy-{version}.zip").namelist()
    if name != "outputs.npz"
]


def member(version: str, name: str) -> bytes:
    with zipfile.ZipFile(GOLDEN / f"legacy-{version}.zip") as archive:
        return archive.read(name)


def outputs(version: str) -> Any:
    return np.load(io.BytesIO(member(version, "outputs.npz")))


def loaded(folder: Path, version: str, name: str, compile: bool = True) -> Any:
    """The model in a file, or that of its configuration with the weights in a file."""
    path = folder / name
    path.write_bytes(member(version, name))
    if "weights" not in name:
        return models.load_model(path, compile=compile)
    net = models.model_from_json(member(version, f"{name.partition('.')[0]}.json").decode())
    net.load_weights(path)
    return net


@pytest.mark.parametrize(("version", "name"), [f for f in FILES if not f[1].endswith(".json")])
def test_models_predict_what_they_predicted(tmp_path: Path, version: str, name: str) -> None:
    # of the frozen layer Keras 3.0 has a state of the optimizer too, which is not taken
    keeps_more = version == "3.0.5" and name in ("frozen.keras", "frozen.h5")
    kind = name.partition(".")[0]
    with pytest.warns(UserWarning, match="the optimizer starts anew") if keeps_more else warnings.catch_warnings():
        net = loaded(tmp_path, version, name)
    values = outputs(version)
    for _ in range(2):
        y = net.predict(INPUTS.get(kind, X), verbose=0)
        for i, found in enumerate(y if isinstance(y, list) else [y]):
            np.testing.assert_allclose(found, values[f"{kind}/{i}"], rtol=1e-5, atol=1e-6)
        net.save(tmp_path / "again.keras")
        net = models.load_model(tmp_path / "again.keras")


@pytest.mark.parametrize("name", ["net.h5", "net.weights-only.h5"])
def test_weights_of_cudnn_are_those_of_an_lstm_and_a_gru(tmp_path: Path, name: str) -> None:
    """Bit for bit what Keras 2 makes of them where it loads them into its LSTM and GRU."""
    with zipfile.ZipFile(GOLDEN / "cudnn-2-tf2.15.1.zip") as archive:
        (tmp_path / name).write_bytes(archive.read(name))
        text, wanted = archive.read("net.json").decode(), np.load(io.BytesIO(archive.read("outputs.npz")))
    if "weights" in name:
        model = models.model_from_json(text)
        model.load_weights(tmp_path / name)
    else:
        model = models.load_model(tmp_path / name)
    for k, weight in enumerate(model.get_weights()):
        np.testing.assert_array_equal(weight, wanted[f"weights/{k}"])
    np.testing.assert_allclose(model.predict(X, verbose=0), wanted["y"], rtol=1e-5, atol=1e-6)

    with h5py.File(tmp_path / name, "r+") as file:
        place = f"{'' if 'weights' in name else 'model_weights/'}m/m/bias:0"
        del file[place]
        file[place] = np.ones(12, "float32")
    with pytest.raises(FileError, match=r"m/m/bias:0: must hold m/lstm_cell/bias of shape \(8,\), got \(12,\)"):
        model.load_weights(tmp_path / name)


@pytest.mark.parametrize("version", ["2-tf2.15.1", "3.4.1"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_training_goes_on_with_the_state_of_the_optimizer(tmp_path: Path, version: str, ending: str) -> None:
    net = loaded(tmp_path, version, f"frozen.{ending}")
    assert net.optimizer.calls == 1
    net.fit(X, np.ones((2, 2), "float32"), epochs=1, verbose=0)
    np.testing.assert_allclose(net.predict(X, verbose=0), outputs(version)["frozen/after"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("version", ["2-tf2.15.1", "3.4.1"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_a_model_was_compiled_with_comes_along(tmp_path: Path, version: str, ending: str) -> None:
    net = loaded(tmp_path, version, f"line.{ending}")
    assert isinstance(net.optimizer, optimizers.Adam)
    assert net.optimizer.calls == 2
    assert float(net.optimizer.learning_rate) == pytest.approx(0.01)
    assert set(net.evaluate(X, np.eye(2, dtype="float32"), verbose=0, return_dict=True)) == {"loss", "accuracy"}
    assert loaded(tmp_path, version, f"line.{ending}", compile=False).optimizer is None


def test_configurations_of_first_versions() -> None:
    """A Sequential as a list, whose first layer says what the shape of its inputs is."""
    gru = {"units": 3, "batch_input_shape": [4, None, 2], "dtype": "float32", "name": "g", "time_major": False}
    config = {"class_name": "Sequential", "config": [{"class_name": "GRU", "config": gru}]}
    net = models.model_from_json(json.dumps(config))
    assert net.input_shape == (4, None, 2)
    assert isinstance(net.layers[0], layers.GRU)
    gru["time_major"] = True
    with pytest.raises(NotImplementedError, match="time_major=True of g is not built; x is always"):
        models.model_from_json(json.dumps(config))


def test_decay_and_operations_of_tensorflow_are_named() -> None:
    net = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    adam = {"class_name": "Adam", "config": {"lr": 0.5, "decay": 0.0}}
    net.compile_from_config({"loss": "mse", "optimizer_config": adam})
    assert float(net.optimizer.learning_rate) == 0.5
    adam["config"]["decay"] = 0.1  # type: ignore[index]
    with pytest.raises(ValueError, match=r"decay of Adam is not built, got 0\.1; a schedule .*compile=False"):
        net.compile_from_config({"loss": "mse", "optimizer_config": adam})
    with pytest.raises(ValueError, match=r"TFOpLambda is not in cellstep: functions of cellstep\.ops"):
        layers.deserialize({"class_name": "TFOpLambda", "config": {"name": "tf.math.add"}})


def changed(folder: Path, change: Any, name: str = "frozen.weights-only.h5") -> Path:
    path = folder / name
    path.write_bytes(member("2-tf2.15.1", name))
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def net() -> Any:
    return models.model_from_json(member("2-tf2.15.1", "frozen.json").decode())


def test_weights_are_never_taken_for_others(tmp_path: Path) -> None:
    model = net()
    before = model.get_weights()
    path = changed(tmp_path, lambda file: None)
    # kernel, recurrent kernel and bias of the layer in the middle are as they were; those of the first are not
    model.layers[0].trainable = False
    model.load_weights(path)
    assert not np.array_equal(model.get_weights()[0], before[0])

    def swapped(file: Any) -> None:
        names = list(file["a"].attrs["weight_names"])
        file["a"].attrs["weight_names"] = [*map(str, [*names[2:], *names[:2]])]

    before = model.get_weights()
    with pytest.raises(FileError, match=r"a/a/moving_mean:0: must hold .*gamma here: the order depends"):
        model.load_weights(changed(tmp_path, swapped))
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_left_over_or_missing_is_named(tmp_path: Path) -> None:
    def more(file: Any) -> None:
        file.attrs["layer_names"] = [*map(str, file.attrs["layer_names"]), "extra"]
        file.create_group("extra").attrs["weight_names"] = [b"w:0"]
        file["extra/w:0"] = np.zeros(3)

    def fewer(file: Any) -> None:
        file.attrs["layer_names"] = [b"a", b"c"]

    def short(file: Any) -> None:
        file["c"].attrs["weight_names"] = [b"c/kernel:0"]

    def other(file: Any) -> None:
        del file["c/c/kernel:0"]
        file["c/c/kernel:0"] = np.zeros((4, 2))

    for change, told in (
        (more, "must hold weights of the layers a, b, c and no others, got extra"),
        (fewer, "must hold weights of the layers a, b, c and no others, got 2 layers with weights"),
        (short, "must hold 2 weights of c, got 1"),
        (other, r"c/c/kernel:0: must hold c/kernel of shape \(3, 2\), got \(4, 2\)"),
    ):
        with pytest.raises(ValueError, match=told):
            net().load_weights(changed(tmp_path, change))
    model = net()
    kept = model.layers[-1].get_weights()
    with pytest.warns(UserWarning, match="c keeps its weights"):
        model.load_weights(changed(tmp_path, other), skip_mismatch=True)
    np.testing.assert_array_equal(model.layers[-1].get_weights()[0], kept[0])


def test_a_file_of_weights_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes(member("2-tf2.15.1", "line.weights-only.h5"))
    with pytest.raises(FileError, match=r"must hold a whole model, .* got weights alone, which load_weights"):
        models.load_model(path)
    with pytest.raises(ValueError, match=r"must end in \.keras, got .*, Keras's older format, which is read alone"):
        net().save(path)
