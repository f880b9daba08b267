"""Whole models in `.keras` files: what is kept, what is refused, and that nothing is half written."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import X, Y, linear

import cellstep
from cellstep import callbacks, layers, losses, metrics, models, saving
from cellstep.untrusted import FileError

pytest.importorskip("h5py")


@saving.register_keras_serializable("tests")
class Gain(layers.Layer):
    """Its constructor is all that its configuration is made of."""

    def __init__(self, factor: float, note: str = "none", **options: Any) -> None:
        super().__init__(**options)
        self.factor, self.note = factor, note

    def forward(self, x: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        return self.factor * x, lambda dy, need_dx=True: self.factor * dy if need_dx else None


class Held(layers.Layer):
    """Takes what cannot stand in a file."""

    def __init__(self, inner: Any, **options: Any) -> None:
        super().__init__(**options)
        self.inner = inner


class Tagger(models.Model):
    """A subclass without get_config."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.rnn, self.head = layers.GRU(units), layers.Dense(2)

    def call(self, x: Any, training: Any = None) -> Any:
        return self.head(self.rnn(x))


@saving.register_keras_serializable()
def halved(x: Any) -> Any:
    return x / 2


@saving.register_keras_serializable()
def half(x: Any, y: Any, dy: Any) -> Any:
    return dy / 2


@saving.register_keras_serializable()
def gap(y_true: Any, y_pred: Any) -> Any:
    return np.abs(y_true - y_pred).max(axis=-1)


@saving.register_keras_serializable()
class Tilted(losses.MeanSquaredError):
    """A loss of the user's."""


def kept(path: Path, net: Any, **options: Any) -> Any:
    net.save(path / "m.keras")
    return saving.load_model(path / "m.keras", **options)


def same(a: Any, b: Any, x: Any = X) -> None:
    np.testing.assert_array_equal(a.predict(x, verbose=0), b.predict(x, verbose=0))


def test_what_a_model_was_compiled_with_is_kept(tmp_path: Path) -> None:
    net = linear()
    parts = ["mae", metrics.RootMeanSquaredError(name="root"), gap, metrics.MeanMetricWrapper(gap, "other")]
    net.compile(cellstep.optimizers.Adam(0.1), Tilted(reduction="sum"), metrics=parts, loss_weights=0.5)
    net.train_on_batch(X, Y)
    again = kept(tmp_path, net)
    assert isinstance(again.loss, Tilted)
    assert again.optimizer.learning_rate == 0.1
    logs = [m.train_on_batch(X, Y, return_dict=True) for m in (net, again)]
    assert logs[0] == logs[1]
    assert {"gap", "other", "root", "mae"} < set(logs[0])
    same(net, again)


def test_classes_of_the_user_are_found_by_name(tmp_path: Path) -> None:
    net = models.Sequential([layers.Input((3,)), layers.Dense(2), Gain(3.0, name="louder")])
    again = kept(tmp_path, net)
    assert (again.layers[-1].factor, again.layers[-1].note, again.layers[-1].name) == (3.0, "none", "louder")
    same(net, again)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        entry = json.loads(archive.read("config.json"))["config"]["layers"][-1]
    assert entry["registered_name"] == "tests>Gain"
    assert entry["config"] == {"factor": 3.0, "name": "louder", "trainable": True, "dtype": "float32"}


def test_classes_that_are_not_registered_are_given(tmp_path: Path) -> None:
    net = Tagger(4)
    x = np.ones((2, 5, 3), "float32")
    net.predict(x, verbose=0)
    same(net, kept(tmp_path, net, custom_objects={"Tagger": Tagger}), x)
    with saving.custom_object_scope({"Tagger": Tagger}):
        same(net, saving.load_model(tmp_path / "m.keras"), x)
    with pytest.raises(ValueError, match=r"got 'Tagger'; a class of your own must be registered, or given as custom_o"):
        saving.load_model(tmp_path / "m.keras")


