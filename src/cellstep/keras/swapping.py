"""accelerate and restore: the recurrent layers inside a model become cellstep's, and again Keras's, in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import keras

from .layers import GRU, LSTM, SimpleRNN, options_of

M = TypeVar("M", bound=Any)

OURS = {kind.__mro__[2]: kind for kind in (LSTM, GRU, SimpleRNN)}


def accelerate(model: M) -> M:
    """Run every keras.layers.LSTM, GRU and SimpleRNN inside a model, or the layer itself, on cellstep's kernels.

    The layers stay the objects that they are, of another class: weights and names are the same, and the optimizer goes
    on. Left alone are subclasses of a user's own, and layers that kernels cannot run: those with activations written by
    hand, and those that do not compute in float32 or float64.

    Returns:
        The model.

    Raises:
        TypeError: model is neither a model nor a layer of Keras. ValueError: nothing in it can be accelerated.

    Example:
        >>> model = accelerate(keras.Sequential([keras.Input((None, 4)), keras.layers.GRU(8)]))
    """
    layers = list(_layers(model))
    found = [layer for layer in layers if type(layer) in OURS and _runs(layer)]
    if not found and not any(type(layer) in OURS.values() for layer in layers):
        names = ", ".join(sorted(kind.__name__ for kind in OURS))
        raise ValueError(f"expected model to have one of keras.layers' {names} in it that kernels can run, got none")
    _become(layers, [(layer, OURS[type(layer)]) for layer in found])
    return model


def restore(model: M) -> M:
    """Undo `accelerate`: every layer of cellstep.keras inside a model is Keras's again.

    Returns:
        The model.

    Raises:
        TypeError: model is neither a model nor a layer of Keras.

    Example:
        >>> model = restore(accelerate(keras.layers.GRU(8)))
    """
    layers, theirs = list(_layers(model)), {ours: kind for kind, ours in OURS.items()}
    _become(layers, [(layer, theirs[type(layer)]) for layer in layers if type(layer) in theirs])
    return model


def _layers(model: Any) -> Iterator[Any]:
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"expected model to be a model or a layer of Keras, got {type(model).__name__}")
    yield from model._flatten_layers()


def _runs(layer: Any) -> bool:
    try:
        options_of(layer)
    except NotImplementedError:
        return False
    return True


def _become(layers: list[Any], kinds: list[tuple[Any, type]]) -> None:
    """Give layers other classes, and let the models among all make their compiled functions anew."""
    for layer, kind in kinds:
        object.__setattr__(layer, "__class__", kind)
    for layer in layers:
        if kinds and isinstance(layer, keras.Model):
            layer.train_function = layer.test_function = layer.predict_function = None
