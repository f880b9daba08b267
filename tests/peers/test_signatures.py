"""Constructors and methods take Keras's arguments, in its order and with its defaults, but for what is listed here."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import pytest

import cellstep

#: The arguments of all optimizers, which ours take by name.
OPTIONS = (
    *("weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum"),
    *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "name"),
)
#: By group: what ours need not have.
LEFT_OUT: dict[str, set[str]] = {
    # taken as options by name, and the same for all
    "optimizers": {*OPTIONS, "kwargs"},
    "metrics": {"kwargs"},
    # of Keras's own sharding, and of its hooks' older names
    "callbacks": {"kwargs"},
    # for weights that are several matrices in one, which no layer here has
    "initializers": {"input_axes", "output_axes"},
}
#: By class: what ours need not have, and why.
SPECIAL: dict[str, set[str]] = {
    # made by models alone
    "CallbackList": {"add_history", "add_progbar", "kwargs"},
    # any hook by its name
    "LambdaCallback": {
        *("on_epoch_begin", "on_epoch_end", "on_train_begin", "on_train_end", "on_train_batch_begin"),
        *("on_train_batch_end", "kwargs"),
    },
    # the last axis holds the classes
    "CategoricalCrossentropy": {"axis"},
    "SparseCategoricalCrossentropy": {"axis"},
    "CosineSimilarity": {"axis"},
}
#: Defaults that differ: the name, which says the same where it is None, and a rate that Keras wants to be told.
DEFAULTS: set[Any] = {"name", ("Optimizer", "learning_rate"), ("CallbackList", "callbacks"), ("CallbackList", "model")}
DEFAULTS |= {("CallbackList", "params")}
#: Not here: for pictures, for other backends, or not built.
ABSENT = {
    *("LossScaleOptimizer", "MultiOptimizer", "Muon", "OptimizerMap", "ScheduleFreeAdamW", "Adafactor", "Circle"),
    *("ConcordanceCorrelation", "PearsonCorrelation", "OrbaxCheckpoint", "ProgbarLogger", "RemoteMonitor"),
    *("STFT", "STFTInitializer", "stft", "Ftrl", "Dice", "Tversky", "CategoricalGeneralizedCrossEntropy"),
    *("BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"),
}
GROUPS = ("optimizers", "optimizers.schedules", "losses", "metrics", "callbacks")
GROUPS += ("initializers", "constraints", "regularizers")


def within(library: Any, group: str) -> Any:
    for part in group.split("."):
        library = getattr(library, part)
    return library


def parameters(thing: Any) -> dict[str, Any]:
    """Names and defaults, in order; the class itself stands for no default."""
    return {name: p.default for name, p in inspect.signature(thing).parameters.items() if name != "self"}


CLASSES = [
    (group, name)
    for group in GROUPS
    for name in dir(within(keras, group))
    if inspect.isclass(getattr(within(keras, group), name))
]


@pytest.mark.parametrize(("group", "name"), CLASSES)
def test_constructors(group: str, name: str) -> None:
    if name in ABSENT:
        assert not hasattr(within(cellstep, group), name), "take it off the list"
        pytest.skip("not here")
    theirs, ours = (parameters(getattr(within(library, group), name)) for library in (keras, cellstep))
    left_out = LEFT_OUT.get(group, set()) | (SPECIAL.get(name, set()) if group in ("metrics", "callbacks") else set())
    wanted = [key for key in theirs if key not in left_out or key in ours]
    assert [key for key in wanted if key not in ours] == []
    shared = [key for key in ours if key in theirs]
    if name != "SparseCategoricalCrossentropy" or group != "losses":
        assert shared == [key for key in wanted if key in ours]
    for key in shared:
        if key not in DEFAULTS and (name, key) not in DEFAULTS:
            assert ours[key] == theirs[key], key


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_all_optimizers(option: str) -> None:
    assert parameters(cellstep.optimizers.base.Settings)[option] == parameters(keras.optimizers.Adam)[option]


METHODS = ("compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch")
METHODS += ("get_layer", "summary", "save", "save_weights", "load_weights")


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_models(name: str) -> None:
    theirs, ours = (parameters(getattr(library.Model, name)) for library in (keras, cellstep))
    theirs.pop("kwargs", None)
    theirs.pop("max_shard_size", None)  # files are not cut
    assert {key: ours.get(key, "missing") for key in theirs} == theirs
    assert [key for key in ours if key in theirs] == list(theirs)


FUNCTIONS = ("to_categorical", "pad_sequences", "normalize", "timeseries_dataset_from_array", "split_dataset")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_utils(name: str) -> None:
    theirs, ours = (parameters(getattr(library.utils, name)) for library in (keras, cellstep))
    assert list(ours) == list(theirs)
    assert {k: v for k, v in ours.items() if v != theirs[k]} == {}
