"""Serialization: the configuration of a layer or a model, as Keras writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .. import registry
from ..configured import of_package

#: Whether configurations say which layer they are of.
_sharing: ContextVar[bool] = ContextVar("sharing", default=False)


def serialize(module: Any) -> dict[str, Any]:
    """{module, class_name, config, registered_name}, as Keras writes a layer or a model."""
    if of_package(type(module)):
        config: dict[str, Any] = {
            "module": module.keras_module,
            "class_name": module.keras_name,
            "config": module.get_config(),
            "registered_name": None,
        }
    else:
        config = registry.written(module)
    build_config = module.get_build_config()
    if build_config is not None:
        config["build_config"] = build_config
    if _sharing.get():
        config["shared_object_id"] = id(module)
    return config


@contextmanager
def sharing() -> Iterator[None]:
    """Inside the `with`, a layer that stands in a configuration twice is marked as one layer, as in Keras's files."""
    token = _sharing.set(True)
    try:
        yield
    finally:
        _sharing.reset(token)
