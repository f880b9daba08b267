"""Sizes of open axes while a graph is read: products of what is not known yet, which can be told apart and divided.

Shape arithmetic of a graph runs on NumPy arrays of objects, integers and these among them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


class Dim:
    """`factor` times the product of atoms; an atom stands for the size of one open axis, or for a sum or the like.

    Attributes:
        atoms: how often each occurs, by its key. sizes: for each key what gives the number once a model runs, an
            integer or `layers.sizes.Size`.
    """

    __slots__ = ("atoms", "factor", "sizes")

    def __init__(self, factor: int, atoms: Counter[str], sizes: dict[str, Callable[[], Any]]) -> None:
        self.factor, self.atoms, self.sizes = factor, atoms, sizes

    @classmethod
    def atom(cls, key: str, size: Callable[[], Any]) -> Dim:
        return cls(1, Counter([key]), {key: size})

    @property
    def key(self) -> str:
        return "*".join([str(self.factor), *sorted(self.atoms.elements())])

    def size(self) -> Any:
        """What an operation takes for it."""
        value: Any = self.factor
        for key in sorted(self.atoms.elements()):
            value = self.sizes[key]() if isinstance(value, int) and value == 1 else value * self.sizes[key]()
        return value

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Dim):
            return Dim(self.factor * other.factor, self.atoms + other.atoms, self.sizes | other.sizes)
        return Dim(self.factor * int(other), self.atoms, self.sizes) if other else 0

    __rmul__ = __mul__

    def _other(self, name: str, value: Callable[[Any, Any], Any], other: Any, turned: bool = False) -> Dim:
        a, b = (other, self) if turned else (self, other)
        return Dim.atom(f"({said(a)}{name}{said(b)})", lambda: value(number(a), number(b)))

    def __add__(self, other: Any) -> Any:
        return self if not isinstance(other, Dim) and other == 0 else self._other("+", lambda a, b: a + b, other)

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Dim):
            return 0 if other.key == self.key else self._other("-", lambda a, b: a - b, other)
        return self if other == 0 else self._other("-", lambda a, b: a - b, other)

    def __rsub__(self, other: Any) -> Any:
        return self._other("-", lambda a, b: a - b, other, True)

    def __floordiv__(self, other: Any) -> Any:
        whole = divided(self, other)
        return self._other("/", lambda a, b: a // b, other) if whole is None else whole

    __truediv__ = __floordiv__

    def __rfloordiv__(self, other: Any) -> Any:
        return self._other("/", lambda a, b: a // b, other, True)

    __rtruediv__ = __rfloordiv__

    def __mod__(self, other: Any) -> Any:
        return 0 if divided(self, other) is not None else self._other("%", lambda a, b: a % b, other)

    def __eq__(self, other: Any) -> bool:
        """Whether they are the same; an integer above 0 may turn out to be, which nobody knows before."""
        if isinstance(other, Dim):
            return self.key == other.key
        if isinstance(other, int | np.integer) and other > 0:
            raise Undecided
        return False

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.key


class Undecided(Exception):
    """Something depends on the size of an open axis."""

    def __str__(self) -> str:
        return "what it does depends on the size of an open axis, which is known when a model runs"


def said(value: Any) -> str:
    return value.key if isinstance(value, Dim) else str(value)


def number(value: Any) -> Any:
    """What an operation takes for a size."""
    return value.size() if isinstance(value, Dim) else int(value)


def same(a: Any, b: Any) -> bool:
    """Whether two sizes are known to be equal."""
    return said(a) == said(b)


def product(sizes: Iterable[Any]) -> Any:
    return math.prod(sizes, start=1)


def divided(a: Any, b: Any) -> Any:
    """a / b where it is known to be whole, else None."""
    if not isinstance(b, Dim):
        b = Dim(int(b), Counter(), {})
    if not isinstance(a, Dim):
        a = Dim(int(a), Counter(), {})
    if not b.factor or a.factor % b.factor or b.atoms - a.atoms:
        return None
    left = a.atoms - b.atoms
    return Dim(a.factor // b.factor, left, a.sizes) if left else a.factor // b.factor


def vector(sizes: Iterable[Any]) -> np.ndarray[Any, Any]:
    """Sizes as a graph has them: int64, or objects where some are not known."""
    listed = list(sizes)
    if any(isinstance(size, Dim) for size in listed):
        a = np.empty(len(listed), object)
        a[:] = listed
        return a
    return np.array(listed, np.int64)


def settled(a: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same as int64, where no size in it is open any more."""
    if a.dtype == object and not any(isinstance(size, Dim) for size in a.reshape(-1)):
        return a.astype(np.int64)
    return a
