"""Saving, as in `keras.saving`: whole models in `.keras` files, and what finds classes and functions of the user's."""

from __future__ import annotations

from .exports import public
from .models.saving import load_model, save_model
from .models.weights import load as load_weights
from .models.weights import save as save_weights
from .registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)

CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

__dir__ = public(globals())
