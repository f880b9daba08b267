"""Cells that are written as their equations, in Numba's loops: a step calls the code that LLVM made of them.

The loop has the addresses of the functions in the place of activations' codes, so that what Numba compiles is the same
for all cells of a plan.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]
from numba import types
from numba.extending import intrinsic

from ..equations.program import Equations
from .jit import inlined
from .layouts import Real1, Rows, Vectors
from .rows import Operand, Row, Step, copy, gates
from .tile import VECTOR
from .vector_code import SPAN, Target, code_of


def addresses(equations: Equations, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Of the functions of each phase, forward and then backward."""
    target = Target("", VECTOR // dtype.itemsize, dtype.itemsize, True)
    forward, backward = code_of(equations.program, target)
    return (*forward, *backward)


def _calling(
    context: Any, address: Any, H: Any, z: Any, seen: Any, before: Any, after: Any, dz: Any, dstates: Any, dseen: Any,
    dmade: Any, vectors: Any,
) -> Any:  # fmt: skip
    """Run a function of a span for one row."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        names = ("z", "seen", "before", "after", "dz", "dstate", "dseen", "dmade", "vectors")
        fields = dict.fromkeys(SPAN, ir.Constant(word, 0))
        fields |= {"rows": ir.Constant(word, 1), "j1": ir.Constant(word, 1 << 40), "H": args[1], "Hp": args[1]}

        def begin(kind: Any, value: Any) -> Any:
            return builder.ptrtoint(context.make_array(kind)(context, builder, value).data, word)

        for i, name in enumerate(names, 2):
            kind: Any = signature.args[i]
            if not isinstance(kind, types.BaseTuple):
                fields[name] = begin(kind, args[i])
                continue
            kinds = [*cast(Any, kind)]
            for k in range(1 if name == "vectors" and kinds else len(kinds)):
                part = begin(kinds[k], builder.extract_value(args[i], k))
                fields[name if name == "vectors" else f"{name}{k}"] = part
        with builder.goto_entry_block():
            span = builder.alloca(word, len(SPAN))
        for name, place in SPAN.items():
            builder.store(fields[name], builder.gep(span, [ir.Constant(ir.IntType(32), place)]))
        kind = ir.FunctionType(ir.VoidType(), [word.as_pointer()])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [span])
        return context.get_dummy_value()

    n = types.int64
    return types.void(n, n, z, seen, before, after, dz, dstates, dseen, dmade, vectors), generate


_call: Any = intrinsic(_calling)


def _operand(k: int, phases: int, made: int) -> Operand:
    """The operand k, which lies in stretch `made` of a row."""

    @inlined
    def begin(row: Row, states: Rows, h: Real1) -> None:
        _call(row.codes[k], row.units, row.z, h, states, states, row.z, states, h, h, row.vectors)

    @inlined
    def value(row: Row, h: Real1, out: Real1) -> None:
        copy(gates(row.z, row, made), out)

    @inlined
    def backward(
        row: Row, before: Rows, after: Rows, hd: Real1, drop: Real1, d: Real1, dz: Real1, dstates: Rows, dh: Real1
    ) -> None:
        _call(row.codes[phases + k], row.units, row.z, hd, before, after, dz, dstates, dh, d, row.vectors)

    return Operand(begin, value, backward)


@cache
def _step(made: tuple[int, ...]) -> Step:
    """A step whose operands lie in these stretches of a row."""
    phases = 1 + len(made)

    @inlined
    def forward(row: Row, states: Rows) -> None:
        _call(row.codes[phases - 1], row.units, row.z, row.z, states, states, row.z, states, row.z, row.z, row.vectors)

    @inlined
    def backward(row: Row, before: Rows, after: Rows, dstates: Rows, dz: Real1, dvectors: Vectors) -> None:
        _call(row.codes[2 * phases - 1], row.units, row.z, row.z, before, after, dz, dstates, dz, dz, row.vectors)

    return Step(forward, backward, True, tuple(_operand(k, phases, at) for k, at in enumerate(made)))


def step_of(equations: Equations) -> Step:
    """What a step computes besides products."""
    return _step(tuple(equations.program.made))
