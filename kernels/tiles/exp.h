/* exp and what is nearest to it, over vectors. NaN goes through, +-inf gives the limit.

   exp: x = n ln2 + r with |r| <= ln2/2, a Taylor polynomial in r (its rest is below a tenth of an ulp), and the
   exponent n added by integer arithmetic. tanh uses the same reduction for exp(x) - 1, so that small x keep their
   relative accuracy. Results below the smallest normal number are flushed to zero. */
#ifndef CELLSTEP_EXP_H
#define CELLSTEP_EXP_H
#include "vec.h"

#ifdef CS_DOUBLE
#define BIAS 1023
#define MAGIC (6755399441055744.0 + BIAS) /* 1.5 * 2^52: adding it leaves round(v) + BIAS in the low bits */
#define MANTISSA 52
#define LN2_HI 6.93147180369123816490e-01 /* 21 low bits are zero: n * LN2_HI is exact */
#define LN2_LO 1.90821492927058770002e-10
#define EXP_MIN -708.39641853226408 /* log of the smallest normal number */
#define TANH_MAX 20.0 /* tanh is 1 from here on */
#define EXPM1_MIN -50.0
#else
#define BIAS 127
#define MAGIC (12582912.0f + BIAS)
#define MANTISSA 23
#define LN2_HI 0.693359375f
#define LN2_LO -2.12194440e-4f
#define EXP_MIN -87.3365402f
#define TANH_MAX 10.0f
#define EXPM1_MIN -50.0f
#endif
#define R(x) ((real)(x))

INLINE vec vabs(vec v) { return (vec)((ivec)v & ~(ivec)all(R(-0.0))); }
INLINE vec minus_abs(vec v) { return (vec)((ivec)v | (ivec)all(R(-0.0))); }

/* v = n ln2 + r. Returns exp(r) - 1 and n's rounded sum with MAGIC. */
INLINE vec reduced_expm1(vec v, vec *shifted) {
    vec t = fma_(v, all(R(1.44269504088896340736)), all(MAGIC));
    vec n = t - all(MAGIC);
    vec r = fma_(n, all(-LN2_HI), v);
    r = fma_(n, all(-LN2_LO), r);
#ifdef CS_DOUBLE
    vec q = all(1 / 6227020800.0);
    q = fma_(q, r, all(1 / 479001600.0));
    q = fma_(q, r, all(1 / 39916800.0));
    q = fma_(q, r, all(1 / 3628800.0));
    q = fma_(q, r, all(1 / 362880.0));
    q = fma_(q, r, all(1 / 40320.0));
    q = fma_(q, r, all(1 / 5040.0));
#else
    vec q = all(R(1 / 5040.0));
#endif
    q = fma_(q, r, all(R(1 / 720.0)));
    q = fma_(q, r, all(R(1 / 120.0)));
    q = fma_(q, r, all(R(1 / 24.0)));
    q = fma_(q, r, all(R(1 / 6.0)));
    q = fma_(q, r, all(R(0.5)));
    *shifted = t;
    return fma_(q * r, r, r);
}

/* 2^n of a rounded sum of n with MAGIC */
INLINE vec scale_of(vec t) { return (vec)((ivec)t << MANTISSA); }
INLINE vec two_to(ivec n) { return (vec)((n + BIAS) << MANTISSA); }

/* exp(v) - 1 for EXPM1_MIN <= v <= 2 TANH_MAX, or NaN */
INLINE vec bounded_expm1(vec v) {
    vec t, p = reduced_expm1(v, &t), s = scale_of(t);
    return fma_(s, p, s - all(1));
}

/* exp(v) for v <= 0, or NaN */
INLINE vec exp_nonpositive(vec v) {
    vec t, p = reduced_expm1(vmax(v, EXP_MIN), &t), s = scale_of(t);
    return where_less(v, EXP_MIN, all(0), fma_(s, p, s));
}

/* exp(v) for every v: the scale in two factors, so that the product overflows to inf and underflows to 0 by itself */
INLINE vec exp_full(vec v) {
    vec lo = all(EXP_MIN * 2), hi = all(-EXP_MIN * 2);
    vec x = either(v < lo, lo, either(v > hi, hi, v));
    vec t, p = reduced_expm1(x, &t);
    ivec n = (ivec)t - (ivec)all(MAGIC), half = n >> 1;
    return (p + all(1)) * two_to(half) * two_to(n - half);
}

INLINE vec vtanh(vec v) {
    vec e = bounded_expm1(2 * vmin(vabs(v), TANH_MAX));
    vec t = e / (e + all(2));
    return (vec)((ivec)t | ((ivec)v & (ivec)all(R(-0.0))));
}

#endif
