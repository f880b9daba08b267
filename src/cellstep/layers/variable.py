"""A weight: its values, its gradient, and a version that tells caches when it changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import core, initializers
from ..constraints import Constraint
from ..regularizers import Regularizer
from .context import traced_on
from .names import auto_name, known_sizes
from .row_sums import sum_rows
from .values import Values

# One count for all variables: a version is never used twice, so a cache that compares versions cannot take one
# variable, or an older value, for another, whatever the threads do.
_versions = itertools.count(1, 2**20)

#: Another number whenever the values of a variable have moved to another buffer.
moved = 0

#: The dtypes of variables that are made of Python's integers and booleans, by kind.
_UNTYPED = {"i": np.dtype("int32"), "b": np.dtype("bool")}


class Variable(Values):
    """A named array that layers read and optimizers write.

    Attributes:
        name: `kernel`; path: `lstm/lstm_cell/kernel`.
        shape, dtype: fixed.
        trainable: whether pullbacks add to `grad`, and optimizers update the values.
        regularizer: the penalty that training adds to the loss while the variable is trainable, or None.
        constraint: what the values become after each step of an optimizer, or None.
        version: changes whenever the values do.
        fixed: no gradient ever changes it, whatever `trainable` of its layer says: a moving mean, say.
        by_rows: a batch's gradient is one of few rows, so that optimizers need not look at the others.
        lazy: of such a one, rows whose gradient is 0 are not updated at all.

    Example:
        >>> v = Variable(np.zeros((2, 3), "float32"), name="kernel")
        >>> v.assign(np.ones((2, 3))).sum()
        np.float32(6.0)
    """

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = None,
        synchronization: str | None = None,
        name: str | None = None,
        *,
        path: str = "",
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        """Make a variable.

        Args:
            initializer: its values, or what makes them: whatever `initializers.get` takes.
            shape: of the values; needed where the initializer makes them.
            dtype: that of an array, int32 for integers and else `floatx()`, where None.
            trainable: see there.
            autocast, aggregation, synchronization: taken for Keras's sake; there is nothing that they would change.
            name: an automatic one where None.
            path, regularizer, constraint: see there.

        Raises:
            ValueError, TypeError: values that are no real numbers, or not of this shape.
        """
        name = auto_name("Variable") if name is None else name
        if not isinstance(name, str):
            raise TypeError(f"name must be a string, got {name!r}")
        shape = None if shape is None else known_sizes(name, shape)
        kind = None if dtype is None else number_dtype(dtype)
        typed, fresh = isinstance(initializer, np.ndarray | np.generic | Values), False
        if callable(initializer) or isinstance(initializer, str):
            shape, typed, make = shape or (), True, initializers.get(initializer)
            fresh = isinstance(make, initializers.Zeros)  # memory of which is taken where it is written
            initializer = make(shape, dtype=kind if kind and kind.kind == "f" else None)
        values = core.real(f"the initial {name}", initializer)
        if kind is None:
            kind = values.dtype if typed else _UNTYPED.get(values.dtype.kind) or core.float_dtype("dtype", None)
        values = in_dtype(f"the initial {name}", values, kind, values.shape if shape is None else shape)
        self.name = name
        self.path = path or name
        self.trainable = core.check_bool("trainable", trainable)
        self.regularizer = regularizer
        self.constraint = constraint
        self.by_rows = self.lazy = False
        self._grad: NDArray[Any] | None = None
        #: What comes to the gradient: places along the first axis, each once and in order, and their rows.
        self._rows: list[tuple[NDArray[np.intp], NDArray[Any]]] = []
        self._set_buffer(values if fresh else np.array(values, order="C"))
        self.version = next(_versions)
        self.fixed = False

    def _set_buffer(self, buffer: NDArray[Any]) -> None:
        global moved
        self.buffer, moved = buffer, next(_versions)
        view = buffer.view()
        view.flags.writeable = False
        self._view = view

    @property
    def value(self) -> NDArray[Any]:
        """The values, read-only: a view, which follows later changes; a tensor in what is traced."""
        return self._view if traced_on.get() is None else self.as_tensor()

    @property
    def grad(self) -> NDArray[Any]:
        """What pullbacks have added up since it was last zeroed; writable, same shape and dtype."""
        if self._grad is None:
            self._grad = np.zeros(self.shape, self.dtype)
        for places, rows in self._rows:
            self._grad[places] += rows
        self._rows = []
        return self._grad

    def add_rows(self, places: NDArray[np.intp], rows: NDArray[Any]) -> None:
        """Add rows (N, ...) to these places (N,) of the gradient, along its first axis; a place may come often."""
        places, rows = sum_rows(places, rows)
        if self._grad is None:
            self._rows.append((places, rows))
        else:
            self._grad[places] += rows

    @property
    def row_grad(self) -> tuple[NDArray[np.intp], NDArray[Any]] | None:
        """The places that the gradient was added to, in order, and their rows; None where `grad` was asked for."""
        if self._grad is not None:
            return None
        if len(self._rows) != 1:
            none = np.zeros(0, np.intp), np.zeros((0, *self.shape[1:]), self.dtype)
            places, rows = zip(none, *self._rows, strict=True)
            self._rows = [sum_rows(np.concatenate(places), np.concatenate(rows))]
        return self._rows[0]

    def set_row_grad(self, places: NDArray[np.intp], rows: NDArray[Any]) -> None:
        """Make a gradient of these rows (N, ...), at places (N,) in order, each once."""
        self._grad, self._rows = None, [(places, rows)]

    @property
    def grad_values(self) -> NDArray[Any]:
        """The gradient, without rows that nothing was added to."""
        rows = self.row_grad if self.by_rows else None
        return self.grad if rows is None else rows[1]

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        self._rows = []
        if self.by_rows:
            self._grad = None
        elif self._grad is not None:
            self._grad[...] = 0

    def assign(self, value: Any) -> NDArray[Any]:
        """Replace the values by an array of the same shape, cast to this dtype; gives them back.

        Raises:
            ValueError, TypeError: as of `cast`; nothing was written.
        """
        self.buffer[...] = self.cast(value)
        self.touch()
        return self._view

    def cast(self, value: Any) -> NDArray[Any]:
        """An array of this shape as `assign` takes it, in this dtype.

        Raises:
            ValueError: wrong shape, or a finite value that this dtype cannot hold. TypeError: not real numbers.
        """
        self._refuse_traced()
        return in_dtype(self.path, core.real(self.path, value), self.dtype, self.shape)

    #: The tensor that stands for it in a function that is traced; `layers.weight_tensor` says how.
    as_tensor: ClassVar[Callable[[Variable], Any]]

    def _refuse_traced(self) -> None:
        """TypeError where a function is traced: it is run once, and no more when the model runs."""
        if traced_on.get() is not None:
            self.as_tensor()._refuse("use it in operators and functions of cellstep.ops, and assign it in a callback")

    def touch(self) -> None:
        """Say that `buffer` was written to. Call it after the write, never before: a reader that sees the new
        version must find the new values."""
        self.version = next(_versions)

    def bind(self, value_buffer: NDArray[Any], grad_buffer: NDArray[Any]) -> None:
        """Move values and gradient into slices of a model's flat buffers, keeping their contents.

        Args:
            value_buffer: (size,) or this shape, C-contiguous, aligned, writable, this dtype.
            grad_buffer: the same.

        Raises:
            ValueError: a buffer does not fit; nothing was moved.
        """
        buffers = (("value_buffer", value_buffer), ("grad_buffer", grad_buffer))
        for name, b in buffers:
            fits = b.shape in ((self.size,), self.shape) and b.dtype == self.dtype
            if not (fits and b.flags.carray):
                raise ValueError(
                    f"expected {name} to be a writable aligned C-contiguous {self.dtype} array of shape "
                    f"({self.size},), got {b.dtype} {b.shape}"
                )
        values, grads = value_buffer.reshape(self.shape), grad_buffer.reshape(self.shape)
        values[...] = self.buffer
        grads[...] = 0 if self._grad is None and not self._rows else self.grad
        self._set_buffer(values)
        self._grad = grads

    def numpy(self) -> NDArray[Any]:
        """A copy of the values."""
        self._refuse_traced()
        return super().numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        self._refuse_traced()
        return super().__array__(dtype, copy)

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: arrays of its own, not a model's flat buffers, and no view, which would be a copy."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("_view", "version")}
        return state | {"buffer": self.buffer.copy(), "_grad": None if self._grad is None else self._grad.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_buffer(self.buffer)
        self.version = next(_versions)


def number_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype of a variable: float32 or float64, as `core.float_dtype`, or one of integers or booleans."""
    try:
        whole = dtype is not None and np.dtype(dtype).kind in "iub"
    except TypeError:
        whole = False
    return np.dtype(dtype) if whole else core.float_dtype("dtype", dtype)


def in_dtype(name: str, a: NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Real numbers in this dtype and shape; ValueError for another shape, or a number that the dtype cannot hold."""
    with np.errstate(over="ignore"):
        cast = core.as_array(name, a, dtype, shape)
    if a.dtype.kind in "fiu" and dtype.kind in "fiu" and a.dtype != dtype:
        whole = None if dtype.kind == "f" else np.iinfo(dtype)
        lost = np.isinf(cast) & np.isfinite(a) if whole is None else (a < whole.min) | (a > whole.max)
        if lost.any():
            raise ValueError(f"expected {name} to hold values that {dtype} can hold, got {a[lost][0]}")
    return cast


def settle(variables: Iterable[Any]) -> None:
    """Put variables, at most 2**20, whose buffers were written to, under their constraints; and `touch` each."""
    for version, variable in enumerate(variables, next(_versions)):
        if variable.constraint is not None:
            variable.buffer[...] = variable.constraint(variable.buffer)
        variable.version = version


def count(variables: Sequence[Variable]) -> int:
    """How many numbers the variables hold together."""
    return sum(v.size for v in variables)
