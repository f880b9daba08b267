"""Saving, as in `keras.saving`: whole models in `.keras` files, and what finds classes and functions of the user's."""

from __future__ import annotations

from .exports import public
from .models.saving import load_model, save_model
from .registry import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)

CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "register_keras_serializable",
    "save_model",
]

__dir__ = public(globals())
