"""Operators of equations as LLVM's vector instructions: exp, tanh and sigmoid as `tiles/exp.h` has them, step by step.

No sum or product changes its order; what is fused is written down. NaN goes through, +-inf gives the limit.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]

#: By bytes of a number: the least argument of exp with a normal outcome, arguments from which tanh is 1, ln 2 in two
#: parts, bits of the mantissa, the bias of exponents, what leaves a rounded sum in the low bits, terms of a series.
_KINDS: dict[int, tuple[Any, ...]] = {
    4: (-87.3365402, 10.0, (0.693359375, -2.12194440e-4), 23, 127, 12582912.0, 7),
    8: (
        -708.39641853226408,
        20.0,
        (6.93147180369123816490e-01, 1.90821492927058770002e-10),
        52,
        1023,
        6755399441055744.0,
        13,
    ),
}
EXPM1_MIN = -50.0
#: Functions of the C library, which are called lane by lane.
_SCALAR = ("log", "log1p", "sin", "cos", "erfc")
_COMPARED = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}


class VectorMath:
    """Instructions on vectors of `lanes` numbers of `size` bytes. fused: whether the processor multiplies and adds at
    once."""

    def __init__(self, module: Any, lanes: int, size: int, fused: bool) -> None:
        self.module, self.lanes, self.size, self.fused = module, lanes, size, fused
        self.number = ir.FloatType() if size == 4 else ir.DoubleType()
        self.integer = ir.IntType(8 * size)
        self.vector = ir.VectorType(self.number, lanes)
        self.integers = ir.VectorType(self.integer, lanes)
        self.truths = ir.VectorType(ir.IntType(1), lanes)
        self.builder: Any = None
        self.exp_min, self.tanh_max, self.ln2, self.mantissa, self.bias, magic, self.terms = _KINDS[size]
        self.magic = magic + self.bias

    def all(self, value: float) -> Any:
        return ir.Constant(self.vector, [value] * self.lanes)

    def whole(self, value: int) -> Any:
        return ir.Constant(self.integers, [value] * self.lanes)

    def declared(self, name: str, result: Any, *arguments: Any) -> Any:
        """A function that is there when the code runs."""
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, arguments), name)

    @property
    def suffix(self) -> str:
        return f"v{self.lanes}f{8 * self.size}"

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        if not self.fused:
            return self.builder.fadd(self.builder.fmul(a, b), c)
        function = self.declared(f"llvm.fma.{self.suffix}", self.vector, self.vector, self.vector, self.vector)
        return self.builder.call(function, [a, b, c])

    def choose(self, op: str, a: Any, b: Any, yes: Any, no: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered(op, a, b), yes, no)

    def no_less(self, v: Any, low: float) -> Any:
        return self.choose("<", v, self.all(low), self.all(low), v)

    def no_more(self, v: Any, high: float) -> Any:
        return self.choose(">", v, self.all(high), self.all(high), v)

    def _bits(self, v: Any) -> Any:
        return self.builder.bitcast(v, self.integers)

    def _of_bits(self, v: Any) -> Any:
        return self.builder.bitcast(v, self.vector)

    @property
    def _sign(self) -> Any:
        return self.whole(-(1 << (8 * self.size - 1)))

    def absolute(self, v: Any) -> Any:
        return self._of_bits(self.builder.and_(self._bits(v), self.whole((1 << (8 * self.size - 1)) - 1)))

    def _minus_absolute(self, v: Any) -> Any:
        return self._of_bits(self.builder.or_(self._bits(v), self._sign))

    def _reduced(self, v: Any) -> tuple[Any, Any]:
        """v = n ln 2 + r: exp(r) - 1, and n's rounded sum."""
        b = self.builder
        t = self.fma(v, self.all(1.44269504088896340736), self.all(self.magic))
        n = b.fsub(t, self.all(self.magic))
        r = self.fma(n, self.all(-self.ln2[0]), v)
        r = self.fma(n, self.all(-self.ln2[1]), r)
        q = self.all(1 / math.factorial(self.terms))
        for term in range(self.terms - 1, 1, -1):
            q = self.fma(q, r, self.all(1 / math.factorial(term)))
        return self.fma(b.fmul(q, r), r, r), t

    def _scale(self, t: Any) -> Any:
        return self._of_bits(self.builder.shl(self._bits(t), self.whole(self.mantissa)))

    def _bounded_expm1(self, v: Any) -> Any:
        p, t = self._reduced(v)
        s = self._scale(t)
        return self.fma(s, p, self.builder.fsub(s, self.all(1.0)))

    def _exp_nonpositive(self, v: Any) -> Any:
        p, t = self._reduced(self.no_less(v, self.exp_min))
        s = self._scale(t)
        return self.choose("<", v, self.all(self.exp_min), self.all(0.0), self.fma(s, p, s))

    def exp(self, v: Any) -> Any:
        """The scale in two factors, so that the product overflows and underflows by itself."""
        b = self.builder
        p, t = self._reduced(self.no_more(self.no_less(v, 2 * self.exp_min), -2 * self.exp_min))
        n = b.sub(self._bits(t), self._bits(self.all(self.magic)))
        half = b.ashr(n, self.whole(1))
        most, rest = (
            self._of_bits(b.shl(b.add(part, self.whole(self.bias)), self.whole(self.mantissa)))
            for part in (half, b.sub(n, half))
        )
        return b.fmul(b.fmul(b.fadd(p, self.all(1.0)), most), rest)

    def expm1(self, v: Any) -> Any:
        near = self._bounded_expm1(self.no_more(self.no_less(v, EXPM1_MIN), self.tanh_max))
        far = self.builder.fsub(self.exp(v), self.all(1.0))
        return self.choose(">", v, self.all(self.tanh_max), far, near)

    def tanh(self, v: Any) -> Any:
        b = self.builder
        e = self._bounded_expm1(b.fmul(self.all(2.0), self.no_more(self.absolute(v), self.tanh_max)))
        t = b.fdiv(e, b.fadd(e, self.all(2.0)))
        return self._of_bits(b.or_(self._bits(t), b.and_(self._bits(v), self._sign)))

    def sigmoid(self, v: Any) -> Any:
        b, one = self.builder, self.all(1.0)
        e = self._exp_nonpositive(self._minus_absolute(v))
        return b.fdiv(self.choose("<", v, self.all(0.0), e, one), b.fadd(one, e))

    def _lesser(self, op: str, a: Any, b: Any) -> Any:
        """As NumPy's minimum and maximum: NaN where either is."""
        chosen = self.choose(op, b, a, b, a)
        return self.builder.select(self.builder.fcmp_unordered("uno", b, b), b, chosen)

    def apply(self, op: str, values: list[Any]) -> Any:
        """An operator of equations, but for totals."""
        b = self.builder
        if op in ("exp", "expm1", "tanh", "sigmoid", "absolute"):
            return getattr(self, op)(*values)
        if op in _COMPARED:
            ordered = b.fcmp_unordered if op == "not_equal" else b.fcmp_ordered
            return ordered(_COMPARED[op], *values)
        if op in ("minimum", "maximum"):
            return self._lesser("<" if op == "minimum" else ">", *values)
        if op == "where":
            return b.select(*values)
        if op == "sqrt":
            return b.call(self.declared(f"llvm.sqrt.{self.suffix}", self.vector, self.vector), values)
        if op == "logical_not":
            return b.xor(values[0], ir.Constant(self.truths, [1] * self.lanes))
        if op == "negative":
            return self._of_bits(b.xor(self._bits(values[0]), self._sign))
        if op in _SCALAR:
            return self._lane_by_lane(op, values[0])
        instruction = {
            "add": b.fadd,
            "subtract": b.fsub,
            "multiply": b.fmul,
            "divide": b.fdiv,
            "logical_and": b.and_,
            "logical_or": b.or_,
        }[op]
        return instruction(*values)

    def _lane_by_lane(self, op: str, v: Any) -> Any:
        function = self.declared(op + ("f" if self.size == 4 else ""), self.number, self.number)
        for i in range(self.lanes):
            lane = ir.Constant(ir.IntType(32), i)
            v = self.builder.insert_element(
                v, self.builder.call(function, [self.builder.extract_element(v, lane)]), lane
            )
        return v

    def folded(self, v: Any) -> Any:
        """The sum of the lanes, in all of them: halves are added up."""
        b, n = self.builder, self.lanes
        place = ir.VectorType(ir.IntType(32), n)
        while n > 1:
            n //= 2
            # lane i and lane i + n, in every lane of the first half; the others are not read again
            others = ir.Constant(place, [(i + n) % self.lanes for i in range(self.lanes)])
            v = b.fadd(v, b.shuffle_vector(v, ir.Constant(self.vector, ir.Undefined), others))
        zeros = ir.Constant(place, [0] * self.lanes)
        return b.shuffle_vector(v, ir.Constant(self.vector, ir.Undefined), zeros)

    def spread(self, value: Any) -> Any:
        """A number in all lanes."""
        none, zero = ir.Constant(self.vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(self.builder.insert_element(none, value, zero), none, zeros)
