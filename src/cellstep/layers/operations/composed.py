"""Operations that are formulas of others: their values at once, their gradients by the graph of these (`Tracer`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nested
from ..context import Context
from ..symbolic import SymbolicTensor
from ..tracer import Tracer
from .arithmetic import Array, Back, Rule


class _Functions:
    """`f.sum(x, axis=1)`: the function of `cellstep.ops` by this name, of tensors or arrays."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: SymbolicTensor.operate(
            SymbolicTensor.functions[name], list(arguments), options
        )


f: Any = _Functions()


def composed(formula: Callable[..., Any]) -> Rule:
    """The rule of a formula, which gives a tensor, or a list of them, for tensors, and the same of arrays."""
    tracer = Tracer()

    def taped(*arguments: Any, **options: Any) -> tuple[Any, Back]:
        given = [None if a is None else np.asarray(a) for a in arguments]
        arrays = [a for a in given if a is not None]

        def of_tensors(tensors: list[Any]) -> Any:
            rest = iter(tensors)
            return formula(*[a if a is None else next(rest) for a in given], **options)

        traced = tracer.of_arrays(formula.__name__, of_tensors, arrays, str(options))
        outputs, _, pullback = traced.graph.apply(arrays, [None] * len(arrays), Context(tape=True))

        def back(dy: Any) -> list[Array | None]:
            gradients = iter(pullback(nested.flatten(dy)))
            return [a if a is None else next(gradients) for a in given]

        return nested.pack(traced.outputs, outputs), back

    def rule(*arguments: Any, **options: Any) -> tuple[Any, Back]:
        given = [None if a is None else np.asarray(a) for a in arguments]
        return formula(*given, **options), lambda dy: taped(*arguments, **options)[1](dy)

    rule.__doc__ = formula.__doc__
    rule.taped = taped  # type: ignore[attr-defined]
    return rule