def test_a_model_of_the_user_inside_another(tmp_path: Path) -> None:
    x = layers.Input((5, 3))
    net = models.Model(x, layers.Dense(1)(Tagger(4)(x)))
    same(net, kept(tmp_path, net, custom_objects={"Tagger": Tagger}), np.ones((2, 5, 3), "float32"))


def test_registered_functions_of_a_lambda_are_kept(tmp_path: Path) -> None:
    net = models.Sequential([layers.Input((3,)), layers.Dense(2), layers.Lambda(halved, pullback=half)])
    again = kept(tmp_path, net)
    assert again.layers[-1].pullback is half
    same(net, again)


def test_an_initializer_of_the_user(tmp_path: Path) -> None:
    @saving.register_keras_serializable("tests")
    def sevens(shape: Any, dtype: Any = None) -> Any:
        return np.full(shape, 7, dtype)

    net = models.Sequential([layers.Input((3,)), layers.Dense(2, kernel_initializer=sevens)])
    again = kept(tmp_path, net)
    assert (models.clone_model(again).get_weights()[0] == 7).all()


def test_a_layer_in_two_places_is_one_layer(tmp_path: Path) -> None:
    dense, x = layers.Dense(3), layers.Input((5, 3))
    net = models.Model(x, layers.TimeDistributed(dense)(models.Sequential([layers.Input((5, 3)), dense])(x)))
    assert len(kept(tmp_path, net).weights) == 2
    assert "shared_object_id" not in json.dumps(net.get_config())


def test_an_open_file_is_read(tmp_path: Path) -> None:
    net = linear()
    net.save(tmp_path / "m.keras")
    same(net, saving.load_model(io.BytesIO((tmp_path / "m.keras").read_bytes())))


def test_weights_are_taken_from_a_whole_model(tmp_path: Path) -> None:
    net, other = linear(), linear()
    net.save(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.keras")
    same(net, other)


def test_weights_that_do_not_fit_are_passed_by_where_that_is_asked(tmp_path: Path) -> None:
    def net(units: int) -> Any:
        return models.Sequential([layers.Input((3,)), layers.Dense(4), layers.Dense(units)])

    one, other = net(2), net(3)
    one.save_weights(tmp_path / "m.weights.h5")
    before = other.get_weights()
    with pytest.warns(UserWarning, match=r"dense.* keeps its weights: .* must hold .*/kernel of shape \(4, 3\)"):
        other.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    np.testing.assert_array_equal(other.get_weights()[0], one.get_weights()[0])
    np.testing.assert_array_equal(other.get_weights()[2], before[2])


def test_a_save_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    linear().save(path)
    before = path.read_bytes()
    net = models.Sequential([layers.Input((3,)), layers.Lambda(lambda x: x)])
    with pytest.raises(TypeError, match=r"function of lambda.* must be registered to be saved: .* got <lambda>"):
        net.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]


