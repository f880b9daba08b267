"""Activations and their derivatives over contiguous stretches of units.

The code of an activation is its position in `kernels.ACTIVATIONS`. Which one it is gets decided once for a stretch, so
that each loop below is one that the compiler can vectorise. exp is written out for the same reason: a call into the C
library for each unit takes several times as long, and is left to the rare ones (log1p, erfc). Definitions and constants
are those of `reference/activations.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]
from numba import types
from numba.extending import intrinsic, overload

from ..cells import ACTIVATIONS, OF_INPUT
from ..reference.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE, SHRINK
from .jit import inlined, inner
from .layouts import Real1

_CODES = {name: code for code, name in enumerate(ACTIVATIONS)}
LINEAR, TANH, SIGMOID, RELU = (_CODES[n] for n in ("linear", "tanh", "sigmoid", "relu"))
HARD_SIGMOID, SOFTSIGN, ELU, SELU = (_CODES[n] for n in ("hard_sigmoid", "softsign", "elu", "selu"))
SOFTPLUS, EXPONENTIAL, RELU6 = (_CODES[n] for n in ("softplus", "exponential", "relu6"))
LEAKY_RELU, HARD_TANH, CELU, LOG_SIGMOID = (_CODES[n] for n in ("leaky_relu", "hard_tanh", "celu", "log_sigmoid"))
SQUAREPLUS, SPARSE_PLUS, SPARSE_SIGMOID = (_CODES[n] for n in ("squareplus", "sparse_plus", "sparse_sigmoid"))
SOFT_SHRINK, HARD_SHRINK, GELU, SILU = (_CODES[n] for n in ("soft_shrink", "hard_shrink", "gelu", "silu"))
HARD_SILU, MISH, TANH_SHRINK = (_CODES[n] for n in ("hard_silu", "mish", "tanh_shrink"))
#: From this code on a derivative is a function of the input.
FIRST_OF_INPUT = _CODES[OF_INPUT[0]]

_HALF_ROOT, _DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)
#: So large that exp of minus it is 0, and the square of minus a half of it.
_FAR = 1500.0
#: From here on v * v + 1 is v * v, which may not be finite much longer.
_SQUARE = 1e9


def _exp_parts(v: Any) -> tuple[Any, Any]:
    """(s, p) with exp(v) = s + s p and expm1(v) = s p + (s - 1), for v <= 0. NaN gives a NaN p.

    s is a power of two, and p = expm1(r) for the rest r, |r| <= log(2) / 2. A v so negative that s would be denormal
    has s = 0.
    """
    raise NotImplementedError("runs only inside compiled code")


@overload(_exp_parts)  # type: ignore[untyped-decorator, unused-ignore]
def _overload_exp_parts(v: Any) -> Callable[..., Any] | None:
    # high + low = log(2); high has so few bits that n high is exact
    if v == types.float32:
        return _exp_parts_for(types.float32, low=-88.0, ln2=(0.693359375, -0.00021219444005469057), terms=7)
    if v == types.float64:
        return _exp_parts_for(types.float64, low=-709.0, ln2=(0.6931471803691238, 1.9082149292705877e-10), terms=13)
    return None


def _exp_parts_for(real: Any, low: float, ln2: tuple[float, float], terms: int) -> Callable[..., Any]:
    """`_exp_parts` in one type, every constant of it in that type: a float64 would widen a float32 loop."""
    to = {32: np.float32, 64: np.float64}[real.bitwidth]
    digits = {32: 24, 64: 53}[real.bitwidth]
    lowest, high, rest, log2e = to(low), to(ln2[0]), to(ln2[1]), to(1 / math.log(2))
    # a sum with this has no room for a fraction: its last bits are the nearest integer
    rounder = to(1.5 * 2.0 ** (digits - 1))
    last, taylor = to(1 / math.factorial(terms)), tuple(to(1 / math.factorial(i)) for i in range(terms - 1, 0, -1))

    def parts(v: Any) -> tuple[Any, Any]:
        # not max(): NaN stays
        if v < lowest:
            v = lowest
        m = v * log2e + rounder
        n = m - rounder
        r = v - n * high
        r = r - n * rest
        p = last
        for term in taylor:
            p = p * r + term
        return _two_to(m), p * r  # type: ignore[call-arg, unused-ignore]

    return parts


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _two_to(context: Any, m: Any) -> Any:
    """2 ** n, where m = n + rounder: the last bits of m are n, and moved up they are an exponent."""
    mantissa, bias = {32: (23, 127), 64: (52, 1023)}[m.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer = ir.IntType(m.bitwidth)
        n = builder.add(builder.bitcast(args[0], integer), integer(bias))
        return builder.bitcast(builder.shl(n, integer(mantissa)), args[0].type)

    return m(m), generate


@inlined
def _decay(v: Any) -> Any:
    """exp(-|v|)"""
    s, p = _exp_parts(-abs(v))
    return s + s * p


@inlined
def _expm1(v: Any) -> Any:
    """exp(v) - 1 for v <= 0; near 0 it keeps all digits."""
    s, p = _exp_parts(v)
    return s * p + (s - type(v)(1))


@inlined
def _tanh_size(v: Any) -> Any:
    """-|tanh(v)|"""
    two = type(v)(2)
    e = _expm1(-two * abs(v))
    return e / (e + two)


@inlined
def _clip(v: Any, least: Any, most: Any) -> Any:
    """v within these bounds; NaN stays."""
    v = least if v < least else v
    return most if v > most else v


@inner
def activate(code: int, v: Real1) -> None:
    """v (n,) becomes the activation of v."""
    real = v.dtype.type
    zero, one, two, three, six, half, far = real(0), real(1), real(2), real(3), real(6), real(0.5), real(_FAR)
    if code == TANH:
        for j in range(v.size):
            v[j] = math.copysign(_tanh_size(v[j]), v[j])
    elif code == SIGMOID:
        for j in range(v.size):
            e = _decay(v[j])
            v[j] = (e if v[j] < zero else one) / (one + e)
    elif code == RELU:
        for j in range(v.size):
            v[j] = zero if v[j] < zero else v[j]
    elif code == HARD_SIGMOID:
        for j in range(v.size):
            v[j] = _clip(v[j] + three, zero, six) / six
    elif code == SOFTSIGN:
        for j in range(v.size):
            v[j] = v[j] / (one + abs(v[j]))
    elif code in (ELU, CELU):
        for j in range(v.size):
            v[j] = v[j] if v[j] > zero else _expm1(zero if v[j] > zero else v[j])
    elif code == SELU:
        scale, alpha = real(SELU_SCALE), real(SELU_ALPHA)
        for j in range(v.size):
            v[j] = scale * (v[j] if v[j] > zero else alpha * _expm1(zero if v[j] > zero else v[j]))
    elif code == SOFTPLUS:
        for j in range(v.size):
            v[j] = (zero if v[j] < zero else v[j]) + math.log1p(_decay(v[j]))
    elif code == EXPONENTIAL:
        for j in range(v.size):
            v[j] = math.exp(v[j])
    elif code == RELU6:
        for j in range(v.size):
            v[j] = _clip(v[j], zero, six)
    elif code == LEAKY_RELU:
        slope = real(LEAKY_SLOPE)
        for j in range(v.size):
            v[j] = v[j] if v[j] > zero else slope * v[j]
    elif code == HARD_TANH:
        for j in range(v.size):
            v[j] = _clip(v[j], -one, one)
    elif code == LOG_SIGMOID:
        for j in range(v.size):
            v[j] = (zero if v[j] > zero else v[j]) - math.log1p(_decay(v[j]))
    elif code == SQUAREPLUS:
        square = real(_SQUARE)
        for j in range(v.size):
            a = half * abs(v[j])
            a = a + (a if a > square else math.sqrt(a * a + one))
            v[j] = one / a if v[j] < zero else a
    elif code == SPARSE_PLUS:
        for j in range(v.size):
            a = half * (zero if v[j] < -one else v[j] + one)
            v[j] = a * a if v[j] < one else v[j]
    elif code == SPARSE_SIGMOID:
        for j in range(v.size):
            v[j] = half * _clip(v[j] + one, zero, two)
    elif code == SOFT_SHRINK:
        edge = real(SHRINK)
        for j in range(v.size):
            v[j] = v[j] - _clip(v[j], -edge, edge)
    elif code == HARD_SHRINK:
        edge = real(SHRINK)
        for j in range(v.size):
            v[j] = zero if abs(v[j]) <= edge else v[j]
    elif code == GELU:
        root = real(_HALF_ROOT)
        for j in range(v.size):
            a = -far if v[j] < -far else v[j]
            v[j] = a * (half * math.erfc(-root * a))
    elif code == SILU:
        for j in range(v.size):
            e = _decay(v[j])
            a = -far if v[j] < -far else v[j]
            v[j] = a * ((e if a < zero else one) / (one + e))
    elif code == HARD_SILU:
        for j in range(v.size):
            a = -three if v[j] < -three else v[j]
            v[j] = a * (_clip(a + three, zero, six) / six)
    elif code == MISH:
        for j in range(v.size):
            e = _decay(v[j])
            a = -far if v[j] < -far else v[j]
            v[j] = a * _tanh_softplus(e, a < zero)
    elif code == TANH_SHRINK:
        for j in range(v.size):
            v[j] = v[j] - math.copysign(_tanh_size(v[j]), v[j])


@inner
def _tanh_softplus(e: Any, left: bool) -> Any:
    """tanh(softplus(v)) = n / (n + 2), n = exp(v) (exp(v) + 2), from e = exp(-|v|); on the right both over exp(2 v)."""
    one, two = type(e)(1), type(e)(2)
    over = e * (e + two) if left else one + two * e
    return over / (over + (two if left else two * e * e))


@inner
def derive(code: int, y: Real1, d: Real1) -> None:
    """d (n,) is multiplied by the derivative of the activation, where y (n,) is its output; from FIRST_OF_INPUT on y is
    its input."""
    real = d.dtype.type
    zero, one, three, six, half, far = real(0), real(1), real(3), real(6), real(0.5), real(_FAR)
    if code == TANH:
        for j in range(d.size):
            d[j] = d[j] * (one - y[j] * y[j])
    elif code == SIGMOID:
        for j in range(d.size):
            d[j] = d[j] * (y[j] * (one - y[j]))
    elif code == RELU:
        for j in range(d.size):
            d[j] = d[j] * (one if y[j] > zero else zero)
    elif code == HARD_SIGMOID:
        for j in range(d.size):
            d[j] = d[j] * ((one if zero < y[j] < one else zero) / six)
    elif code == SOFTSIGN:
        for j in range(d.size):
            a = one - abs(y[j])
            d[j] = d[j] * (a * a)
    elif code in (ELU, CELU):
        for j in range(d.size):
            d[j] = d[j] * (one if y[j] > zero else y[j] + one)
    elif code == SELU:
        scale, alpha = real(SELU_SCALE), real(SELU_SCALE * SELU_ALPHA)
        for j in range(d.size):
            d[j] = d[j] * (scale if y[j] > zero else y[j] + alpha)
    elif code == SOFTPLUS:
        for j in range(d.size):
            d[j] = d[j] * -math.expm1(-y[j])
    elif code == EXPONENTIAL:
        for j in range(d.size):
            d[j] = d[j] * y[j]
    elif code == RELU6:
        for j in range(d.size):
            d[j] = d[j] * (one if zero < y[j] < six else zero)
    elif code == LEAKY_RELU:
        slope = real(LEAKY_SLOPE)
        for j in range(d.size):
            d[j] = d[j] * (one if y[j] > zero else slope)
    elif code == HARD_TANH:
        for j in range(d.size):
            d[j] = d[j] * (one if -one < y[j] < one else zero)
    elif code == LOG_SIGMOID:
        for j in range(d.size):
            d[j] = d[j] * -math.expm1(y[j])
    elif code == SQUAREPLUS:
        for j in range(d.size):
            q = y[j] if y[j] < one else one / y[j]
            d[j] = d[j] * ((q * q if y[j] < one else one) / (one + q * q))
    elif code == SPARSE_PLUS:
        for j in range(d.size):
            a = math.sqrt(y[j])
            d[j] = d[j] * (one if a > one else a)
    elif code == SPARSE_SIGMOID:
        for j in range(d.size):
            d[j] = d[j] * (half if zero < y[j] < one else zero)
    elif code in (SOFT_SHRINK, HARD_SHRINK):
        for j in range(d.size):
            d[j] = d[j] * (one if y[j] != zero else zero)
    elif code == GELU:
        root, density = real(_HALF_ROOT), real(_DENSITY)
        for j in range(d.size):
            a = _clip(y[j], -far, far)
            s, p = _exp_parts(-half * a * a)
            d[j] = d[j] * (half * math.erfc(-root * a) + a * density * (s + s * p))
    elif code == SILU:
        for j in range(d.size):
            e = _decay(y[j])
            a = _clip(y[j], -far, far)
            near, rest = one / (one + e), e / (one + e)
            d[j] = d[j] * ((rest if a < zero else near) + a * near * rest)
    elif code == HARD_SILU:
        for j in range(d.size):
            a = _clip(y[j], -three, three)
            d[j] = d[j] * ((a + three) / six + (a / six if -three < a < three else zero))
    elif code == MISH:
        for j in range(d.size):
            e = _decay(y[j])
            a = _clip(y[j], -far, far)
            t = _tanh_softplus(e, a < zero)
            d[j] = d[j] * (t + a * (one - t * t) * ((e if a < zero else one) / (one + e)))
    elif code == TANH_SHRINK:
        for j in range(d.size):
            t = _tanh_size(y[j])
            d[j] = d[j] * (t * t)
