"""Configurations of older Keras, from its first versions to tf.keras 2.15, as those of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Layers of Keras 2 for one kind of GPU, and what the other ones need to compute the same.
CUDNN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "CuDNNLSTM": ("LSTM", {}),
    "CuDNNGRU": ("GRU", {"reset_after": True}),
}
#: Arguments of layers that say nothing today.
SILENT = ("batch_input_shape", "input_length")


def modern(config: dict[str, Any]) -> dict[str, Any]:
    """A layer's or a model's {"class_name", "config"}, in today's terms; itself where it is so already.

    Raises:
        NotImplementedError: it asks for (time, batch, features).
    """
    own, name = config["config"], str(config.get("class_name"))
    if name == "Sequential" and isinstance(own, list):  # before Keras 2.2.3
        return {**config, "config": {"layers": own}}
    if not isinstance(own, dict):
        return config
    changed: dict[str, Any] = {}
    if name in CUDNN:
        name, more = CUDNN[name]
        changed |= more
    if own.get("time_major"):
        raise NotImplementedError(
            f"time_major=True of {own.get('name')} is not built; x is always (batch, time, features)"
        )
    if name == "InputLayer" and "batch_input_shape" in own:
        changed["batch_shape"] = own["batch_input_shape"]
    if name == "BatchNormalization" and isinstance(own.get("axis"), list) and len(own["axis"]) == 1:
        changed["axis"] = own["axis"][0]
    left_out = {key for key in (*SILENT, "time_major") if key in own}
    if not changed and not left_out and name == config.get("class_name"):
        return config
    kept = {key: value for key, value in own.items() if key not in left_out}
    return {**config, "class_name": name, "config": {**kept, **changed}}


def with_input(layers: list[Any]) -> list[Any]:
    """The layers of a Sequential, with an Input in front where only the first of them said what the shape is."""
    own = layers[0].get("config") if layers and isinstance(layers[0], dict) else None
    if not isinstance(own, dict) or layers[0].get("class_name") == "InputLayer" or not own.get("batch_input_shape"):
        return layers
    shape = {"batch_shape": own["batch_input_shape"], "name": f"{own.get('name')}_input"}
    whole = layers[0].get("class_name") == "Embedding"
    return [{"class_name": "InputLayer", "config": {**shape, "dtype": "int32" if whole else own.get("dtype")}}, *layers]
