"""Helpers, as in `keras.utils`: for arrays, datasets, randomness, pictures of models and names of one's own classes."""

from __future__ import annotations

from ..backend import clear_session, is_keras_tensor
from ..lookup import absent
from ..models.own_steps import pack_x_y_sample_weight, unpack_x_y_sample_weight
from ..models.plot import model_to_dot, plot_model
from ..registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from ..seeds import set_random_seed
from .arrays import normalize, pad_sequences, to_categorical
from .datasets import (
    PyDataset,
    split_dataset,
    timeseries_dataset_from_array,
)
from .files import get_file
from .progbar import Progbar

#: What Keras called PyDataset before.
Sequence = PyDataset
CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "is_keras_tensor",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]

absent(globals())
