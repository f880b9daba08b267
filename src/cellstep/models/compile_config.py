"""Compiling as a configuration: what `compile` was given, in Keras's form, and `compile` again from that."""

from __future__ import annotations

from typing import Any

from .. import losses, metrics, optimizers, registry
from ..configured import ours_function
from ..losses import Loss
from ..metrics import Metric
from .older_compile import modern


def compile_config(model: Any) -> dict[str, Any]:
    """What the model was compiled with, ready for JSON; empty where it was not.

    Raises:
        TypeError: a function among it that is not registered.
    """
    compiled = model._trainer.compiled
    if compiled is None:
        return {}
    plain, weighted = (value for _, value, _ in compiled.asked)
    return {
        "optimizer": optimizers.serialize(compiled.optimizer),
        "loss": _written("loss", compiled.asked_loss),
        "loss_weights": _written("loss_weights", compiled.asked_weights),
        "metrics": _written("metrics", plain),
        "weighted_metrics": _written("weighted_metrics", weighted),
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }


def compile_from(model: Any, config: dict[str, Any]) -> None:
    """Compile a model as a configuration says, Keras's or one that `compile_config` gave.

    Raises:
        ValueError: an optimizer, a loss or a metric that is not known here; the message says what to do.
    """
    keys = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
    try:
        config = modern(config)
        model.compile(**{key: _read(key, config[key]) for key in keys if config.get(key) is not None})
    except ValueError as error:
        raise ValueError(f"{error}; compile=False loads the model without it") from None


def compile_as(model: Any, other: Any) -> None:
    """Compile another model as one is, if it is, with an optimizer and metrics of its own."""
    compiled = model._trainer.compiled
    if compiled is None:
        return
    if any(map(model._trainer.overrides, ("get_compile_config", "compile_from_config", "compile"))):
        other.compile_from_config(model.get_compile_config())
        return
    optimizer = type(compiled.optimizer).from_config(compiled.optimizer.get_config())
    plain, weighted = (_anew(value) for _, value, _ in compiled.asked)
    other.compile(optimizer, compiled.asked_loss, compiled.asked_weights, plain, weighted)


def _anew(value: Any) -> Any:
    """The same metrics, with nothing gathered yet."""
    if isinstance(value, dict):
        return {key: _anew(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_anew(part) for part in value]
    return type(value).from_config(value.get_config()) if isinstance(value, Metric) else value


def _written(argument: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _written(argument, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_written(argument, part) for part in value]
    if isinstance(value, Loss):
        return losses.serialize(value)
    if isinstance(value, Metric):
        return metrics.serialize(value)
    if isinstance(value, type):
        return value.__name__
    if callable(value) and hasattr(value, "loss_name"):
        return value.loss_name
    if callable(value) and ours_function(value):
        return value.__name__
    if callable(value):
        return registry.written_function(argument, value, anonymous=True)
    return value


def _read(argument: str, config: Any) -> Any:
    if isinstance(config, list | tuple):
        return [_read(argument, part) for part in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: _read(argument, part) for key, part in config.items()}
    if argument == "optimizer":
        return optimizers.get(config)
    if config["class_name"] in ("function", "__lambda__"):
        module = str(config.get("module") or "")
        if module.startswith("keras"):
            return config["config"]  # a function of Keras's, which has a name here
        return registry.read_function(argument, config)
    return losses.get(config) if argument == "loss" else metrics.get(config)
