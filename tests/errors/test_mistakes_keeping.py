"""Mistakes, and the sentence that each gets: callbacks, configurations, weights, utilities, settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mistakes import Row, check, check_form, reg, rows

import cellstep
from cellstep import Input, Model, Sequential, callbacks, initializers, layers, losses, models, optimizers, utils

#: What takes the path of a file or a folder, with the name of the argument.
PATHS: list[tuple[str, Callable[[Any], Any]]] = [
    ("backup_dir", callbacks.BackupAndRestore),
    ("filename", callbacks.CSVLogger),
    ("filepath", callbacks.ModelCheckpoint),
    ("log_dir", callbacks.TensorBoard),
    ("filepath", lambda path: reg().save(path)),
    ("filepath", cellstep.saving.load_model),
    ("to_file", lambda path: models.plot_model(reg(), path)),
]


@pytest.mark.parametrize(("name", "take"), PATHS)
@pytest.mark.parametrize("value", [None, 3])
def test_paths_are_paths(name: str, take: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a path, got {value}"):
        take(value)


TABLE: list[Row] = [
    (
        "es patience",
        lambda: callbacks.EarlyStopping(patience=-1),
        ValueError,
        "patience must be an integer, 0 or more, got -1",
    ),
    (
        "es patience float",
        lambda: callbacks.EarlyStopping(patience=1.5),
        TypeError,
        "patience must be an integer, 0 or more, got 1.5",
    ),
    (
        "es patience str",
        lambda: callbacks.EarlyStopping(patience="3"),
        TypeError,
        "patience must be an integer, 0 or more, got '3'",
    ),
    (
        "es mode",
        lambda: callbacks.EarlyStopping(mode="maximum"),
        ValueError,
        "mode must be 'auto', 'min' or 'max', got 'maximum'",
    ),
    (
        "es first positional",
        lambda: callbacks.EarlyStopping(3),
        TypeError,
        "monitor must be a key of the logs, such as 'val_loss', got 3",
    ),
    ("es min_delta", lambda: callbacks.EarlyStopping(min_delta="a"), TypeError, "min_delta must be a number, got 'a'"),
    ("es baseline", lambda: callbacks.EarlyStopping(baseline="a"), TypeError, "baseline must be a number, got 'a'"),
    (
        "es restore",
        lambda: callbacks.EarlyStopping(restore_best_weights="yes"),
        TypeError,
        "restore_best_weights must be True or False, got 'yes'",
    ),
    ("mc int", lambda: callbacks.ModelCheckpoint(3), TypeError, "filepath must be a path, got 3"),
    (
        "plateau factor",
        lambda: callbacks.ReduceLROnPlateau(factor=2),
        ValueError,
        "factor must be above 0 and below 1, got 2",
    ),
    (
        "lrs no fn",
        lambda: callbacks.LearningRateScheduler(0.1),
        TypeError,
        "schedule must be a function of the epoch and the learning rate, got 0.1",
    ),
    (
        "lambda cb",
        lambda: callbacks.LambdaCallback(on_epoch_end=3),
        TypeError,
        "on_epoch_end must be a function, got 3",
    ),
    (
        "lambda cb name",
        lambda: callbacks.LambdaCallback(on_epoch_ends=print),
        TypeError,
        "LambdaCallback takes no argument 'on_epoch_ends', but hooks of Callback such as on_epoch_end",
    ),
    (
        "from_config unknown key",
        lambda: layers.LSTM.from_config({"units": 3, "foo": 1}),
        TypeError,
        "LSTM takes no argument 'foo'",
    ),
    (
        "from_config none",
        lambda: layers.LSTM.from_config(None),
        TypeError,
        "config of LSTM must be a dictionary, as get_config gives, got None",
    ),
    (
        "from_config json",
        lambda: layers.LSTM.from_config('{"units":3}'),
        TypeError,
        "config of LSTM must be a dictionary, as get_config gives, got '{\"units\":3}'",
    ),
    (
        "from_config list",
        lambda: layers.LSTM.from_config([3]),
        TypeError,
        "config of LSTM must be a dictionary, as get_config gives, got [3]",
    ),
    (
        "from_config units",
        lambda: layers.LSTM.from_config({"units": "3"}),
        TypeError,
        "units must be a positive integer, got '3'",
    ),
    (
        "deser none",
        lambda: layers.deserialize(None),
        TypeError,
        "expected config to be a dictionary with class_name and config, got None",
    ),
    (
        "deser str",
        lambda: layers.deserialize("LSTM"),
        TypeError,
        "expected config to be a dictionary with class_name and config, got 'LSTM'",
    ),
    (
        "seq from_config empty",
        lambda: Sequential.from_config({}),
        ValueError,
        "config of Sequential must have layers, got nothing",
    ),
    (
        "seq from_config bad layer",
        lambda: Sequential.from_config({"layers": [3]}),
        TypeError,
        "expected config to be a dictionary with class_name and config, got 3",
    ),
    ("model from_config bad", lambda: Model.from_config({"foo": 1}), TypeError, "Model takes no argument 'foo'"),
    (
        "model from seq config",
        lambda: Model.from_config(reg().get_config()),
        TypeError,
        "Model takes no argument 'layers'",
    ),
    (
        "opt from_config",
        lambda: optimizers.Adam.from_config({"learning_rate": 0.1, "foo": 2}),
        TypeError,
        "Adam takes no argument 'foo'",
    ),
    (
        "opt deser",
        lambda: optimizers.deserialize({"class_name": "Foo", "config": {}}),
        ValueError,
        ("optimizer must be one of sgd, adam, rmsprop, adamw, nadam, adamax, adagrad, adadelta, lion, lamb, got 'Foo'"),
    ),
    (
        "loss deser",
        lambda: losses.deserialize({"class_name": "Foo", "config": {}}),
        ValueError,
        "loss must be one of the 24 names there are, such as mse or mae or bce, got 'Foo'",
    ),
    (
        "init deser",
        lambda: initializers.get({"class_name": "Foo", "config": {}}),
        ValueError,
        "initializer must be one of the 17 names there are, such as zeros or ones or constant, got 'Foo'",
    ),
    (
        "init config bad",
        lambda: initializers.get({"class_name": "GlorotUniform", "config": {"sed": 1}}),
        TypeError,
        "GlorotUniform takes no argument 'sed'; seed is the nearest to it",
    ),
    ("clone", lambda: models.clone_model(3), TypeError, "model must be a Sequential or a Model, got 3"),
    (
        "clone fn",
        lambda: models.clone_model(reg(), clone_function=3),
        TypeError,
        "clone_function must be a function of a layer, got 3",
    ),
    (
        "set_weights too few",
        lambda: reg().set_weights(reg().get_weights()[:-1]),
        ValueError,
        "expected weights to be 5 arrays, got 4",
    ),
    (
        "set_weights shape",
        lambda: reg().set_weights([w.T for w in reg().get_weights()]),
        ValueError,
        "expected lstm/lstm_cell/kernel of shape (3, 24), got (24, 3)",
    ),
    (
        "set_weights gru into lstm",
        lambda: Sequential([Input((5, 3)), layers.LSTM(3)]).set_weights(
            Sequential([Input((5, 3)), layers.GRU(3)]).get_weights()
        ),
        ValueError,
        "expected lstm/lstm_cell/kernel of shape (3, 12), got (3, 9)",
    ),
    ("set_weights none", lambda: reg().set_weights(None), TypeError, "weights must be a list of arrays, got None"),
    ("set_weights str", lambda: reg().set_weights("abc"), TypeError, "weights must be a list of arrays, got 'abc'"),
    ("set_weights array", lambda: reg().set_weights(np.ones(3)), ValueError, "expected weights to be 5 arrays, got 3"),
    (
        "set_weights unbuilt",
        lambda: layers.LSTM(3).set_weights([np.ones((3, 12))]),
        ValueError,
        "expected weights to be 0 arrays, got 1; the layer is not built yet, so it has none",
    ),
    (
        "variable assign",
        lambda: reg().weights[0].assign(np.ones((2, 2))),
        ValueError,
        "expected lstm/lstm_cell/kernel of shape (3, 24), got (2, 2)",
    ),
    (
        "variable assign str",
        lambda: reg().weights[0].assign("a"),
        TypeError,
        "expected lstm/lstm_cell/kernel to hold real numbers, got dtype <U1, a string",
    ),
    (
        "save_weights int",
        lambda: reg().save_weights(3),
        TypeError,
        "filepath must be a path that ends in .weights.h5, got 3",
    ),
    ("seed float", lambda: utils.set_random_seed(1.5), TypeError, "seed must be an integer, got 1.5"),
    ("seed neg", lambda: utils.set_random_seed(-1), ValueError, "seed must be 0 or more, got -1"),
    ("seed none", lambda: utils.set_random_seed(None), TypeError, "seed must be an integer, got None"),
    ("seed big", lambda: utils.set_random_seed(2**40), ValueError, "seed must be in 0 .. 2**32 - 1, got 1099511627776"),
    ("to_categorical neg", lambda: utils.to_categorical([0, -1]), ValueError, "x must hold labels from 0 to 0, got -1"),
    (
        "to_categorical big",
        lambda: utils.to_categorical([0, 5], num_classes=3),
        ValueError,
        "x must hold labels from 0 to 2, got 5",
    ),
    ("to_categorical str", lambda: utils.to_categorical(["a"]), TypeError, "x must hold integer labels, got dtype <U1"),
    ("pad none", lambda: utils.pad_sequences(None), TypeError, "sequences must be a list of lists or arrays, got None"),
    ("pad number", lambda: utils.pad_sequences(3), TypeError, "sequences must be a list of lists or arrays, got 3"),
    (
        "pad flat",
        lambda: utils.pad_sequences([1, 2, 3]),
        TypeError,
        "sequences must be lists or arrays, got 1 among them",
    ),
    (
        "pad side",
        lambda: utils.pad_sequences([[1, 2], [3]], padding="right"),
        ValueError,
        "padding must be 'pre' or 'post', got 'right'",
    ),
    (
        "pad trunc",
        lambda: utils.pad_sequences([[1, 2], [3]], truncating="end"),
        ValueError,
        "truncating must be 'pre' or 'post', got 'end'",
    ),
    (
        "pad maxlen",
        lambda: utils.pad_sequences([[1, 2], [3]], maxlen=-1),
        ValueError,
        "maxlen must be a positive integer, got -1",
    ),
    (
        "pad maxlen str",
        lambda: utils.pad_sequences([[1, 2], [3]], maxlen="a"),
        TypeError,
        "maxlen must be a positive integer, got 'a'",
    ),
    (
        "pad strings",
        lambda: utils.pad_sequences([["a", "b"], ["c"]]),
        TypeError,
        "sequences must hold numbers, as dtype is 'int32', got strings; dtype=object keeps them",
    ),
    (
        "pad floats",
        lambda: utils.pad_sequences([[0.5, 0.7], [0.3]]),
        ValueError,
        "sequences must hold integers, as dtype is 'int32', got 0.5; dtype='float32' keeps fractions",
    ),
    (
        "pad diff feat",
        lambda: utils.pad_sequences([np.ones((2, 3)), np.ones((1, 2))]),
        ValueError,
        "sequences must have steps of one shape, got [(2,), (3,)]",
    ),
    ("threads 0", lambda: cellstep.set_num_threads(0), ValueError, "n must be a positive integer, got 0"),
    ("threads -1", lambda: cellstep.set_num_threads(-1), ValueError, "n must be a positive integer, got -1"),
    ("threads str", lambda: cellstep.set_num_threads("2"), TypeError, "n must be a positive integer, got '2'"),
    ("threads float", lambda: cellstep.set_num_threads(2.0), TypeError, "n must be a positive integer, got 2.0"),
    (
        "get_config weights",
        lambda: layers.Embedding(3, 2, weights=[np.ones((2, 2))]),
        ValueError,
        "expected weights of shape (3, 2), got (2, 2)",
    ),
]


@rows(TABLE)
def test_the_sentence(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    check(make, error, sentence)


def test_the_form_of_all() -> None:
    check_form(TABLE)
