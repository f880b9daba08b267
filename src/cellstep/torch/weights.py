"""Weights: PyTorch's tensors as the kernels' packed weights, and the kernels' gradients as PyTorch's.

The orders of gates come from the rows of the cells. PyTorch has (G H, I) where kernels have (I, G H), and a bias for
each side; where a cell has one row of biases, that is their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import core, kernels
from ..bridges.gates import cells_named
from ..cells import ProjectionLSTM

#: Rows and steps of a call from which all values of the weights are compared, and bytes up to which they always are.
WHOLE, FEW = 64, 2**18

#: The cells by what PyTorch calls them.
CELLS = cells_named("torch")


@cache
def projected() -> tuple[kernels.Cell, dict[str, Any]]:
    """The row and the options of an LSTM whose h is a projection, as PyTorch's `proj_size` has it."""
    cell = ProjectionLSTM(1, 1)
    return cell.contract, cell.options


def options_of(cell: kernels.Cell, module: Any) -> dict[str, Any]:
    """The cell's options with which it computes what the module does."""
    options = dict(cell.defaults)
    if hasattr(module, "nonlinearity"):
        options[cell.activations[0]] = module.nonlinearity
    return options


def _places(cell: kernels.Cell) -> list[int]:
    """For each gate of the kernels, in their order, which of PyTorch's it is."""
    return [cell.orders["torch"].index(letter) for letter in cell.letters]


def _as_here(cell: kernels.Cell) -> bool:
    """Whether PyTorch has the gates in the kernels' order."""
    return cell.orders.get("torch", cell.letters) == cell.letters


def _in_order(cell: kernels.Cell, row: Any, back: bool = False) -> Any:
    """A copy of a row of the bias, with PyTorch's gates in the kernels' order, or the other way round."""
    if _as_here(cell):
        return row.copy()
    gates = row.reshape(cell.G, -1)
    out = np.empty_like(gates)
    for gate, place in enumerate(_places(cell)):
        out[place if back else gate] = gates[gate if back else place]
    return out.reshape(-1)


def _matrix(cell: kernels.Cell, weight: Any) -> Any:
    """W (I, G H) from weight (G H, I)."""
    if _as_here(cell):
        return np.ascontiguousarray(weight.T)
    W = np.empty(weight.shape[::-1], weight.dtype)
    columns, rows = W.reshape(len(W), cell.G, -1), weight.reshape(cell.G, -1, len(W))
    for gate, place in enumerate(_places(cell)):
        columns[:, gate] = rows[place].T
    return W


def _matrix_gradient(cell: kernels.Cell, gradient: Any) -> Tensor:
    """The gradient of weight (G H, I) from that of W (I, G H)."""
    if _as_here(cell):
        return torch.from_numpy(gradient).t()
    out = np.empty_like(gradient)
    columns, turned = gradient.reshape(len(gradient), cell.G, -1), out.reshape(len(gradient), cell.G, -1)
    for gate, place in enumerate(_places(cell)):
        turned[:, place] = columns[:, gate]
    return torch.from_numpy(out).t()


def _sample(array: Any) -> Any:
    """A view of some entries, at least one of each row and each column; of all where there is one axis."""
    return array if array.ndim == 1 else array.reshape(-1)[:: max(1, array.shape[1] - 1)]


def _versions(tensors: Sequence[Tensor]) -> list[int]:
    """How often each tensor was written to, as autograd counts; those of inference mode are not counted."""
    try:
        return [tensor._version for tensor in tensors]
    except RuntimeError:
        return []


class Place(NamedTuple):
    """Where tensors lie: their addresses; arrays and bytes that share their memory; and views of the entries that are
    looked at when not all are, or none where all always are."""

    pointers: list[int]
    arrays: list[Any]
    memory: list[memoryview]
    samples: list[Any]


def _addresses(tensors: Sequence[Tensor], elsewhere: int) -> list[int]:
    """Where each tensor begins, or `elsewhere` for one that has not one row after another."""
    return [tensor.data_ptr() if tensor.is_contiguous() else elsewhere for tensor in tensors]


def _place(tensors: Sequence[Tensor], gates: int, projection: bool) -> Place:
    shapes = [tuple(tensor.shape) for tensor in tensors]
    W, U, *biases = shapes[: len(shapes) - projection]
    V = shapes[-1] if projection else U[-1:] * 2
    rows = tuple(gates * n for n in V[-1:])
    if len(U) != 2 or len(V) != 2 or [W[:-1], U, *biases] != [rows, (*rows, V[0]), *[rows] * len(biases)]:
        n, h = f"{gates} * units" if gates > 1 else "units", "projection" if projection else "units"
        wanted = f"({n}, features), ({n}, {h})" + f", ({n},)" * len(biases) + ", (projection, units)" * projection
        raise RuntimeError(f"expected weights of shapes {wanted}, got {', '.join(map(str, shapes))}")
    for tensor in tensors:
        if tensor.dtype != tensors[0].dtype or not tensor.is_cpu:
            raise ValueError("expected the parameters of a module to have one dtype and to be on the CPU")
    arrays = [tensor.contiguous().numpy(force=True) for tensor in tensors]
    few = sum(a.nbytes for a in arrays) <= FEW
    # the array of what is not contiguous is a copy, which does not follow the tensor
    pointers = _addresses(tensors, -1)
    memory = [memoryview(a.reshape(-1).view(np.uint8)) for a in arrays]
    return Place(pointers, arrays, memory, [] if few else [_sample(a) for a in arrays])


