"""Forward mode: how predictions change along a direction of inputs and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..layers import RNN, Dense, Layer

Array = NDArray[Any]
Pair = tuple[Array, Array]


def jvp(model: Any, x: Any, dx: Any = None, dweights: Mapping[str, Any] | None = None) -> tuple[Array, Array]:
    """Predictions, and their derivative along a direction: the product of their Jacobian and a vector.

    It goes through time in the order of the steps and keeps nothing but the states. Together with a pullback it gives
    products of a vector and the Gauss-Newton matrix. It runs in NumPy, on the equations of the cells.

    Args:
        model: built, of recurrent layers and Dense, one after another; or one such layer.
        x: (B, T, I).
        dx: the direction of x, of its shape; None for zeros.
        dweights: that of weights, by their path, as `gradients` names them; zeros for others.

    Returns:
        The predictions, and their change: (y of x + e dx, w + e dw) - y over e, for e towards 0.

    Raises:
        NotImplementedError: the model has what this does not cover. ValueError, TypeError: arrays that do not fit.

    Example:
        >>> model = Sequential([Input((None, 3)), LSTM(4), Dense(1)])
        >>> y, dy = jvp(model, np.ones((2, 5, 3)), dx=np.ones((2, 5, 3)))
        >>> dy.shape
        (2, 1)
    """
    if not isinstance(model, Layer):
        raise TypeError(f"model must be a model or a layer, got {core.brief(model)}")
    layers = _line(model)
    directions = _directions(model, dweights)
    first = layers[0]
    y = core.as_array("x", x, first.dtype, ("batch", "time", first.built_for[-1]))
    if not y.shape[1]:
        raise ValueError(f"expected x with one step or more, got shape {y.shape}")
    dy = np.zeros_like(y) if dx is None else core.as_array("dx", dx, first.dtype, y.shape)

    def pair(weight: Any, shape: tuple[int, ...]) -> Pair:
        if weight is None:
            return np.zeros(shape, y.dtype), np.zeros(shape, y.dtype)
        value = weight.value
        return value, directions.get(weight.path, np.zeros_like(value))

    for layer in layers:
        y, dy = y.astype(layer.dtype, copy=False), dy.astype(layer.dtype, copy=False)
        if isinstance(layer, Dense):
            (W, dW), (b, db) = pair(layer.kernel, ()), pair(layer.bias, (layer.units,))
            (z, pull), dy = layer.activation.forward(y @ W + b), dy @ W + y @ dW + db
            y, dy = z, pull(dy)  # the Jacobian of an activation is symmetric
        else:
            y, dy = _sequence(layer, y, dy, pair)
    return y, dy


def _sequence(layer: RNN, y: Array, dy: Array, pair: Any) -> Pair:
    """A recurrent layer's outputs."""
    from ..cells.built_in import equations_of  # what writes cells is not there for models that have none
    from ..kernels.equations import forward_mode

    if layer.go_backwards:
        y, dy = y[:, ::-1], dy[:, ::-1]
    for cell in layer.runner.flat:
        row, sizes = cell.contract, {**cell.sizes, "I": y.shape[-1]}
        shapes = row.shapes(sizes, cell.options)
        weights = {w.name: pair(v, s) for w, v, s in zip(row.weights, cell.row_weights, shapes, strict=True)}
        weights["b"] = weights.pop(row.bias)
        zeros = [np.zeros((len(y), n), y.dtype) for n in cell.state_sizes]
        y, dy = forward_mode.run(equations_of(cell), weights, y, dy, [(s, s) for s in zeros])
    return (y, dy) if layer.return_sequences else (y[:, -1], dy[:, -1])


def _line(model: Any) -> list[Any]:
    """The layers, each of a class that is known here."""
    graph = getattr(model, "_graph", None)
    layers: list[Any] = (None if graph is None else graph.line()) or [model]
    for layer in layers:
        known = type(layer).apply in (RNN.apply, Dense.apply) and layer.built
        cells = layer.runner.flat if known and isinstance(layer, RNN) else []
        own = cells and (layer.stateful or layer.return_state or layer.initial or layer.has_own_first_states)
        if not known or own or any(not hasattr(cell, "contract") or cell.zoneout for cell in cells):
            raise NotImplementedError(
                "jvp runs recurrent layers of known cells and Dense, built, one after another, without zoneout, "
                f"stateful, return_state and first states of their own, got {type(layer).__name__} {layer.name!r}"
            )
    return layers


def _directions(model: Any, dweights: Mapping[str, Any] | None) -> dict[str, Array]:
    """Arrays of the weights' shapes."""
    weights = {w.path: w for w in model.weights}
    if not isinstance(dweights, Mapping | None):
        raise TypeError(f"dweights must be a dictionary of paths to arrays, got {core.brief(dweights)}")
    for path in dweights or {}:
        if path not in weights:
            raise ValueError(f"expected dweights of {', '.join(weights)}, got {path!r}")
    return {
        path: core.as_array(f"dweights of {path}", value, weights[path].dtype, weights[path].shape)
        for path, value in (dweights or {}).items()
    }
