"""Size: the size of an open axis of a tensor, a number once a model runs.

`ops.shape(x)` has one for each open axis. It can be computed with, and stands wherever an operation takes a number:

    batch = ops.shape(x)[0]
    noise = random.normal((batch, 8))
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from .context import traced_on
from .symbolic import SymbolicTensor


class Size:
    """An integer that depends on the shapes of tensors: a function of parts, which are tensors, or what stands for
    them, and numbers, and other sizes."""

    def __init__(self, function: Callable[..., int], *parts: Any) -> None:
        self.function, self.parts = function, parts

    def replaced(self, function: Callable[[Any], Any]) -> Size:
        """The same, of `function` of each tensor."""
        return Size(self.function, *self._changed(function, lambda part: part.replaced(function)))

    def value(self, array_of: Callable[[Any], Any]) -> int:
        """The number, where `array_of` gives the array of each tensor."""
        return int(self.function(*self._changed(array_of, lambda part: part.value(array_of))))

    def of_axis(self) -> Any:
        """The tensor and the axis whose size it is; None where it is computed of such."""
        return self.parts if self.function is _size else None

    def _changed(self, function: Callable[[Any], Any], inner: Callable[[Any], Any]) -> list[Any]:
        return [
            p if isinstance(p, int | np.integer) else inner(p) if isinstance(p, Size) else function(p)
            for p in self.parts
        ]

    def __index__(self) -> NoReturn:
        raise ValueError("expected numbers alone, got the size of an open axis, which is known when a model runs")

    __int__ = __float__ = __bool__ = __index__

    def _compare(self, other: Any) -> bool:
        if traced_on.get() is None:
            return other is None  # as an open axis in a shape
        self.__index__()

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _compare

    def __hash__(self) -> int:
        return object.__hash__(self) if traced_on.get() is None else self.__index__()

    def __repr__(self) -> str:
        return "None"


def _of(function: Callable[..., int], x: Any, z: Any) -> Size:
    for part in (x, z):
        if not isinstance(part, int | np.integer | Size):
            Size(function).__index__()  # a fraction of a size asks for the number
    return Size(function, x, z)


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    _done = getattr(operator, _name)
    setattr(Size, f"__{_name}__", lambda x, z, f=_done: _of(f, x, z))
    setattr(Size, f"__r{_name}__", lambda x, z, f=_done: _of(f, z, x))


def _size(x: Any, axis: int) -> int:
    return int(np.shape(x)[axis])


def shape(x: Any) -> tuple[Any, ...]:
    """The shape of an array or a tensor, with a size that other functions take for each open axis of a tensor."""
    if not isinstance(x, SymbolicTensor):
        return np.shape(x)
    return tuple(Size(_size, x, axis) if n is None else n for axis, n in enumerate(x.open_shape))


def zeros(shape: tuple[int | Size, ...], dtype: np.dtype[Any]) -> Any:
    """A tensor of zeros."""
    return SymbolicTensor.operate("Zeros", [], {"shape": shape, "dtype": dtype.name})


SymbolicTensor.sizes = shape
