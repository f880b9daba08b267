"""Weights: PyTorch's tensors as the kernels' packed weights, and the kernels' gradients as PyTorch's.

The orders of gates come from the rows of the cells. PyTorch has (G H, I) where kernels have (I, G H), and a bias for
each side; where a cell has one row of biases, that is their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import core, kernels

#: Rows and steps of a call from which all values of the weights are compared, and bytes up to which they always are.
WHOLE, FEW = 64, 2**18

#: The cells by what PyTorch calls them.
CELLS = {cell.names["torch"]: cell for cell in kernels.CELLS.values() if "torch" in cell.names}


def options_of(cell: kernels.Cell, module: Any) -> dict[str, Any]:
    """The cell's options with which it computes what the module does."""
    options = dict(cell.defaults)
    if hasattr(module, "nonlinearity"):
        options[cell.activations[0]] = module.nonlinearity
    return options


def _places(cell: kernels.Cell) -> list[int]:
    """For each gate of the kernels, in their order, which of PyTorch's it is."""
    return [cell.orders["torch"].index(letter) for letter in cell.letters]


def _matrix(cell: kernels.Cell, weight: Any) -> Any:
    """W (I, G H) from weight (G H, I)."""
    rows = weight.reshape(cell.G, -1, weight.shape[1])[_places(cell)]
    return np.ascontiguousarray(rows.reshape(weight.shape).T)


def _matrix_gradient(cell: kernels.Cell, gradient: Any) -> Tensor:
    """The gradient of weight (G H, I) from that of W (I, G H)."""
    rows = np.empty(gradient.shape[::-1], gradient.dtype)
    rows.reshape(cell.G, -1, len(gradient))[_places(cell)] = gradient.T.reshape(cell.G, -1, len(gradient))
    return torch.from_numpy(rows)


def _diagonal(array: Any) -> Any:
    """An entry of each row and each column, as indices of the flat array; all entries where there is one axis."""
    i = np.arange(max(array.shape))
    return i if array.ndim == 1 else i % array.shape[0] * array.shape[1] + i % array.shape[1]


def version(tensor: Tensor) -> int:
    """How often the tensor was written to, as autograd counts; that of inference mode is not counted."""
    return 0 if tensor.is_inference() else tensor._version


class Kept(NamedTuple):
    """What was packed: where the tensors lay and their versions; arrays and bytes that share their memory; copies of
    the bytes, and some of the entries by index; and the result."""

    pointers: list[int]
    versions: list[int]
    arrays: list[Any]
    bytes: list[memoryview]
    copies: list[bytearray]
    indices: list[Any]
    entries: list[bytearray]
    packed: core.Packed


class Layer:
    """The kernels' form of the weights of one layer in one direction, packed again when a tensor has other values.

    `tensor.data` and arrays that share the memory are written to past the tensor's version, so versions do not say all.
    All values are compared with those that were packed where that costs a small part of the call, which is where they
    are few, or WHOLE rows and steps run; and once in so many. In between an entry of each row and each column is.
    """

    def __init__(self, cell: kernels.Cell, options: dict[str, Any]) -> None:
        self.cell, self.options = cell, options
        self.kept: Kept | None = None
        self.since = 0

    def packed(self, tensors: Sequence[Tensor], backward: bool, work: int) -> core.Packed:
        """The weights for a call over `work` rows and steps: weight_ih, weight_hh and, where there are biases, bias_ih
        and bias_hh."""
        kept = self.kept
        if kept is not None and self._same(kept, tensors, work):
            packed = kept.packed
            if (packed.backward or not backward) and packed.backend.name == kernels.active().name:
                return packed
        return self._pack(tensors, backward)

    def _same(self, kept: Kept, tensors: Sequence[Tensor], work: int) -> bool:
        """Whether the tensors have the values that were packed."""
        if [tensor.data_ptr() for tensor in tensors] != kept.pointers:
            return False
        if kept.indices:
            if [version(tensor) for tensor in tensors] != kept.versions:
                return False
            self.since += work
            if self.since < WHOLE:
                return kept.entries == [a.take(i) for a, i in zip(kept.arrays, kept.indices, strict=True)]
            self.since = 0
        return kept.copies == kept.bytes

    def _pack(self, tensors: Sequence[Tensor], backward: bool) -> core.Packed:
        for tensor in tensors:
            if tensor.dtype != tensors[0].dtype or not tensor.is_cpu:
                raise ValueError("expected the parameters of a module to have one dtype and to be on the CPU")
        pointers, versions = [tensor.data_ptr() for tensor in tensors], [version(tensor) for tensor in tensors]
        arrays = [tensor.detach().contiguous().numpy() for tensor in tensors]
        bias = None
        if len(arrays) > 2:
            both = np.stack(arrays[2:]).reshape(2, self.cell.G, -1)[:, _places(self.cell)].reshape(2, -1)
            bias = both if self.cell.bias_rows(self.options) == 2 else both[0] + both[1]
        matrices = [_matrix(self.cell, a) for a in arrays[:2]]
        packed = core.pack(self.cell, *matrices, bias, backward=backward, **self.options)
        self.kept, self.since = None, 0
        # the array of what is not contiguous is a copy, which does not follow the tensor
        if all(tensor.is_contiguous() for tensor in tensors):
            few = sum(a.nbytes for a in arrays) <= FEW
            indices = [] if few else [_diagonal(a) for a in arrays]
            entries = [bytearray(a.take(i)) for a, i in zip(arrays, indices, strict=False)]
            bytes = [memoryview(a.reshape(-1).view(np.uint8)) for a in arrays]
            self.kept = Kept(pointers, versions, arrays, bytes, [*map(bytearray, bytes)], indices, entries, packed)
        return packed

    def sums(self, needed: Sequence[bool], packed: core.Packed) -> list[Any]:
        """Zeros that a backward pass adds to, where a tensor needs its gradient; None elsewhere."""
        G, H, I = self.cell.G, packed.H, packed.I  # noqa: E741
        wanted = *needed[:2], any(needed[2:])
        shapes = (I, G * H), (H, G * H), self.cell.bias_shape(H, **self.options)
        return [np.zeros(s, packed.dtype) if w else None for s, w in zip(shapes, wanted, strict=True)]

    def gradients(self, sums: Sequence[Any], needed: Sequence[bool]) -> list[Tensor | None]:
        """The gradients of the tensors, from those of the kernels' weights; None where not needed."""
        found = [None if a is None else _matrix_gradient(self.cell, a) for a in sums[:2]]
        for side, wanted in enumerate(needed[2:]):
            gradient = None
            if wanted:
                row = sums[2][min(side, len(sums[2]) - 1)] if sums[2].ndim == 2 else sums[2]
                gates = np.empty_like(row)
                gates.reshape(self.cell.G, -1)[_places(self.cell)] = row.reshape(self.cell.G, -1)
                gradient = torch.from_numpy(gates)
            found.append(gradient)
        return found
