"""Signature: the inputs and outputs of a model, and what users may give for them, checked."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..layers import InputLayer, SymbolicTensor, nested
from ..layers.grouped import Grouped, masks_of
from ..layers.ragged import Ragged, groups, ragged
from . import data
from .data import Batch
from .stored import Stored


class Signature:
    """Inputs and outputs, one of each or several.

    Arrays for the inputs may come as one array, a list, a dictionary by names, or sequences of different lengths; those
    for the outputs likewise.

    Attributes:
        heads: the InputLayer of each input, flat; empty where the inputs may have any shape.
        inputs, outputs: their structures, with their numbers as leaves; None while they are not known.
        input_names, output_names: flat.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None) -> None:
        self.heads: list[InputLayer] = []
        self.inputs, self.outputs = inputs, outputs
        self.input_names: list[str] = []
        self.output_names: list[str] = []

    def connect(self, inputs: Any, outputs: Any, heads: list[InputLayer]) -> None:
        """Take the structures and names of tensors; `heads` give the inputs."""
        self.heads = heads
        outs: list[SymbolicTensor] = nested.flatten(outputs)
        self.inputs, self.outputs = nested.pack(inputs, range(len(heads))), nested.pack(outputs, range(len(outs)))
        self.input_names = sorted(inputs) if isinstance(inputs, dict) else [head.name for head in heads]
        named = isinstance(outputs, dict) and len(outputs) == len(outs)
        self.output_names = sorted(outputs) if named else [tensor.node.layer.name for tensor in outs]

    def flat(self, value: Any) -> Any:
        """Targets, losses and the like in the structure of outputs that are nested as a list, one entry an output;
        anything else as it is."""
        parts = self.outputs.values() if isinstance(self.outputs, dict) else self.outputs
        holders = (list, tuple, dict)
        several = isinstance(value, holders) and not isinstance(parts, int | None)
        if several and any(isinstance(part, holders) for part in parts):
            with contextlib.suppress(KeyError, TypeError, ValueError):  # another structure, which is checked later
                return nested.up_to(self.outputs, value)
        return value

    # Inputs

    def accept(self, x: Any, mask: Any = None, lengths: Any = None) -> tuple[list[Any], list[Any], bool]:
        """Arrays and masks for each input, checked; and whether any mask stands for lengths. Where an input is Ragged
        all of them are `Grouped`."""
        if type(x) is np.ndarray and mask is None and lengths is None and isinstance(self.inputs, int):
            # one array and nothing else: what a small model cannot afford to be slow
            return [self.heads[0].checked(x) if self.heads else x], [None], False
        values = self.inputs_of(x)
        n = len(values)
        masks = [None] * n if mask is None else per_input("mask", mask, n)
        counts = [None] * n if lengths is None else per_input("lengths", lengths, n)
        rows = self._rows(values)
        padding = rows is not None
        for i, value in enumerate(values):
            if isinstance(value, Ragged):
                assert rows is not None
                if masks[i] is not None or counts[i] is not None:
                    raise ValueError("mask and lengths must be None where x is a list of sequences, got one")
                values[i] = self._checked(i, Grouped.split(rows, value))
                masks[i] = masks_of(values[i])
                continue
            values[i] = self._checked(i, value)
            if counts[i] is not None:
                a = core.plain("x", values[i])
                if a.ndim < 2:
                    raise ValueError(f"lengths need x of shape (batch, time, ...), got {a.shape}")
                masks[i], padding = core.running(masks[i], counts[i], a.shape[0], a.shape[1], False), True
            elif masks[i] is not None:
                masks[i] = _check_mask(masks[i], values[i])
        if rows is not None:
            values, masks = (
                [a if a is None or isinstance(a, Grouped) else Grouped.split(rows, a) for a in some]
                for some in (values, masks)
            )
        return values, masks, padding

    def accept_shapes(self, shapes: Sequence[Any], name: str) -> list[Any]:
        """The shapes that inputs of these shapes have once `accept` has checked them; `name` is the model's.

        Raises:
            ValueError: there are more or fewer, or one does not fit.
        """
        if not self.heads:
            return list(shapes)
        if len(shapes) != len(self.heads):
            takes = "1 input" if len(self.heads) == 1 else f"{len(self.heads)} inputs"
            raise ValueError(f"{name} takes {takes} ({', '.join(self.input_names)}), got {len(shapes)}")
        names = self.input_names if len(self.heads) > 1 else ["x"]
        parts = zip(self.heads, shapes, names, strict=True)
        return [head.checked_shape(shape, f"{part} of {name}") for head, shape, part in parts]

    def _rows(self, values: list[Any]) -> list[NDArray[Any]] | None:
        """The groups of rows in which Ragged inputs are run; None where there are none."""
        lengths = [value.lengths for value in values if isinstance(value, Ragged)]
        if not lengths:
            return None
        fixed = [h for h, v in zip(self.heads, values, strict=False) if isinstance(v, Ragged) and h.batch_shape[1]]
        return [np.arange(len(lengths[0]))] if fixed else groups(*lengths)

    def _checked(self, i: int, value: Any) -> Any:
        """Input number i as its InputLayer wants it."""
        if not self.heads:
            return value
        head, name = self.heads[i], self.input_names[i] if len(self.heads) > 1 else "x"
        if not isinstance(value, Grouped):
            return head.checked(value, name)
        if head.batch_shape[0] not in (None, len(value)):
            head.checked(value.joined(), name)  # which says so
        return Grouped(value.rows, [head.checked(part, name, rows=False) for part in value.parts], value.lengths)

    def inputs_of(self, x: Any) -> list[Any]:
        """One array, or Ragged, for each input, from what a user gives.

        Raises:
            ValueError: there are more or fewer, or a name is missing.
        """
        if isinstance(x, dict):
            missing = [name for name in self.input_names if name not in x]
            if missing or not self.input_names:
                known = ", ".join(self.input_names) or "no names"
                raise ValueError(f"expected x to have the names of the inputs ({known}), got {', '.join(map(str, x))}")
            return [self._one(name, x[name], i) for i, name in enumerate(self.input_names)]
        if isinstance(self.inputs, int):
            return [self._one("x", x, 0)]
        n = len(nested.flatten(self.inputs))
        parts = list(x) if isinstance(x, list | tuple) else [x]
        if len(parts) != n and isinstance(x, list | tuple):
            parts = nested.flatten(x)
        if len(parts) != n:
            got = len(parts) if isinstance(x, list | tuple) else "one array"
            raise ValueError(f"expected x to be {n} inputs ({', '.join(self.input_names)}), got {got}")
        return [self._one(name, part, i) for i, (name, part) in enumerate(zip(self.input_names, parts, strict=True))]

    def _one(self, name: str, value: Any, i: int) -> Any:
        """One input: an array, or Ragged. A list of one array is that array, if it has the axes for it."""
        if isinstance(value, np.ndarray | Ragged | Stored):
            return value
        value = core.column_of_sequences(value)
        if isinstance(value, list | tuple):
            wanted = len(self.heads[i].batch_shape) if self.heads else None
            if len(value) == 1 and isinstance(value[0], np.ndarray) and wanted in (None, value[0].ndim):
                return value[0]
            shapes = {part.shape for part in value if isinstance(part, np.ndarray)}
            if len(value) > 1 and any(len(shape) == (wanted or 0) and shape[-1] != 1 for shape in shapes):
                raise ValueError(f"expected {name} to be one array, as it is one input, got a list of {len(value)}")
            sequences = ragged(name, value, even=self._takes_sequences(value, i))
            if sequences is not None:
                return sequences
        return core.plain(name, value)

    def _takes_sequences(self, rows: Sequence[Any], i: int) -> bool:
        """Whether a list of arrays is one of sequences, also where all have one length: the input leaves its steps
        open, or does not say, and the arrays have steps."""
        head = self.heads[i] if self.heads else None
        if head is not None and (len(head.batch_shape) < 2 or head.batch_shape[1] is not None):
            return False
        wanted = {np.ndim(row) + 1 for row in rows} if head is None else {len(head.batch_shape)}
        return min(wanted) > 2 or all(hasattr(row, "dtype") and np.asarray(row).dtype.kind in "iu" for row in rows)

    # Batches

    def batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, resets: Any = None, own_targets: bool = False
    ) -> Batch:
        """Arrays in the structure of the inputs and the outputs, checked, from whatever a user gives for them.

        Args:
            x, y, sample_weight, resets: as `fit` takes them.
            own_targets: whether targets may be in any structure, as a method of the user's makes the loss of them.
        """
        if self.inputs is not None:
            parts = self.inputs_of(x)
            for i, head in enumerate(self.heads):
                if not isinstance(parts[i], Ragged | Stored):
                    parts[i] = head.checked(parts[i], "x" if len(parts) == 1 else self.input_names[i], rows=False)
            if isinstance(x, dict):
                x = dict(zip(self.input_names, parts, strict=True))
            else:
                x = parts[0] if isinstance(self.inputs, int) else parts
        elif not data.several(x) and not isinstance(x, dict):
            x = core.column_of_sequences(x)
            sequences = x if isinstance(x, Stored) else ragged("x", x)
            x = core.plain("x", x) if sequences is None else sequences
        y, sample_weight = (
            self._targets(name, value, x, own_targets) for name, value in (("y", y), ("sample_weight", sample_weight))
        )
        if not (resets is None or isinstance(resets, np.ndarray | Stored)):
            resets = _target("resets", resets)
        return data.batch(x, y, sample_weight, resets)

    def _targets(self, name: str, value: Any, x: Any, own_targets: bool) -> Any:
        """Targets or weights: one array for one output, a list or a dictionary for several."""
        value = self.flat(value)
        if value is None or isinstance(value, np.ndarray | Ragged | Stored):
            return value
        rows = isinstance(x, Ragged) and isinstance(value, list | tuple)  # one for each sequence
        if own_targets and not rows and (isinstance(value, dict) or data.several(value)):
            return nested.change(value, lambda part: _target(name, part))
        many = not isinstance(self.outputs, int) if self.outputs is not None else data.several(value)
        if isinstance(value, dict):
            unknown = [key for key in value if self.output_names and key not in self.output_names]
            if unknown:
                known = ", ".join(self.output_names)
                raise ValueError(f"expected {name} to have names of outputs ({known}) for keys, got {unknown[0]!r}")
            return {key: _target(f"{name} of {key}", part) for key, part in value.items()}
        if many and isinstance(value, list | tuple):
            return [_target(name, part) for part in value]
        if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], np.ndarray):
            return value[0] if len(value[0]) == data.rows(x) else np.asarray(value)
        return _target(name, value)

    # Outputs

    def names_of(self, outputs: Sequence[Any]) -> list[str | None]:
        """The names of these outputs, flat; None where they are not known."""
        return list(self.output_names) if len(self.output_names) == len(outputs) else [None] * len(outputs)

    def layout(self, y: Any) -> Any:
        """The structure of the outputs, of which y are some."""
        return y if self.outputs is None else self.outputs


