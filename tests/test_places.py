"""Where scripts for Keras look for things, what configurations hold, and what is refused, by which sentence."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import Input, Sequential, config, datasets, layers, models, saving, utils

X = np.random.default_rng(0).standard_normal((2, 3)).astype("float32")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("preprocessing.sequence", "pad_sequences"),
        ("preprocessing", "timeseries_dataset_from_array"),
        ("models", "model_from_json"),
        ("saving", "serialize_keras_object"),
        ("saving", "deserialize_keras_object"),
        ("saving", "load_weights"),
        ("saving", "save_weights"),
        ("utils", "Progbar"),
        ("utils", "get_file"),
        ("datasets", "imdb"),
        ("callbacks", "EarlyStopping"),
        ("optimizers.schedules", "CosineDecay"),
        *((kind, name) for kind in ("initializers", "regularizers", "constraints") for name in ("get", "deserialize")),
        *(
            (kind, name)
            for kind in ("activations", "losses", "metrics", "optimizers")
            for name in ("get", "deserialize")
        ),
        *(
            ("utils", name)
            for name in ("to_categorical", "normalize", "split_dataset", "plot_model", "set_random_seed")
        ),
        *(("utils", name) for name in ("pack_x_y_sample_weight", "unpack_x_y_sample_weight", "custom_object_scope")),
        *(("utils", name) for name in ("serialize_keras_object", "deserialize_keras_object", "get_custom_objects")),
        *(("config", name) for name in ("floatx", "set_floatx", "epsilon", "backend", "image_data_format")),
    ],
)
def test_names_are_where_scripts_import_them_from(path: str, name: str) -> None:
    module = importlib.import_module(f"cellstep.{path}")
    assert name in dir(module)
    assert getattr(module, name) is not None
    assert path.partition(".")[0] in dir(cellstep)


def test_settings_have_keras_s_values() -> None:
    assert (config.floatx(), config.epsilon(), config.backend()) == ("float32", 1e-7, "numpy")
    assert (config.image_data_format(), config.is_interactive_logging_enabled()) == ("channels_last", True)
    assert cellstep.backend.epsilon() == 1e-7
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    config.enable_interactive_logging()
    config.enable_traceback_filtering()
    config.disable_traceback_filtering()
    assert config.is_traceback_filtering_enabled() is False
    try:
        config.set_dtype_policy("float64")
        assert layers.Dense(2).dtype == "float64"
    finally:
        config.set_floatx("float32")


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "epsilon": (
        lambda: config.set_epsilon(1e-5),
        NotImplementedError,
        "epsilon is not to be changed: expected 1e-07, got 1e-05; losses and metrics are written with it",
    ),
    "data format": (
        lambda: config.set_image_data_format("channels_first"),
        NotImplementedError,
        "data_format is not to be changed: expected 'channels_last', got 'channels_first'; give each layer its "
        "data_format",
    ),
    "logging": (
        config.disable_interactive_logging,
        NotImplementedError,
        "interactive logging is not to be changed: expected True, got False; fit, evaluate and predict print nothing "
        "with verbose=0",
    ),
    "unsafe files": (
        config.enable_unsafe_deserialization,
        NotImplementedError,
        "unsafe deserialization is not to be changed: expected False, got True; register a function of your own, and "
        "files find it",
    ),
    "half precision": (
        lambda: config.set_dtype_policy("mixed_float16"),
        ValueError,
        "value must be 'float32' or 'float64', got 'mixed_float16'",
    ),
    "file of the network": (
        lambda: utils.get_file("a.zip", "https://example.org/a.zip", extract=True),
        NotImplementedError,
        "get_file is not built, as cellstep uses no network: fetch https://example.org/a.zip yourself, say by "
        "urllib.request.urlretrieve('https://example.org/a.zip', 'a.zip'), and open what that wrote",
    ),
    "data set": (
        lambda: datasets.imdb.load_data(num_words=100),
        NotImplementedError,
        "datasets.imdb.load_data is not built, as cellstep uses no network: keras.datasets.imdb.load_data of Keras "
        "gives the same arrays, and np.load reads its file from ~/.keras/datasets",
    ),
    "older generator": (
        lambda: cellstep.preprocessing.sequence.TimeseriesGenerator,  # type: ignore[attr-defined]
        AttributeError,
        "module 'cellstep.preprocessing.sequence' has no attribute 'TimeseriesGenerator': TimeseriesGenerator is not "
        "in cellstep: utils.timeseries_dataset_from_array makes windows of a series",
    ),
    "json": (lambda: models.model_from_json("no"), ValueError, "json_string must be what to_json gives, got 'no'"),
    "json None": (lambda: models.model_from_json(None), ValueError, "json_string must be what to_json gives, got None"),  # type: ignore[arg-type]
    "no model": (
        lambda: models.model_from_json("{}"),
        TypeError,
        "expected config to be a dictionary with class_name and config, got {}",
    ),
    "object": (
        lambda: saving.serialize_keras_object(slice(2)),
        TypeError,
        "obj must be a number, a string, an array, a function or have get_config, got slice(None, 2, None)",
    ),
    "lambda": (
        lambda: saving.serialize_keras_object(lambda x: x),
        TypeError,
        "obj must be registered to be saved: put @cellstep.saving.register_keras_serializable() above a named "
        "function, got <lambda>",
    ),
    "unknown class": (
        lambda: saving.deserialize_keras_object({"class_name": "Nope", "config": {}}),
        ValueError,
        "class_name must be that of a layer of cellstep.layers, got 'Nope'; a class of your own must be registered, or "
        "given as custom_objects={'Nope': ...}",
    ),
    "array": (
        lambda: saving.deserialize_keras_object(
            {"class_name": "__numpy__", "config": {"value": 1, "dtype": "S99999999"}}
        ),
        ValueError,
        "expected the configuration of an array to have a value and a dtype, got {'value': 1, 'dtype': 'S99999999'}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    make, error, message = REFUSED[name]
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


@saving.register_keras_serializable("places")
class Inner(layers.Layer):
    """Holds a layer, and reads its configuration by itself or not."""

    def __init__(self, inner: Any, more: Any = (), scale: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.inner, self.more, self.scale = inner, list(more), scale

    def forward(self, x: Any, training: bool = False) -> Any:
        return self.inner.forward(x, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.inner.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner": self.inner, "more": self.more, "scale": self.scale}


@saving.register_keras_serializable("places")
class ReadsItself(Inner):
    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "inner": saving.serialize_keras_object(self.inner)}
        return {**config, "more": [layers.serialize(one) for one in self.more]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        inner = saving.deserialize_keras_object(config.pop("inner"))
        return cls(inner, [layers.deserialize(one) for one in config.pop("more")], **config)


@pytest.mark.parametrize("kind", [Inner, ReadsItself])
def test_configurations_hold_layers(kind: Any) -> None:
    layer = kind(
        layers.Dense(2, name="one"), [layers.LSTM(3, name="two"), layers.ReLU(name="three")], 0.5, name="outer"
    )
    model = Sequential([Input((3,)), layer])
    for again in (
        models.model_from_json(model.to_json()),
        Sequential.from_config(json.loads(json.dumps(json.loads(model.to_json())["config"]))),
    ):
        outer = again.layers[0]
        assert (type(outer), type(outer.inner), outer.inner.units, outer.scale) == (kind, layers.Dense, 2, 0.5)
        assert [type(one) for one in outer.more] == [layers.LSTM, layers.ReLU]
        assert again.to_json() == model.to_json()


def test_custom_objects_are_found_without_being_registered() -> None:
    class Half(layers.Dense):
        pass

    config = saving.serialize_keras_object(Half(2))
    assert type(saving.deserialize_keras_object(config, {"Half": Half})) is Half
    with pytest.raises(ValueError, match="got 'Half'"):
        saving.deserialize_keras_object(config)


def test_a_progress_bar_shows_means(capsys: pytest.CaptureFixture[str]) -> None:
    bar = utils.Progbar(3, stateful_metrics=["rate"])
    bar.update(1, [("loss", 1.0), ("rate", 0.5)])
    bar.add(2, [("loss", 4.0), ("rate", 0.25)])
    line = capsys.readouterr().out
    assert line.startswith("3/3 - 0s - ")
    assert line.endswith("/step - loss: 3.0000 - rate: 0.2500\n")
    open_end = utils.Progbar(None, unit_name="row")
    open_end.update(5, finalize=False)
    open_end.update(7, finalize=True)
    assert capsys.readouterr().out.startswith("7/7 - 0s - ")
    utils.Progbar(1, verbose=0).update(1, [("loss", 1.0)])
    assert not capsys.readouterr().out


def test_modules_that_need_other_packages_are_found_without_an_import_of_their_own() -> None:
    pytest.importorskip("sklearn")
    said = "import cellstep, sys; assert 'sklearn' not in sys.modules; print(cellstep.sklearn.RNNClassifier.__name__)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "RNNClassifier\n"
