"""The net of many models: what of one model, the description, its stages need to know; forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ...layers import RNN, Dense, Masking
from ..plan import STEPS, layer_sequence, overridden
from .stages import Product, Recurrent, Stage

Array = NDArray[Any]


class Net:
    """Many models of one description, as arrays: weights (k, P), predictions (k, B, outputs) or (k, B, T, outputs).

    Attributes:
        P: how many numbers the weights of a model are. sizes: of each weight. dtype: of all. Q: with what follows from
            weights, which stages keep behind them.
        steps: whether there is a prediction for each step. even: whether models that run together must have sequences
            of one length. masking: the Masking layer at the head, or None.
        lanes: how many models a block has.

    Raises:
        NotImplementedError: the model has what this does not cover.
    """

    def __init__(self, model: Any) -> None:
        layers = _line(model)
        self.masking = layers.pop(0) if isinstance(layers[0], Masking) else None
        weights = model.weights
        for weight in weights:
            if weight.regularizer is not None or weight.constraint is not None or not weight.trainable:
                raise NotImplementedError(
                    f"ManyModels trains weights without regularizer and constraint, all of them; {weight.path} differs"
                )
        dtypes = {weight.dtype for weight in weights} | {layer.dtype for layer in layers}
        if len(dtypes) != 1:
            raise NotImplementedError(
                f"ManyModels needs layers of one dtype, got {', '.join(sorted(map(str, dtypes)))}"
            )
        (self.dtype,) = dtypes
        self.sizes = [int(np.prod(weight.shape)) for weight in weights]
        starts = np.cumsum([0, *self.sizes]).tolist()
        self.P = self.Q = starts[-1]
        places = {id(weight): at for weight, at in zip(weights, starts, strict=False)}
        self.stages: list[Stage] = []
        self.steps, turned = True, False
        for i, layer in enumerate(layers):
            if isinstance(layer, RNN):
                stage = Recurrent(layer, places, self.Q)
                self.stages.append(stage)
                self.Q = stage.end
                self.steps = layer.return_sequences
                turned |= layer.go_backwards  # padding would come first
            else:
                self.stages.append(Product(layer, places, i == len(layers) - 1))
        if turned and self.masking is not None:
            raise NotImplementedError("ManyModels takes no go_backwards behind Masking")
        self.even = self.steps or turned
        last = self.stages[-1]
        self.pull = last.pull if isinstance(last, Product) else None
        self.lanes: int = kernels.active().many.lanes_of(self.dtype)

    def in_lanes(self, rows: Array) -> Array:
        """(blocks, Q, lanes) of weights (k, P): zeros where the last block has no model."""
        k, n = rows.shape
        blocks = -(-k // self.lanes)
        out = np.zeros((blocks, self.Q, self.lanes), rows.dtype)
        whole = k // self.lanes
        out[:whole, :n] = rows[: whole * self.lanes].reshape(whole, self.lanes, n).transpose(0, 2, 1)
        if whole < blocks:
            out[whole, :n, : k - whole * self.lanes] = rows[whole * self.lanes :].T
        return out

    def of_lanes(self, values: Array, k: int) -> Array:
        """(k, P) of (blocks, Q, lanes)."""
        return np.ascontiguousarray(values.transpose(0, 2, 1).reshape(-1, self.Q)[:k, : self.P])

    def forward(self, weights: Array, x: Array, runs: Array | None, k: int) -> tuple[Array, Callable[[Array], Array]]:
        """Predictions of k models, and the pullback from their gradient to that of the weights (k, P).

        Args:
            weights: (blocks, Q, lanes), from `in_lanes`. x: (blocks, T, B, features, lanes).
            runs: (blocks, T, B, lanes), or None.
        """
        tapes = []
        y = x
        for stage in self.stages:
            if y.shape[1] != x.shape[1]:  # a layer below gave its last states alone
                runs = None
            y, tape = stage.forward(weights, y, runs)
            tapes.append(tape)
        shape = y.shape
        blocks, T, B, N, lanes = shape
        # each model's rows together, as losses and softmax take them
        out = y.transpose(0, 4, 2, 1, 3).reshape(blocks * lanes, B, T, N)[:k]
        out = np.ascontiguousarray(out if self.steps else out[:, :, 0])

        def pullback(dout: Array) -> Array:
            dz = np.zeros((blocks * lanes, B, T, N), self.dtype)
            dz[:k] = (dout if self.pull is None else self.pull(out)(dout)).reshape(k, B, T, N)
            dy: Any = np.ascontiguousarray(dz.reshape(blocks, lanes, B, T, N).transpose(0, 3, 2, 4, 1))
            grads = np.zeros((blocks, self.Q, lanes), self.dtype)
            for i in range(len(self.stages) - 1, -1, -1):
                dy = self.stages[i].backward(weights, tapes[i], dy, grads, i > 0)
            return self.of_lanes(grads, k)

        return out, pullback


def _line(model: Any) -> list[Any]:
    """The layers, each of a class that there are stages for."""
    if kernels.active().many is None:
        raise NotImplementedError(f"ManyModels needs the compiled backend, got {kernels.active().name!r}")
    own = [name for name in STEPS if overridden(model, name)]
    if own:
        raise NotImplementedError(f"ManyModels needs a model that trains as ours do, got one with its own {own[0]}")
    if not model.built or layer_sequence(model) is None:
        raise NotImplementedError(
            "ManyModels needs a model that is built, of layers one after another, without penalties and layers of your "
            f"own, got {model.name}"
        )
    layers: list[Any] = model._graph.line()
    for i, layer in enumerate(layers):
        plain = type(layer).apply in (RNN.apply, Dense.apply) or (type(layer) is Masking and i == 0)
        if not plain or len(layers) != len(set(map(id, layers))):
            raise NotImplementedError(
                "ManyModels runs Masking first, then recurrent layers and Dense, each once, got "
                f"{type(layer).__name__} {layer.name!r}"
            )
    if not any(isinstance(layer, RNN) for layer in layers):
        raise NotImplementedError(f"ManyModels needs a recurrent layer, {model.name} has none")
    return layers