def per_input(name: str, value: Any, n: int) -> list[Any]:
    """The masks, or lengths, of n inputs; ValueError where there are more or fewer."""
    if n == 1:
        inner = isinstance(value, list | tuple) and len(value) == 1 and (value[0] is None or np.ndim(value[0]) > 0)
        return [
            value[0] if inner and (value[0] is None or np.ndim(value[0]) == (1 if name == "lengths" else 2)) else value
        ]
    if not isinstance(value, list | tuple) or len(value) != n:
        got = len(value) if isinstance(value, list | tuple) else "one array"
        raise ValueError(f"expected {name} to be a list of {n}, one an input, with None where there is none, got {got}")
    return list(value)


def _target(name: str, value: Any) -> Any:
    """One array of targets or weights, or Ragged, or None."""
    if value is None or isinstance(value, Ragged | Stored):
        return value
    value = core.column_of_sequences(value)
    sequences = None if isinstance(value, np.ndarray) else ragged(name, value)
    return core.plain(name, value) if sequences is None else sequences


def _check_mask(mask: Any, x: Any) -> NDArray[Any]:
    m, a = core.plain("mask", mask), core.plain("x", x)
    if a.ndim < 2 or m.shape != a.shape[:2]:
        wanted = core.describe(a.shape[:2]) if a.ndim > 1 else "none, as x has no steps"
        raise ValueError(f"expected mask of shape {wanted}, got {m.shape}")
    return core.check_mask(m, *a.shape[:2])
