"""Configurations that name what they should not, lack what they need, or never end: a sentence, and nothing is run."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from cellstep import layers, saving

READERS = {"saving": saving.deserialize_keras_object, "layers": layers.deserialize}


def thing(module: str, name: Any, config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config}


def function(name: Any) -> dict[str, Any]:
    return thing("builtins", "function", name) | {"registered_name": "function"}


def array(value: Any, dtype: Any) -> dict[str, Any]:
    return thing("builtins", "__numpy__", {"value": value, "dtype": dtype})


#: Classes and functions that no configuration may lead to.
OTHERS = [
    thing("os", "system", {"command": "true"}),
    thing("os", "system", "true"),
    {"module": "os", "class_name": "system"},
    thing("builtins", "eval", {"source": "1"}),
    thing("keras.layers", "deserialize", {}),
    thing("keras.layers", "__class__", {}),
    thing("keras.layers", ["LSTM"], {}),
    thing("keras.losses", "os", {}),
    thing("keras.metrics", "MeanMetricWrapper", {"fn": function("eval")}),
    thing("keras.optimizers", "Adam", {"learning_rate": thing("os", "system", {})}),
    thing("keras.optimizers", ["Adam"], {}),
    thing("keras.layers", "Dense", {"units": 1, "kernel_initializer": thing("os", "system", {})}),
    thing("keras.layers", "RNN", {"cell": thing("os", "system", {})}),
    thing("keras.layers", "Lambda", {"function": thing("builtins", "__lambda__", {"code": "4wEA"})}),
    thing("keras.layers", "Lambda", {"function": "eval"}),
    thing("builtins", "__lambda__", {"code": "4wEA"}),
    *map(function, ("eval", "get", "deserialize", "np", "registry", "annotations", "__builtins__", "Loss", 3, ["a"])),
]


@pytest.mark.parametrize("config", OTHERS, ids=str)
def test_only_classes_and_functions_that_are_offered_are_found(config: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        saving.deserialize_keras_object(config)


@pytest.mark.parametrize("name", ["relu", "tanh", "mean_squared_error", "mse"])
def test_functions_that_are_offered_are_found(name: str) -> None:
    assert callable(saving.deserialize_keras_object(function(name)))


#: What is damaged: the configuration, and words of the message.
DAMAGED: list[tuple[Any, str]] = [
    (thing("keras.layers", "RNN", {}), "config of RNN must have 'cell', got none"),
    (thing("keras.layers", "TimeDistributed", {}), "config of TimeDistributed must have 'layer', got none"),
    (thing("keras.layers", "StackedRNNCells", {}), "config of StackedRNNCells must have 'cells', got none"),
    (thing("keras.layers", "RNN", {"cell": 3}), "class_name and config, got 3"),
    (thing("keras.optimizers", "Adam", 3), "config of Adam must be a dictionary, got 3"),
    (thing("keras.initializers", "Zeros", "x"), "config of Zeros must be a dictionary, got 'x'"),
    (thing("keras.regularizers", "L2", [1, 2]), "config of L2 must be a dictionary, got [1, 2]"),
    (array(10**400, "int32"), "expected the configuration of an array to have a value and a dtype, got"),
    (array(float("inf"), "int32"), "expected the configuration of an array to have a value and a dtype, got"),
    (array([1], "O"), "expected the configuration of an array to have a value and a dtype, got"),
]


@pytest.mark.parametrize(("config", "message"), DAMAGED, ids=str)
def test_what_is_damaged_is_said(config: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        saving.deserialize_keras_object(config)


def deep(depth: int, around: Callable[[Any], Any]) -> Any:
    config: Any = thing("keras.layers", "Dense", {"units": 1})
    for _ in range(depth):
        config = around(config)
    return config


def circular() -> dict[str, Any]:
    config = thing("keras.layers", "TimeDistributed", {})
    config["config"]["layer"] = config
    return config


ENDLESS = {
    "wrapped": deep(20_000, lambda inner: thing("keras.layers", "TimeDistributed", {"layer": inner})),
    "in dictionaries": thing("keras.layers", "TimeDistributed", {"layer": deep(20_000, lambda inner: {"part": inner})}),
    "circular": circular(),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ENDLESS)
def test_configurations_without_end(name: str, reader: str) -> None:
    with pytest.raises((ValueError, TypeError), match="parts within parts without end"):
        READERS[reader](ENDLESS[name])


def test_objects_without_end_are_not_written() -> None:
    with pytest.raises(ValueError, match="expected obj to end, got parts within parts without end"):
        saving.serialize_keras_object(circular())


def test_a_class_that_cannot_be_read() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="expected Plain to have from_config, by which it is read, got none"):
        saving.deserialize_keras_object(thing("x", "Plain", {}), {"Plain": Plain})
