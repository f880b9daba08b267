"""What Keras 2 wrote of `compile`, in today's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import metrics

#: Arguments of optimizers that say nothing here.
SILENT = ("jit_compile", "is_legacy_optimizer")


def modern(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `compile` as a configuration of today's Keras has them; those that are so already stay.

    Raises:
        ValueError: an optimizer with a decay.
    """
    found = dict(config)
    if "optimizer_config" in found:
        found["optimizer"] = found.pop("optimizer_config")
    if isinstance(found.get("optimizer"), dict):
        found["optimizer"] = _optimizer(found["optimizer"])
    for key in ("metrics", "weighted_metrics"):
        if key in found:
            value = _metrics(found[key])
            alone = isinstance(value, list) and len(value) == 1 and isinstance(value[0], list)
            found[key] = value[0] if alone else value
    if "loss" in found:
        found["loss"] = _loss(found["loss"])
    return found


def _optimizer(config: Mapping[str, Any]) -> dict[str, Any]:
    own = config.get("config")
    if not isinstance(own, dict):
        return dict(config)
    if own.get("decay"):
        raise ValueError(
            f"decay of {config.get('class_name')} is not built, got {own['decay']!r}; a schedule of "
            "optimizers.schedules as learning_rate is its newer form"
        )
    kept = {key: value for key, value in own.items() if key not in (*SILENT, "decay")}
    if "lr" in kept:
        kept["learning_rate"] = kept.pop("lr")
    name = config.get("class_name")
    return {**config, "class_name": name.removeprefix("Custom>") if isinstance(name, str) else name, "config": kept}


def _metrics(config: Any) -> Any:
    """Functions of Keras 2's have a wrapper around them; "accuracy" is chosen anew, by the shapes."""
    if isinstance(config, list):
        return [_metrics(part) for part in config]
    if not isinstance(config, dict):
        return config
    own = config.get("config")
    if not isinstance(own, dict):
        return {key: _metrics(part) for key, part in config.items()}
    if config.get("class_name") == "MeanMetricWrapper" and isinstance(own.get("fn"), str):
        if own.get("name") in ("accuracy", "acc"):
            return own["name"]
        return {"class_name": type(metrics.get(own["fn"])).__name__, "config": {"name": own.get("name")}}
    return config


def _loss(config: Any) -> Any:
    if isinstance(config, list):
        return [_loss(part) for part in config]
    if not isinstance(config, dict):
        return config
    own = config.get("config")
    if not isinstance(own, dict):
        return {key: _loss(part) for key, part in config.items()}
    kept = {key: value for key, value in own.items() if key != "fn"}
    if kept.get("reduction") == "auto":
        kept["reduction"] = "sum_over_batch_size"
    return {**config, "config": kept}
