"""Values: what variables have in common, a weight or a number that an optimizer or a metric keeps.

Operators, indexing and NumPy's functions take the values and give arrays; `assign` and its like change them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from .. import core
from .context import traced_on

#: How arrays, NumPy's numbers and Python's compute.
PLAIN = (None, np.ndarray.__array_ufunc__)


class Values(NDArrayOperatorsMixin):
    """An array under a name. A subclass has `_view`, and says in `assign` how it is replaced.

    Attributes:
        name: `kernel`; path: `lstm/lstm_cell/kernel`.
    """

    name: str
    path: str

    #: The values, read-only.
    _view: NDArray[Any]

    @property
    def value(self) -> NDArray[Any]:
        """The values, read-only: a view, which follows later changes."""
        return self._view

    def assign(self, value: Any) -> NDArray[Any]:
        """Replace the values by an array of the same shape, cast to this dtype; gives them back."""
        raise NotImplementedError

    def assign_add(self, value: Any) -> NDArray[Any]:
        """Add an array of the same shape, or one that broadcasts to it, to the values; gives them back."""
        values = self._view + core.real(self.path, value)
        return self.assign(values if values.ndim > self.ndim else np.broadcast_to(values, self.shape))

    def assign_sub(self, value: Any) -> NDArray[Any]:
        """Take an array likewise away from the values; gives them back."""
        return self.assign_add(-core.real(self.path, value))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._view.shape

    @property
    def ndim(self) -> int:
        return self._view.ndim

    @property
    def size(self) -> int:
        return self._view.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._view.dtype

    def numpy(self) -> NDArray[Any]:
        """A copy of the values."""
        return self._view.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False and (dtype is None or np.dtype(dtype) == self.dtype):
            return self._view
        if copy is False:
            raise ValueError(f"{self.path} is {self.dtype}; it cannot become {np.dtype(dtype)} without a copy")
        return np.array(self._view, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "at" or any(isinstance(array, Values) for array in options.get("out", ())):
            raise TypeError(f"out of {ufunc.__name__} must be an array, got {self.path}; assign changes a variable")
        values = [part.value if isinstance(part, Values) else part for part in inputs]
        if traced_on.get() is None and any(getattr(type(p), "__array_ufunc__", None) not in PLAIN for p in values):
            return NotImplemented  # a tensor, which says by itself that it takes no weights
        return getattr(ufunc, method)(*values, **options)

    # as keys and in sets two are equal where they are one, whatever `==` makes of their values
    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __len__(self) -> int:
        return len(self._view)

    def __bool__(self) -> bool:
        return bool(self._view)

    def __int__(self) -> int:
        return int(self._view)

    def __float__(self) -> float:
        return float(self._view)

    def __round__(self, digits: int = 0) -> Any:
        return np.round(self._view, digits)

    def __format__(self, spec: str) -> str:
        return format(self._view[()], spec) if spec else str(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self._view}>"


def _aside(self: Values, other: Any) -> Any:
    """`v += 1` computes `v + 1`, and leaves the variable as it is."""
    return NotImplemented


for _operator in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    setattr(Values, f"__i{_operator}__", _aside)


class Attribute(Values):
    """An attribute of an object, a number or an array, as a variable: it follows the object, and `assign` sets it.

    Args:
        owner: the object, which has a name.
        attribute: what is read and set. name: that of the variable. dtype: of the values.
    """

    def __init__(self, owner: Any, attribute: str, name: str, dtype: Any = np.float64) -> None:
        self.owner, self.attribute, self.name, self._dtype = owner, attribute, name, np.dtype(dtype)

    @property
    def path(self) -> str:  # type: ignore[override]
        return f"{self.owner.name}/{self.name}"

    @property
    def _view(self) -> NDArray[Any]:  # type: ignore[override]
        return np.asarray(getattr(self.owner, self.attribute), self._dtype)

    def assign(self, value: Any) -> NDArray[Any]:
        """Set the attribute; ValueError or TypeError where the shape or the object do not allow it."""
        array = core.as_array(self.name, value, self._dtype, self.shape)
        setattr(self.owner, self.attribute, array.copy() if array.ndim else array.item())
        return self._view