class Kept(NamedTuple):
    """What was packed: from where, versions, copies of the bytes, some of the entries; and the result."""

    place: Place
    versions: list[int]
    copies: list[bytearray]
    entries: list[bytes]
    packed: core.Packed


class Layer:
    """The kernels' form of the weights of one layer in one direction, packed again when a tensor has other values.

    `tensor.data` and arrays that share the memory are written to past the tensor's version, so versions do not say all.
    All values are compared with those that were packed where that costs a small part of the call, which is where they
    are few, or WHOLE rows and steps run; and once in so many. In between an entry of each row and each column is.
    """

    def __init__(self, cell: kernels.Cell, options: dict[str, Any]) -> None:
        self.cell, self.options = cell, options
        self.projection = cell is projected()[0]
        self.kept: Kept | None = None
        self.since = 0

    def packed(self, tensors: Sequence[Tensor], backward: bool, work: int) -> core.Packed:
        """The weights for a call over `work` rows and steps: weight_ih, weight_hh, where there are biases bias_ih and
        bias_hh, and where there is a projection weight_hr."""
        kept = self.kept
        if kept is None or _addresses(tensors, -2) != kept.place.pointers:
            return self._pack(_place(tensors, self.cell.G, self.projection), tensors, backward, None)
        packed = kept.packed
        fits = (packed.backward or not backward) and packed.backend.name == kernels.active().name
        if fits and self._same(kept, tensors, work):
            return packed
        return self._pack(kept.place, tensors, backward, packed if fits else None)

    def _same(self, kept: Kept, tensors: Sequence[Tensor], work: int) -> bool:
        """Whether the tensors have the values that were packed."""
        place = kept.place
        if place.samples:
            if _versions(tensors) != kept.versions:
                return False
            self.since += work
            if self.since < WHOLE:
                return kept.entries == [sample.tobytes() for sample in place.samples]
            self.since = 0
        return kept.copies == place.memory

    def _pack(self, place: Place, tensors: Sequence[Tensor], backward: bool, like: core.Packed | None) -> core.Packed:
        """Pack the values, as others of the same shapes were where there are such."""
        versions, copies = _versions(tensors), [*map(bytearray, place.memory)]
        entries = [sample.tobytes() for sample in place.samples]
        W, U, *others = place.arrays
        last = [np.ascontiguousarray(others.pop().T)] if self.projection else []
        biases = others
        bias = None
        if biases:
            first, second = [_in_order(self.cell, b) for b in biases]
            two = self.cell.bias_rows(self.options) == 2
            bias = np.concatenate((first, second)).reshape(2, -1) if two else first + second
        weights = _matrix(self.cell, W), _matrix(self.cell, U), bias, *last
        packed = (
            core.pack(self.cell, *weights, backward=backward, **self.options) if like is None else like.again(weights)
        )
        self.since, self.kept = 0, Kept(place, versions, copies, entries, packed)
        return packed

    def sums(self, needed: Sequence[bool], packed: core.Packed) -> list[Any]:
        """Zeros that a backward pass adds to, where a tensor needs its gradient; None elsewhere."""
        G, H, I, P = self.cell.G, packed.H, packed.I, packed.sizes[0]  # noqa: E741
        matrices, biases = needed[:2], needed[2 : len(needed) - self.projection]
        wanted = *matrices, any(biases), *needed[len(needed) - self.projection :]
        shapes = (I, G * H), (P, G * H), self.cell.bias_shape(H, **self.options), *[(H, P)] * self.projection
        return [np.zeros(s, packed.dtype) if w else None for s, w in zip(shapes, wanted, strict=True)]

    def gradients(self, sums: Sequence[Any], needed: Sequence[bool]) -> list[Tensor | None]:
        """The gradients of the tensors, from those of the kernels' weights; None where not needed."""
        found = [None if a is None else _matrix_gradient(self.cell, a) for a in sums[:2]]
        for side, wanted in enumerate(needed[2 : len(needed) - self.projection]):
            if wanted:
                row = sums[2] if sums[2].ndim == 1 else sums[2][side]
                found.append(torch.from_numpy(_in_order(self.cell, row, back=True)))
            else:
                found.append(None)
        if self.projection:
            found.append(None if sums[3] is None else torch.from_numpy(sums[3]).t())
        return found
