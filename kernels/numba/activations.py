"""Activations and their derivatives over contiguous stretches of units.

The code of an activation is its position in `kernels.ACTIVATIONS`. Which one it is gets decided once for a stretch, so
that each loop below is one that the compiler can vectorise. exp is written out for the same reason: a call into the C
library for each unit takes several times as long. Definitions and constants are those of `reference/activations.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]
from numba import types
from numba.extending import intrinsic, overload

from .. import ACTIVATIONS
from ..reference.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from .common import Array
from .jit import inner

_CODES = {name: code for code, name in enumerate(ACTIVATIONS)}
LINEAR, TANH, SIGMOID, RELU = (_CODES[n] for n in ("linear", "tanh", "sigmoid", "relu"))
HARD_SIGMOID, SOFTSIGN, ELU, SELU = (_CODES[n] for n in ("hard_sigmoid", "softsign", "elu", "selu"))
SOFTPLUS, EXPONENTIAL, RELU6 = (_CODES[n] for n in ("softplus", "exponential", "relu6"))
LEAKY_RELU, HARD_TANH = (_CODES[n] for n in ("leaky_relu", "hard_tanh"))


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


@inner
def activate(code: int, v: Array) -> None:
    """v (n,) becomes the activation of v."""
    real = v.dtype.type
    zero, one, two, three, six = real(0), real(1), real(2), real(3), real(6)
    if code == TANH:
        for j in range(v.size):
            s, p = _exp_parts(-two * abs(v[j]))
            # expm1(-2 |v|): near 0 it keeps all digits
            e = s * p + (s - one)
            v[j] = math.copysign(e / (e + two), v[j])
    elif code == SIGMOID:
        for j in range(v.size):
            s, p = _exp_parts(-abs(v[j]))
            e = s + s * p
            v[j] = (e if v[j] < zero else one) / (one + e)
    elif code == RELU:
        for j in range(v.size):
            v[j] = zero if v[j] < zero else v[j]
    elif code == HARD_SIGMOID:
        for j in range(v.size):
            a = v[j] + three
            a = zero if a < zero else a
            v[j] = (six if a > six else a) / six
    elif code == SOFTSIGN:
        for j in range(v.size):
            v[j] = v[j] / (one + abs(v[j]))
    elif code == ELU:
        for j in range(v.size):
            s, p = _exp_parts(zero if v[j] > zero else v[j])
            v[j] = v[j] if v[j] > zero else s * p + (s - one)
    elif code == SELU:
        scale, alpha = real(SELU_SCALE), real(SELU_ALPHA)
        for j in range(v.size):
            s, p = _exp_parts(zero if v[j] > zero else v[j])
            v[j] = scale * (v[j] if v[j] > zero else alpha * (s * p + (s - one)))
    elif code == SOFTPLUS:
        for j in range(v.size):
            s, p = _exp_parts(-abs(v[j]))
            v[j] = (zero if v[j] < zero else v[j]) + math.log1p(s + s * p)
    elif code == EXPONENTIAL:
        for j in range(v.size):
            v[j] = math.exp(v[j])
    elif code == RELU6:
        for j in range(v.size):
            a = zero if v[j] < zero else v[j]
            v[j] = six if a > six else a
    elif code == LEAKY_RELU:
        slope = real(LEAKY_SLOPE)
        for j in range(v.size):
            v[j] = v[j] if v[j] > zero else slope * v[j]
    elif code == HARD_TANH:
        for j in range(v.size):
            a = -one if v[j] < -one else v[j]
            v[j] = one if a > one else a


@inner
def derive(code: int, y: Array, d: Array) -> None:
    """d (n,) is multiplied by the derivative of the activation, where y (n,) is its output."""
    real = d.dtype.type
    zero, one, six = real(0), real(1), real(6)
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
    elif code == ELU:
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
