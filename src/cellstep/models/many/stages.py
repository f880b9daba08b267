"""Stages: layers as they run many models at once, each model a lane of vectors (kernels/cython/lanes.pxi).

Activations between layers are arrays (blocks, T, B, features, lanes), the weights and gradients of all layers one array
(blocks, Q, lanes), of a model's P numbers and what stages keep behind them. A stage writes its part of the gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ...layers import RNN, Dense
from ...layers.plain_run import PlainRun

Array = NDArray[Any]
#: Where each weight of a model begins among its P numbers, by the object.
Places = Mapping[int, int]


class Stage(Protocol):
    """A layer of every model.

    `forward` gives y and what `backward` takes besides dy; `backward` gives dx, or None where that is not needed.
    """

    def forward(self, weights: Array, x: Array, runs: Array | None) -> tuple[Array, Any]: ...
    def backward(self, weights: Array, tape: Any, dy: Array, grads: Array, need_dx: bool) -> Array | None: ...


class Recurrent:
    """A recurrent layer; y has all steps, or the last states as one step.

    Attributes:
        end: behind what it makes of a model's vectors once for all steps, which lies from `begin` on.

    Raises:
        NotImplementedError: an option that the kernels of many models do not have.
    """

    def __init__(self, layer: RNN, places: Places, begin: int) -> None:
        run, cell = PlainRun(layer), layer.runner
        if run.width is None or run.drops or not run.whole or layer.zero_output_for_mask:
            raise NotImplementedError(
                f"ManyModels runs recurrent layers of one cell of the kernels, without dropout, stateful, return_state "
                f"or states and outputs of their own; {layer.name} has one of these"
            )
        if any(size != cell.output_size for size in cell.state_sizes):
            raise NotImplementedError(f"ManyModels needs states of one size, {layer.name} has {cell.state_sizes}")
        named = dict(zip(cell.contract.weight_names, cell.row_weights, strict=True))
        bias = cell.contract.bias
        vectors = [name for name in named if name not in ("W", "U", bias)]
        at = [-1 if named.get(name) is None else places[id(named[name])] for name in ("W", "U", bias, *vectors)]
        self.layer, self.kernels = layer, kernels.active()
        self.H, self.K = cell.output_size, len(cell.state_sizes)
        equations = cell.contract.equations
        self.prepared = equations.prepared if equations is not None else None
        self.given, made = at[3:], 0 if self.prepared is None else len(self.prepared.inner.vectors)
        self.end = begin + made * self.H
        self.made = list(range(begin, self.end, self.H))
        self.lanes = self.kernels.many.Lanes(
            cell.packed(backward=True).weights, at if self.prepared is None else at[:3] + self.made
        )

    def _vectors(self, values: Array, places: list[int]) -> list[Array]:
        return [np.ascontiguousarray(values[:, at : at + self.H]) for at in places]

    def forward(self, weights: Array, x: Array, runs: Array | None) -> tuple[Array, Any]:
        if self.layer.go_backwards:
            x, runs = x[:, ::-1], None if runs is None else np.ascontiguousarray(runs[:, ::-1])
        blocks, T, B, _, lanes = x.shape
        empty, dtype = self.kernels.empty, x.dtype
        if self.prepared is not None:
            for at, made in zip(self.made, self.prepared.values(self._vectors(weights, self.given)), strict=True):
                weights[:, at : at + self.H] = made
        states = [empty((blocks, T + 1, B, self.H, lanes), dtype) for _ in range(self.K)]
        z = empty((blocks, T, B, self.lanes.width, lanes), dtype)
        self.kernels.many.lanes_forward(self.lanes, weights, x, runs, states, z)
        return states[0][:, 1 if self.layer.return_sequences else T :], (x, runs, states, z)

    def backward(self, weights: Array, tape: Any, dy: Array, grads: Array, need_dx: bool) -> Array | None:
        dx = self.kernels.empty(tape[0].shape, dy.dtype) if need_dx else None
        self.kernels.many.lanes_backward(self.lanes, weights, *tape, dy, bool(self.layer.return_sequences), grads, dx)
        if self.prepared is not None:
            given, of_made = self._vectors(weights, self.given), self._vectors(grads, self.made)
            for at, gradient in zip(self.given, self.prepared.gradients(given, of_made), strict=True):
                grads[:, at : at + self.H] = gradient
        return dx[:, ::-1] if dx is not None and self.layer.go_backwards else dx


class Product:
    """A dense layer. Its activation is applied by lanes where it is elementwise, or a softmax of the last layer.

    Attributes:
        pull: from y and dy, both (k, B, ..., N), to the gradient of the sums, where that is not done by lanes.
    """

    def __init__(self, layer: Dense, places: Places, last: bool) -> None:
        self.kernels, activation = kernels.active(), layer.activation
        self.softmax = activation.name == "softmax"
        if not (activation.name in kernels.ACTIVATIONS or (last and self.softmax)):
            raise NotImplementedError(
                f"ManyModels needs an elementwise activation of {layer.name}, or softmax in the last layer, got "
                f"{activation.name}"
            )
        self.activation = None if self.softmax or activation.name == "linear" else activation
        self.pull = activation.of_output if self.softmax else None
        self.N = layer.units
        self.place = np.array([places[id(layer.kernel)], -1 if layer.bias is None else places[id(layer.bias)]], "l")

    def forward(self, weights: Array, x: Array, runs: Array | None) -> tuple[Array, Any]:
        y = self.kernels.empty((*x.shape[:3], self.N, x.shape[4]), x.dtype)
        self.kernels.many.lanes_product(weights, self.place, x, y, self.softmax)
        if self.activation is None:
            return y, (x, None)
        y, pull = self.activation.forward(y)
        return y, (x, pull)

    def backward(self, weights: Array, tape: Any, dy: Array, grads: Array, need_dx: bool) -> Array | None:
        x, pull = tape
        dz = np.ascontiguousarray(dy if pull is None else pull(dy))
        dx = self.kernels.empty(x.shape, dy.dtype) if need_dx else None
        self.kernels.many.lanes_product_back(weights, self.place, x, dz, grads, dx)
        return dx
