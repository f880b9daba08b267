"""Operations that are made of others: their values, and gradients by going back through these.

A function of `formulas` is written with operators and the functions of `f`, each of which notes what it did; `composed`
makes a rule of it, which is like those of `arithmetic`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .arithmetic import Array, Back, Rule


class Noted:
    """A value within a composed rule.

    Attributes:
        value: an array. tape: all values of the rule, in the order in which they were made.
        back: gives the gradients of the sources from its own; None at the beginning. sources: what it was made of.
    """

    def __init__(self, value: Any, tape: list[Noted], back: Any = None, sources: Any = ()) -> None:
        self.value, self.tape, self.back, self.sources = value, tape, back, sources
        tape.append(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    def __getitem__(self, key: Any) -> Noted:
        return _do("get_item", self, key)


class _Functions:
    """`f.sum(x, axis=1)`: the function of the table by this name, of noted values."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: _do(name, *arguments, **options)


f: Any = _Functions()
#: Rules by the names of their functions; the table fills it.
RULES: dict[str, Rule] = {}


def _do(name: str, *arguments: Any, **options: Any) -> Noted:
    """A rule of what is noted, noted."""
    listed = isinstance(arguments[0], list)
    sources = arguments[0] if listed else arguments
    values = [s.value if isinstance(s, Noted) else s for s in sources]
    y, back = RULES[name](*([values] if listed else values), **options)
    return Noted(y, next(s.tape for s in sources if isinstance(s, Noted)), back, sources)


for _symbol, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "pow": "power",
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
}.items():
    setattr(Noted, f"__{_symbol}__", lambda x, z, name=_name: _do(name, x, z))
    setattr(Noted, f"__r{_symbol}__", lambda x, z, name=_name: _do(name, z, x))
setattr(Noted, "__neg__", lambda x: _do("negative", x))  # noqa: B010 - as those above


def composed(function: Callable[..., Any]) -> Rule:
    """The rule of a function of noted values, which gives one, or a list of them."""

    def rule(*arguments: Any, **options: Any) -> tuple[Any, Back]:
        tape: list[Noted] = []
        given = [None if a is None else Noted(np.asarray(a), tape) for a in arguments]
        y = function(*given, **options)
        outputs = y if isinstance(y, list) else [y]

        def back(dy: Any) -> list[Array | None]:
            gradients: dict[int, Any] = {}

            def add(noted: Any, gradient: Any) -> None:
                if isinstance(noted, Noted) and gradient is not None:
                    gradients[id(noted)] = gradients.get(id(noted), 0) + gradient

            for noted, d in zip(outputs, dy if isinstance(y, list) else [dy], strict=True):
                add(noted, d)
            for noted in reversed(tape):
                d = gradients.get(id(noted))
                if noted.back is not None and d is not None:
                    for source, gradient in zip(noted.sources, noted.back(d), strict=False):
                        add(source, gradient)
            return [None if noted is None else gradients.get(id(noted)) for noted in given]

        return [noted.value for noted in outputs] if isinstance(y, list) else y.value, back

    rule.__doc__ = function.__doc__
    return rule
