"""Which of PyTorch's tensors belong to which weights of layers, and how the numbers lie in them.

A layer, or several that stand for one module, has `parts`: tensors and weights that hold the same numbers. All tensors
of a state dict must have a place, and all weights a tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ... import layers as L
from ...cells import ProjectionLSTM
from ...core import brief
from ...layers import Variable
from ...layers.cell import RecurrentCell
from ...models.tensors import in_dtype
from ...untrusted import FileError
from ..gates import cells_named, from_order, to_order

Array = NDArray[Any]


class Part(NamedTuple):
    """Some tensors and the weights that hold the same numbers.

    names, shapes: of the tensors. weights: theirs. read: the values of the weights from those of the tensors. write:
    the other way round; None where there is no way back.
    """

    names: list[str]
    shapes: list[tuple[int, ...]]
    weights: list[Variable]
    read: Callable[[list[Array]], list[Array]]
    write: Callable[[list[Array]], list[Array]]


#: Of layers that are not recurrent the tensors, the weight of each, and the order of its axes in PyTorch.
PLAIN: dict[type[Any], dict[str, tuple[str, tuple[int, ...]]]] = {
    L.Dense: {"weight": ("kernel", (1, 0)), "bias": ("bias", (0,))},
    L.Embedding: {"weight": ("embeddings", (0, 1))},
    L.Conv1D: {"weight": ("kernel", (2, 1, 0)), "bias": ("bias", (0,))},
    L.LayerNormalization: {"weight": ("gamma", ()), "bias": ("beta", ())},
    L.BatchNormalization: {
        "weight": ("gamma", (0,)),
        "bias": ("beta", (0,)),
        "running_mean": ("moving_mean", (0,)),
        "running_var": ("moving_variance", (0,)),
    },
}
#: A count of batches, which nothing here depends on.
COUNT = "num_batches_tracked"


def parts_of(prefix: str, layers: Sequence[Any], given: Collection[str]) -> list[Part]:
    """The parts of layers that stand for one module.

    Args:
        prefix: what the names of its tensors begin with: "encoder.lstm.", or "".
        layers: one; or recurrent ones, of which each takes the outputs of the one before, for a module of several
            layers.
        given: the names of all tensors, which tell a cell from a layer.

    Raises:
        ValueError: the layers are no such, or do not compute what a module of PyTorch's can.
    """
    layers = [layer.layer if isinstance(layer, L.TimeDistributed) else layer for layer in layers]
    first = layers[0]
    if isinstance(first, L.RNN | L.Bidirectional | RecurrentCell):
        return _recurrent(prefix, layers, f"{prefix}weight_ih" in given)
    table = next((table for kind, table in PLAIN.items() if isinstance(first, kind)), None)
    if table is None or len(layers) > 1:
        what = brief(first) if table is None else f"{len(layers)} layers that begin with {first.name}"
        known = ", ".join(kind.__name__ for kind in PLAIN)
        raise ValueError(f"expected recurrent layers, or one of {known}, for {_said(prefix)}, got {what}")
    parts = []
    for name, (attribute, axes) in table.items():
        weight = getattr(first, attribute)
        if weight is not None:
            axes = axes or tuple(range(len(weight.shape)))
            shape, back = tuple(weight.shape[axis] for axis in axes), tuple(np.argsort(axes))
            read, write = _transposed(back), _transposed(axes)
            parts.append(Part([prefix + name], [shape], [weight], read, write))
    if prefix + COUNT in given:
        parts.append(Part([prefix + COUNT], [()], [], lambda arrays: [], lambda values: [np.zeros((), np.int64)]))
    return parts


def _transposed(axes: tuple[int, ...]) -> Callable[[list[Array]], list[Array]]:
    return lambda arrays: [a.transpose(axes) for a in arrays]


def levels_of(layers: Sequence[Any]) -> list[list[RecurrentCell]]:
    """The layers of a recurrent module, of those that stand for it: a cell for each direction.

    Raises:
        ValueError: one is no recurrent layer, or computes what PyTorch's do not.
    """
    levels: list[list[RecurrentCell]] = []
    for layer in layers:
        if isinstance(layer, L.Bidirectional):
            ways = [layer.forward_layer.runner.flat, layer.backward_layer.runner.flat]
            if len(ways[0]) > 1 or layer.merge_mode != "concat" or layer.forward_layer.go_backwards:
                raise ValueError(
                    f"expected {layer.name} to have one layer, merge_mode='concat' and a first layer that runs "
                    "forwards, as PyTorch has"
                )
            levels.append([way[0] for way in ways])
        elif isinstance(layer, L.RNN) and not layer.go_backwards and not layer.trainable_initial_state:
            levels += [[cell] for cell in layer.runner.flat]
        elif isinstance(layer, RecurrentCell):
            levels.append([layer])
        else:
            raise ValueError(
                f"expected recurrent layers that run forwards from states of zeros, got {layer.name}, a "
                f"{type(layer).__name__}"
            )
    for level in levels:
        for cell in level:
            check_cell(cell)
    return levels


def row_of(cell: Any) -> kernels.Cell | None:
    """The row of the cell that PyTorch has, which with a projection is an option there; None where it has none."""
    row = cell.contract
    if isinstance(cell, ProjectionLSTM):
        row = next(known for known in cells_named("torch").values() if known.state_names == row.state_names)
    return row if row is not None and "torch" in row.orders else None


def check_cell(cell: Any) -> None:
    """ValueError where PyTorch has no cell that computes what this one does."""
    row = row_of(cell) if isinstance(cell, RecurrentCell) else None
    if row is None:
        raise ValueError(f"expected a cell that PyTorch has, got {brief(cell)}")
    options = cell.options or {option: getattr(cell, option).name for option in row.defaults}
    for option, value in options.items():
        allowed = [row.defaults[option], *(["relu"] if row.G == 1 else [])]
        if value not in allowed:
            raise ValueError(f"{option} of {cell.path} must be {allowed[0]!r}, as PyTorch has no other, got {value!r}")


def _recurrent(prefix: str, layers: Sequence[Any], single: bool) -> list[Part]:
    levels = levels_of(layers)
    if single and (len(levels) > 1 or len(levels[0]) > 1):
        raise ValueError(f"expected one layer in one direction for {_said(prefix)}, a cell, got {len(levels)} layers")
    parts = []
    for number, cells in enumerate(levels):
        ends = [""] if single else [f"_l{number}{end}" for end in ("", "_reverse")[: len(cells)]]
        parts += [_of_cell(prefix, end, cell) for end, cell in zip(ends, cells, strict=True)]
    return parts


def _of_cell(prefix: str, end: str, cell: Any) -> Part:
    row, H = row_of(cell), cell.units
    assert row is not None
    W, U, b, *projection = cell.row_weights
    names = ["weight_ih", "weight_hh"]
    shapes: list[tuple[int, ...]] = [(row.G * H, W.shape[0]), (row.G * H, U.shape[0])]
    if b is not None:
        names += ["bias_ih", "bias_hh"]
        shapes += [(row.G * H,)] * 2
    gates = len(names)
    if projection:
        names.append("weight_hr")
        shapes.append(projection[0].shape[::-1])

    def read(arrays: list[Array]) -> list[Array]:
        W, U, *biases = (from_order(row, "torch", a) for a in arrays[:gates])
        found = [W.T, U.T]
        if biases:
            found.append(np.stack(biases) if len(b.shape) == 2 else biases[0] + biases[1])
        return found + [a.T for a in arrays[gates:]]

    def write(values: list[Array]) -> list[Array]:
        W, U, *bias = values[: gates // 2 + 1]
        rows = [W.T, U.T]
        if bias:
            rows += list(bias[0]) if bias[0].ndim == 2 else [bias[0], np.zeros_like(bias[0])]
        return [*(to_order(row, "torch", a) for a in rows), *(a.T for a in values[len(values) - len(projection) :])]

    weights = [weight for weight in (W, U, b, *projection) if weight is not None]
    return Part([f"{prefix}{name}{end}" for name in names], shapes, weights, read, write)


def assign(tensors: Mapping[str, Any], file: str, parts: Sequence[Part]) -> None:
    """Give weights the numbers of tensors, all or none of them.

    Args:
        tensors: each has a shape, and is an array, or a function that reads it. file: where they are from.
        parts: what they belong to.

    Raises:
        FileError: a tensor is missing, left over, or has another shape or other numbers.
    """
    for part in parts:
        for name, shape in zip(part.names, part.shapes, strict=True):
            if name not in tensors:
                raise FileError(file, name, f"expected a tensor of shape {shape}, got none{_like(name, tensors)}")
            if tuple(tensors[name].shape) != shape:
                raise FileError(file, name, f"expected a tensor of shape {shape}, got {tuple(tensors[name].shape)}")
    over = sorted(tensors.keys() - {name for part in parts for name in part.names})
    if over:
        more = f", and {len(over) - 1} more" if len(over) > 1 else ""
        raise FileError(file, over[0], f"expected a layer that it belongs to, got none: it is left over{more}")
    found: list[tuple[Variable, Array]] = []
    for part in parts:
        arrays = []
        for name in part.names if part.weights else []:
            tensor = tensors[name]
            arrays.append(in_dtype(file, name, tensor() if callable(tensor) else tensor, part.weights[0].dtype))
        found += zip(part.weights, part.read(arrays), strict=True)
    for weight, array in found:
        weight.assign(array)


def tensors_of(parts: Sequence[Part]) -> dict[str, Array]:
    """The tensors of parts, by name."""
    found: dict[str, Array] = {}
    for part in parts:
        arrays = part.write([weight.value for weight in part.weights])
        found |= {name: np.asarray(a, order="C") for name, a in zip(part.names, arrays, strict=True)}
    return found


def _like(name: str, tensors: Mapping[str, Any]) -> str:
    """Where the missing tensor's name is another's but for what stands before it, a word on that."""
    last = re.escape(name.rpartition(".")[2])
    others = [other for other in tensors if re.search(rf"(^|\.){last}$", other)]
    return f"; there is {others[0]!r}" if others else ""


def _said(prefix: str) -> str:
    return f"the module {prefix[:-1]!r}" if prefix else "the module"
