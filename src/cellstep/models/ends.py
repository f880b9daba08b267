"""Ends: what goes into a model and what comes out, in every form that users give it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..layers import InputLayer, nested
from ..layers.ragged import groups
from . import data
from .data import Batch
from .grouped import Grouped, masks_of
from .ragged import Ragged, ragged
from .stored import Stored
from .trainable import Trainable


class Ends(Trainable):
    """A module with inputs and outputs, one of each or several.

    Arrays for the inputs may come as one array, a list, a dictionary by names, or sequences of different lengths; those
    for the outputs likewise.
    """

    #: The InputLayer of each input, flat; empty where the inputs may have any shape.
    _heads: list[InputLayer]
    #: The structures of inputs and outputs, with their numbers as leaves; None while they are not known.
    _inputs: Any
    _outputs: Any
    input_names: list[str]
    output_names: list[str]
    #: Whether a subclass says by itself what to compute: by `call`, or by `forward`.
    _by_call: bool
    _by_hand: bool

    def _accept(self, x: Any, mask: Any, lengths: Any) -> tuple[list[Any], list[Any], bool]:
        """Arrays and masks for each input, checked; and whether any mask stands for lengths. Where an input is Ragged
        all of them are `Grouped`."""
        if type(x) is np.ndarray and mask is None and lengths is None and isinstance(self._inputs, int):
            # one array and nothing else: what a small model cannot afford to be slow
            return [self._heads[0].checked(x) if self._heads else x], [None], False
        values = self.inputs_of(x)
        n = len(values)
        masks = [None] * n if mask is None else per_input("mask", mask, n)
        given = [None] * n if lengths is None else per_input("lengths", lengths, n)
        rows = self._rows(values)
        real = rows is not None
        for i, value in enumerate(values):
            if isinstance(value, Ragged):
                assert rows is not None
                if masks[i] is not None or given[i] is not None:
                    raise ValueError("mask and lengths must be None where x is a list of sequences, got one")
                values[i] = self._checked(i, Grouped.split(rows, value))
                masks[i] = masks_of(values[i])
                continue
            values[i] = self._checked(i, value)
            if given[i] is not None:
                a = ops.plain("x", values[i])
                if a.ndim < 2:
                    raise ValueError(f"lengths need x of shape (batch, time, ...), got {a.shape}")
                masks[i], real = ops.running(masks[i], given[i], a.shape[0], a.shape[1], False), True
            elif masks[i] is not None:
                masks[i] = _check_mask(masks[i], values[i])
        if rows is not None:
            values, masks = (
                [a if a is None or isinstance(a, Grouped) else Grouped.split(rows, a) for a in some]
                for some in (values, masks)
            )
        return values, masks, real

    def _rows(self, values: list[Any]) -> list[NDArray[Any]] | None:
        """The groups of rows in which Ragged inputs are run; None where there are none."""
        lengths = [value.lengths for value in values if isinstance(value, Ragged)]
        if not lengths:
            return None
        fixed = [h for h, v in zip(self._heads, values, strict=False) if isinstance(v, Ragged) and h.batch_shape[1]]
        return [np.arange(len(lengths[0]))] if fixed else groups(*lengths)

    def _checked(self, i: int, value: Any) -> Any:
        """Input number i as its InputLayer wants it."""
        if not self._heads:
            return value
        head, name = self._heads[i], self.input_names[i] if len(self._heads) > 1 else "x"
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
        if isinstance(self._inputs, int):
            return [self._one("x", x, 0)]
        n = len(nested.flatten(self._inputs))
        found = list(x) if isinstance(x, list | tuple) else [x]
        if len(found) != n and isinstance(x, list | tuple):
            found = nested.flatten(x)
        if len(found) != n:
            got = len(found) if isinstance(x, list | tuple) else "one array"
            raise ValueError(f"expected x to be {n} inputs ({', '.join(self.input_names)}), got {got}")
        return [self._one(name, part, i) for i, (name, part) in enumerate(zip(self.input_names, found, strict=True))]

    def _one(self, name: str, value: Any, i: int) -> Any:
        """One input: an array, or Ragged. A list of one array is that array, if it has the axes for it."""
        if isinstance(value, np.ndarray | Ragged | Stored):
            return value
        if isinstance(value, list | tuple):
            if len(value) == 1 and isinstance(value[0], np.ndarray):
                wanted = len(self._heads[i].batch_shape) if self._heads else None
                if wanted is None or value[0].ndim == wanted:
                    return value[0]
            wanted = len(self._heads[i].batch_shape) if self._heads else 0
            shapes = {part.shape for part in value if isinstance(part, np.ndarray)}
            if len(value) > 1 and any(len(shape) == wanted and shape[-1] != 1 for shape in shapes):
                raise ValueError(f"expected {name} to be one array, as it is one input, got a list of {len(value)}")
            found = ragged(name, value, even=self._takes_sequences(value, i))
            if found is not None:
                return found
        return ops.plain(name, value)

    def _takes_sequences(self, rows: Sequence[Any], i: int) -> bool:
        """Whether a list of arrays is one of sequences, also where all have one length: the input leaves its steps
        open, or does not say, and the arrays have steps."""
        head = self._heads[i] if self._heads else None
        if head is not None and (len(head.batch_shape) < 2 or head.batch_shape[1] is not None):
            return False
        wanted = {np.ndim(row) + 1 for row in rows} if head is None else {len(head.batch_shape)}
        return min(wanted) > 2 or all(getattr(row, "dtype", np.dtype(float)).kind in "iu" for row in rows)

    def given(self, x: Any, y: Any = None, sample_weight: Any = None) -> Batch:
        if self._inputs is not None:
            parts = self.inputs_of(x)
            for i, head in enumerate(self._heads):
                if not isinstance(parts[i], Ragged | Stored):
                    parts[i] = head.checked(parts[i], "x" if len(parts) == 1 else self.input_names[i], rows=False)
            if isinstance(x, dict):
                x = dict(zip(self.input_names, parts, strict=True))
            else:
                x = parts[0] if isinstance(self._inputs, int) else parts
        elif not data.several(x) and not isinstance(x, dict):
            found = x if isinstance(x, Stored) else ragged("x", x)
            x = ops.plain("x", x) if found is None else found
        return data.batch(x, self._targets("y", y, x), self._targets("sample_weight", sample_weight, x))

    def _targets(self, name: str, value: Any, x: Any) -> Any:
        """Targets or weights: one array for one output, a list or a dictionary for several."""
        if value is None or isinstance(value, np.ndarray | Ragged | Stored):
            return value
        rows = isinstance(x, Ragged) and isinstance(value, list | tuple)  # one for each sequence
        if self._trainer.own_targets and not rows and (isinstance(value, dict) or data.several(value)):
            return nested.change(value, lambda part: None if part is None else self._target(name, part))
        many = not isinstance(self._outputs, int) if self._outputs is not None else data.several(value)
        if isinstance(value, dict):
            unknown = [key for key in value if self.output_names and key not in self.output_names]
            if unknown:
                known = ", ".join(self.output_names)
                raise ValueError(f"expected {name} to have names of outputs ({known}) for keys, got {unknown[0]!r}")
            return {
                key: None if part is None else self._target(f"{name} of {key}", part) for key, part in value.items()
            }
        if many and isinstance(value, list | tuple):
            return [None if part is None else self._target(name, part) for part in value]
        if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], np.ndarray):
            return value[0] if len(value[0]) == data.rows(x) else np.asarray(value)
        return self._target(name, value)

    def _target(self, name: str, value: Any) -> Any:
        found = None if isinstance(value, np.ndarray | Ragged | Stored) else ragged(name, value)
        return value if isinstance(value, Ragged | Stored) else ops.plain(name, value) if found is None else found

    def names_of(self, outputs: Sequence[Any]) -> list[str | None]:
        return list(self.output_names) if len(self.output_names) == len(outputs) else [None] * len(outputs)

    def layout(self, y: Any) -> Any:
        return y if self._outputs is None else self._outputs


def per_input(name: str, value: Any, n: int) -> list[Any]:
    if n == 1:
        inner = isinstance(value, list | tuple) and len(value) == 1 and (value[0] is None or np.ndim(value[0]) > 0)
        return [
            value[0] if inner and (value[0] is None or np.ndim(value[0]) == (1 if name == "lengths" else 2)) else value
        ]
    if not isinstance(value, list | tuple) or len(value) != n:
        got = len(value) if isinstance(value, list | tuple) else "one array"
        raise ValueError(f"expected {name} to be a list of {n}, one an input, with None where there is none, got {got}")
    return list(value)


def _check_mask(mask: Any, x: Any) -> NDArray[Any]:
    m, a = ops.plain("mask", mask), ops.plain("x", x)
    if a.ndim < 2 or m.shape != a.shape[:2]:
        wanted = ops.describe(a.shape[:2]) if a.ndim > 1 else "none, as x has no steps"
        raise ValueError(f"expected mask of shape {wanted}, got {m.shape}")
    return ops.check_mask(m, *a.shape[:2])