def written(path: Path, **members: str) -> Path:
    """A file of these members."""
    with zipfile.ZipFile(path / "m.keras", "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return path / "m.keras"


def pipe(path: Path) -> Path:
    """A pipe that no one writes to, where there are such; a folder elsewhere."""
    (os.mkfifo if hasattr(os, "mkfifo") else os.mkdir)(path / "m.keras")
    return path / "m.keras"


def unzipped(path: Path) -> Path:
    (path / "m.keras").write_text("no archive")
    return path / "m.keras"


def other_loss(path: Path) -> Path:
    net = linear()
    net.save(path / "n.keras")
    with zipfile.ZipFile(path / "n.keras") as archive:
        config = json.loads(archive.read("config.json"))
        config["compile_config"]["loss"] = {"class_name": "Odd", "config": {}}
        with zipfile.ZipFile(path / "m.keras", "w") as other:
            other.writestr("config.json", json.dumps(config))
            other.writestr("model.weights.h5", archive.read("model.weights.h5"))
    return path / "m.keras"


CODE = json.dumps(
    {
        "class_name": "Lambda",
        "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}},
    }
)
UNKNOWN = json.dumps({"class_name": "Telescope", "config": {}})


@pytest.mark.parametrize(
    ("run", "error", "words"),
    [
        (lambda p: linear().save(p / "m.h5"), ValueError, "filepath must end in .keras, got .*m.h5', Keras's older"),
        (lambda p: linear().save(p / "m"), ValueError, "filepath must end in .keras or .safetensors, got .*/m'"),
        (lambda p: linear().save(p / "m.keras", zipped=False), NotImplementedError, "zipped=False is not built yet"),
        (lambda p: models.Sequential([layers.Dense(2)]).save(p / "m.keras"), ValueError, "no weights to save yet"),
        (lambda p: [linear().save(p / "m.keras", overwrite=False) for _ in "ab"], FileExistsError, "overwrite=True"),
        (lambda p: saving.load_model(p / "m.keras"), FileNotFoundError, "must be a file that exists, got .*m.keras"),
        (lambda p: saving.load_model(pipe(p)), FileNotFoundError, "must be a file that exists, got .*m.keras"),
        (
            lambda p: saving.load_model(unzipped(p)),
            FileError,
            "must be a zip archive, as .keras and .pt files are, got",
        ),
        (lambda p: saving.load_model(written(p, other="")), FileError, "must hold config.json to be a model, got oth"),
        (
            lambda p: saving.load_model(written(p, config_json="{")),
            ValueError,
            "config.json: expected a model, got no JSON: Ex",
        ),
        (lambda p: saving.load_model(written(p, config_json=UNKNOWN)), ValueError, "got 'Telescope'; a class"),
        (lambda p: saving.load_model(written(p, config_json=CODE)), ValueError, "written down as code, which is never"),
        (lambda p: saving.load_model(other_loss(p)), ValueError, "loss must be one of .*, got 'Odd'; compile=False lo"),
        (
            lambda p: models.Sequential([layers.Input((3,)), Held(layers.Dense(2))]).save(p / "m.keras"),
            NotImplementedError,
            "Held.get_config must be written, as inner cannot stand in a file",
        ),
        (lambda p: saving.register_keras_serializable(Gain), TypeError, "register_keras_serializable.. with its paren"),
        (lambda p: saving.register_keras_serializable()(str), ValueError, "expected str to have get_config"),
    ],
)
def test_errors(tmp_path: Path, run: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_member_that_grows_beyond_reason_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("config.json", "w") as file:
        for _ in range(257):
            file.write(bytes(2**20))
    with pytest.raises(
        FileError, match=r"config.json: must hold at most 148\d+ bytes, got .* bytes that would become 2694"
    ):
        saving.load_model(path)


def not_known(y_true: Any, y_pred: Any) -> Any:
    return np.abs(y_true - y_pred).mean(axis=-1)


class NotKnown(losses.MeanSquaredError):
    """As `MeanSquaredError`."""


class NotKnownEither(cellstep.optimizers.SGD):
    """As `SGD`."""


@pytest.mark.parametrize(
    ("options", "objects"),
    [
        ({"loss": NotKnown()}, {"NotKnown": NotKnown}),
        ({"metrics": [not_known]}, {"not_known": not_known}),
        ({"metrics": [lambda y, p: np.abs(y - p).mean(axis=-1)]}, {"<lambda>": not_known}),
        ({"optimizer": NotKnownEither(0.1)}, {"NotKnownEither": NotKnownEither}),
        ({"optimizer": cellstep.optimizers.SGD(lambda: 0.1)}, {"<lambda>": lambda: 0.1}),
    ],
)
def test_what_is_not_registered_stands_in_the_file_by_name(tmp_path: Path, options: Any, objects: Any) -> None:
    net = linear()
    net.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    keep = callbacks.ModelCheckpoint(tmp_path / "m.keras")
    net.fit(X, Y, epochs=2, verbose=0, callbacks=[keep])  # which Keras does not stop either
    with pytest.raises(ValueError, match=r"m\.keras, config\.json: expected a model, got .*; compile=False loads"):
        saving.load_model(tmp_path / "m.keras")
    again = saving.load_model(tmp_path / "m.keras", objects)
    same(net, again)
    assert again.test_on_batch(X, Y) == net.test_on_batch(X, Y)
    same(net, saving.load_model(tmp_path / "m.keras", compile=False))
