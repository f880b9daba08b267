"""Models and layers of Keras's that live in memory, on any of its backends, into cellstep and back."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import brief
from ..layers import Layer, deserialize, serialize
from ..models import Model, load_model
from ..untrusted import library, said

#: What Keras raises for configurations that it cannot make something of.
REFUSALS = (TypeError, ValueError, KeyError, AttributeError, NotImplementedError, RuntimeError)


def from_keras(model: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:
    """A model or a layer of Keras's as one of this package, with the same weights.

    Args:
        model: built, of Keras 3 on any backend; or a model of tf.keras 2.12 or later.
        custom_objects: classes and functions of the user's by name, beside registered ones.
        compile: also take the optimizer with its state, the loss and the metrics, where a model has them.

    Returns:
        A model, or a layer. Both own their weights.

    Raises:
        TypeError: it is neither. ValueError: it is not built, or has weights or layers that have no place here; the
        message names them.

    Example:
        >>> from_keras(keras_model).predict(x)  # doctest: +SKIP
    """
    kinds = [base for base in type(model).__mro__ if base.__name__ in ("Layer", "Model") and _of_keras(base)]
    if not kinds:
        raise TypeError(f"model must be a model or a layer of Keras, got {brief(model)}")
    if not model.built:
        raise ValueError(f"model must be built, got {model.name} without weights: call it once")
    if any(base.__name__ == "Model" for base in kinds):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            found = load_model(path, custom_objects, compile)
    else:
        keras = _keras("from_keras")
        found = deserialize(keras.saving.serialize_keras_object(model), custom_objects)
        if model.weights and not found.built:
            found.build(_shape(model.get_build_config(), model.name))
    theirs = [
        (_last(weight.path if hasattr(weight, "path") else weight.name), weight.shape) for weight in model.weights
    ]
    _check(theirs, [(weight.name, weight.shape) for weight in found.weights], model.name)
    if not isinstance(found, Model):
        found.set_weights(model.get_weights())
    return found


def to_keras(model: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:
    """A model or a layer as one of Keras's, on the backend that Keras has, with the same weights.

    Args:
        model: built. custom_objects: Keras's classes and functions for those of the user's, by name.
        compile: also give it the optimizer with its state, the loss and the metrics, where a model has them.

    Returns:
        A model of Keras's, or a layer.

    Raises:
        TypeError: it is neither. ValueError: it is not built, or Keras has not what it is made of.
        ModuleNotFoundError: Keras is not installed.

    Example:
        >>> to_keras(model).summary()  # doctest: +SKIP
    """
    keras = _keras("to_keras")
    if not isinstance(model, Layer):
        raise TypeError(f"model must be a model or a layer of cellstep, got {brief(model)}")
    if not model.built and type(model).make_weights is not Layer.make_weights:
        raise ValueError(f"model must be built, got {model.name} without weights: call it once")
    try:
        if isinstance(model, Model):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                model.save(path)
                found = keras.models.load_model(path, custom_objects=custom_objects, compile=compile)
        else:
            found = keras.saving.deserialize_keras_object(serialize(model), custom_objects=custom_objects)
            if model.weights:
                found.build(model.built_for)
    except REFUSALS as error:
        raise ValueError(
            f"model must be one that Keras {keras.__version__} can make, got {model.name}: {said(error)}"
        ) from error
    theirs = [(_last(weight.path), weight.shape) for weight in found.weights]
    _check([(weight.name, weight.shape) for weight in model.weights], theirs, model.name)
    if not isinstance(model, Model):
        found.set_weights(model.get_weights())
    return found


def _keras(name: str) -> Any:
    return library(
        "keras", "keras", f"bridges.{name} of layers" if name == "from_keras" else f"models of bridges.{name}"
    )


def _of_keras(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("keras", "tf_keras", "tensorflow")


def _last(path: str) -> str:
    """The name of a weight, without those of its layers, and without what TensorFlow adds."""
    return path.rpartition("/")[2].partition(":")[0]


def _shape(config: Any, name: str) -> Any:
    """The shape of inputs that a layer of Keras's was built for."""
    shape = (config or {}).get("input_shape") or (config or {}).get("sequences_shape")
    if shape is None:
        shapes = (config or {}).get("shapes_dict") or {}
        shape = next((shape for key, shape in shapes.items() if key in ("sequences_shape", "input_shape")), None)
    if shape is None:
        raise ValueError(f"model must say what shape it was built for, got {name} with {brief(config)}")
    return shape


def _check(theirs: Sequence[Any], ours: Sequence[Any], name: str) -> None:
    """ValueError where a weight has no place in the result, or one there has none to come from."""
    given, taken = (Counter((weight, tuple(shape)) for weight, shape in weights) for weights in (theirs, ours))
    for what, left in (("left over", given - taken), ("missing", taken - given)):
        if left:
            listed = ", ".join(f"{weight} {shape}" for weight, shape in list(left)[:5])
            raise ValueError(f"all weights of {name} must have a place, got {what}: {listed}")
