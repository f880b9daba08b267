"""The innermost loop of a product, written in LLVM's vector types.

A tile of C, some rows by some panels of columns, stays in registers while k runs: C[r, j] += A[r, k] B[k, j], one
accumulator for each element of C, in the order of k. Vector lanes are columns. LLVM's own vectoriser keeps one row of C
in memory instead, as it cannot know that C is none of the inputs: half the speed at 64 rows, a third at 32 units.

B lies in panels: (panels, K, width) with `width(dtype)` columns side by side, so that a tile reads it in order.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped, unused-ignore]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FEATURES = binding.get_host_cpu_features()
#: Bytes of a vector register. Where LLVM is told of another processor, vectors are split or half empty, no more.
VECTOR = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
#: Rows of the tallest tile: with two vectors of columns its sums take half of the registers, 32 with AVX-512 and NEON.
TALL = 8 if _FEATURES.get("avx512f") or _FEATURES.get("neon") else 4
#: Vectors in a row of a panel.
_ACROSS = 2


def width(dtype: np.dtype[Any]) -> int:
    """Columns of a panel."""
    return _ACROSS * VECTOR // dtype.itemsize


def tile(rows: int, panels: int = 1, tall: bool = False) -> Callable[..., None]:
    """A function for compiled code: `f(A, a, lda, B, b, ldb, K, C, c, ldc)`.

    It adds to `rows` rows of C, from element c on with ldc elements from row to row, in `panels` panels of columns side
    by side. A starts at element a, with lda elements from row to row; a `tall` one has its rows side by side, and
    `TALL` elements from k to k. B starts at element b, with ldb elements from panel to panel.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, a, lda, _, b, ldb, K, _, c, ldc = args
        A, B, C = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3, 7))
        make = _Builder(builder, context.get_value_type(signature.args[7].dtype), signature.args[7].dtype.bitwidth // 8)
        columns = [(p, v) for p in range(panels) for v in range(_ACROSS)]
        sums: dict[tuple[int, int, int], Any] = {}
        for r, (p, v) in product(range(rows), columns):
            place = make.vector_at(C, (c, 1), (ldc, r), (make.lanes, p * _ACROSS + v))
            total = cgutils.alloca_once_value(builder, make.load(place))  # type: ignore[no-untyped-call, unused-ignore]
            sums[r, p, v] = place, total
        with cgutils.for_range(builder, K, intp=K.type) as loop:
            k = loop.index
            w = {
                (p, v): make.load(make.vector_at(B, (b, 1), (k, _ACROSS * make.lanes), (ldb, p), (make.lanes, v)))
                for p, v in columns
            }
            for r in range(rows):
                s = make.spread(make.at(A, (a, 1), (k, TALL), (1, r)) if tall else make.at(A, (a, 1), (k, 1), (lda, r)))
                for p, v in columns:
                    total = sums[r, p, v][1]
                    builder.store(make.multiply_add(s, w[p, v], builder.load(total)), total)
        for place, total in sums.values():
            make.store(builder.load(total), place)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator, unused-ignore]
    def added(
        context: Any, A: Any, a: Any, lda: Any, B: Any, b: Any, ldb: Any, K: Any, C: Any, c: Any, ldc: Any
    ) -> Any:
        n = types.int64
        return types.void(A, n, n, B, n, n, n, C, n, n), codegen

    result: Callable[..., None] = added
    return result


class _Builder:
    """What a tile needs of LLVM's instructions: vectors of `lanes` numbers of `size` bytes."""

    def __init__(self, builder: Any, number: Any, size: int) -> None:
        self.builder, self.number, self.size = builder, number, size
        self.lanes = VECTOR // size
        self.vector = ir.VectorType(number, self.lanes)

    def at(self, base: Any, *terms: tuple[Any, int]) -> Any:
        """The address of an element: terms are (value or number, times)."""
        b = self.builder
        for value, times in terms:
            if times:
                n = ir.Constant(ir.IntType(64), value) if isinstance(value, int) else value
                base = b.gep(base, [n if times == 1 else b.mul(n, ir.Constant(n.type, times))])
        return base

    def vector_at(self, base: Any, *terms: tuple[Any, int]) -> Any:
        return self.builder.bitcast(self.at(base, *terms), self.vector.as_pointer())

    def load(self, place: Any) -> Any:
        # any alignment that a number has: the caller's weights' gradients are C too
        return self.builder.load(place, align=self.size)

    def store(self, value: Any, place: Any) -> None:
        self.builder.store(value, place, align=self.size)

    def spread(self, place: Any) -> Any:
        """A vector with this number in all lanes."""
        b, none = self.builder, ir.Constant(self.vector, ir.Undefined)
        zero = ir.Constant(ir.IntType(32), 0)
        first = b.insert_element(none, b.load(place), zero)
        return b.shuffle_vector(first, none, ir.Constant(ir.VectorType(zero.type, self.lanes), [0] * self.lanes))

    def multiply_add(self, s: Any, w: Any, total: Any) -> Any:
        # `contract` makes them one fused operation where the processor has it, and allows nothing else
        contract = ("contract",)
        return self.builder.fadd(self.builder.fmul(s, w, flags=contract), total, flags=contract)
