"""Deserialization: layers, cells and models from their configurations, and the classes that these may name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from .. import registry
from ..cells import place_of
from ..core import brief
from ..lookup import why_left_out
from .module import Module
from .older_config import modern
from .reading import Reading, current

#: The classes of this package that configurations may name.
_offered: dict[str, type[Module]] = {}
#: Those that are imported when a configuration names them, by their modules.
_LATER = {
    **dict.fromkeys(
        ["OnnxRNN", "OnnxGRU", "OnnxLSTM", "OnnxPeepholeLSTM", "OnnxCoupledLSTM", "OnnxCoupledPeepholeLSTM"],
        "cellstep.bridges.onnx.cells",
    ),
    "GraphModel": "cellstep.bridges.onnx.batches",
}


def offer(*values: Any, **named: type[Module]) -> None:
    """Let `deserialize` find classes of this package by their names, or others; what is no class of modules is passed
    over."""
    kinds = [value for value in values if isinstance(value, type) and issubclass(value, Module)]
    _offered.update({kind.__name__: kind for kind in kinds} | named)


def register(kind: type[Module], name: str | None = None) -> type[Module]:
    """Let `deserialize` find a class by its name, or another; a decorator for layers and models of the user's.

    `cellstep.saving.register_keras_serializable` does it with a package, as in Keras.

    Example:
        >>> @register
        ... class Scale(Layer): ...
    """
    if not (isinstance(kind, type) and issubclass(kind, Module)):
        raise TypeError(f"kind must be a class of layers or models, got {kind!r}")
    registry.get_custom_objects()[kind.__name__ if name is None else name] = kind
    return kind


def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A layer, cell or model from what `serialize` gave, or from Keras's dictionary for one.

    Args:
        config: {"class_name", "config"} and more.
        custom_objects: classes of the user's by name; registered ones are known without.

    Raises:
        TypeError: config is no such dictionary. ValueError: there is no such layer here, or something is missing.
    """
    config = modern(config) if isinstance(config, dict) and "config" in config else config
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise TypeError(f"expected config to be a dictionary with class_name and config, got {brief(config)}")
    file, number, build_config = current() or Reading(), config.get("shared_object_id"), config.get("build_config")
    if not isinstance(number, int | None) or not isinstance(build_config, dict | None):
        raise TypeError(
            "expected config to have an integer as shared_object_id and a dictionary as build_config, where it has "
            f"them, got {brief(number)} and {brief(build_config)}"
        )
    if number is not None and number in file.known:
        return file.known[number]
    with registry.custom_object_scope(custom_objects), registry.bounded("config"), file.at(config):
        kind = _class_of(config, custom_objects)
        try:
            module = kind.from_config(config["config"])
            module.build_from_config(build_config or {})
        except KeyError as error:
            raise ValueError(f"config of {kind.__name__} must have {error}, got none") from error
    if number is not None:
        file.known[number] = module
    return module


registry.enter("layers", deserialize)


def _class_of(config: dict[str, Any], custom_objects: Mapping[str, Any] | None) -> type[Module]:
    name = str(config.get("class_name"))
    kind = registry.find(config, custom_objects)
    later = _LATER.get(name) or place_of(name)
    if kind is None and later:
        importlib.import_module(later)
    if kind is None:
        kind = _offered.get(name)
    if not (isinstance(kind, type) and issubclass(kind, Module)):
        own = f"a class of your own must be registered, or given as custom_objects={{{brief(name)}: ...}}"
        raise ValueError(
            f"class_name must be that of a layer of cellstep.layers, got {brief(name)}; {why_left_out(name) or own}"
        )
    return kind
