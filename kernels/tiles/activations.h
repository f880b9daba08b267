/* Vector activations, and their derivatives as functions of their outputs. NaN goes through, +-inf gives the limit.

   exp: x = n ln2 + r with |r| <= ln2/2, a Taylor polynomial in r (its rest is below a tenth of an ulp), and the
   exponent n added by integer arithmetic. tanh and elu use the same reduction for exp(x) - 1, so that small x keep
   their relative accuracy. Results below the smallest normal number are flushed to zero. */
#ifndef CELLSTEP_ACTIVATIONS_H
#define CELLSTEP_ACTIVATIONS_H
#include "vec.h"

enum {
    LINEAR, TANH, SIGMOID, RELU, HARD_SIGMOID, SOFTSIGN, ELU, SELU, SOFTPLUS, EXPONENTIAL, RELU6, LEAKY_RELU, HARD_TANH
};

#ifdef CS_DOUBLE
#define MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it leaves round(v) in the low bits */
#define BIAS 1023
#define MANTISSA 52
#define LN2_HI 6.93147180369123816490e-01 /* 21 low bits are zero: n * LN2_HI is exact */
#define LN2_LO 1.90821492927058770002e-10
#define EXP_MIN -708.39641853226408 /* log of the smallest normal number */
#define TANH_MAX 20.0 /* tanh is 1 from here on */
#define EXPM1_MIN -50.0
#else
#define MAGIC 12582912.0f
#define BIAS 127
#define MANTISSA 23
#define LN2_HI 0.693359375f
#define LN2_LO -2.12194440e-4f
#define EXP_MIN -87.3365402f
#define TANH_MAX 10.0f
#define EXPM1_MIN -50.0f
#endif
#define R(x) ((real)(x))

INLINE vec vmax(vec v, real lo) { return either(v < all(lo), all(lo), v); }
INLINE vec vmin(vec v, real hi) { return either(v > all(hi), all(hi), v); }
INLINE vec vabs(vec v) { return (vec)((ivec)v & ~(ivec)all(R(-0.0))); }

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

INLINE vec two_to(ivec n) { return (vec)((n + BIAS) << MANTISSA); }

/* exp(v) - 1 for EXPM1_MIN <= v <= 2 TANH_MAX, or NaN */
INLINE vec bounded_expm1(vec v) {
    vec t, p = reduced_expm1(v, &t), s = two_to((ivec)t);
    return fma_(s, p, s - all(1));
}

/* exp(v) for v <= 0, or NaN */
INLINE vec exp_nonpositive(vec v) {
    vec t, p = reduced_expm1(vmax(v, EXP_MIN), &t), s = two_to((ivec)t);
    return either(v < all(EXP_MIN), all(0), fma_(s, p, s));
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

INLINE vec vsigmoid(vec v) {
    vec e = exp_nonpositive(-vabs(v));
    return either(v >= all(0), all(1), e) / (all(1) + e);
}

/* log1p has no reduction worth its code for one rare activation: libm, lane by lane */
INLINE vec vsoftplus(vec v) {
    vec e = exp_nonpositive(-vabs(v));
    for (int i = 0; i < VL; i++) e[i] = sizeof(real) == 4 ? (real)log1pf((float)e[i]) : (real)log1p(e[i]);
    return vmax(v, 0) + e;
}

INLINE vec velu(vec v) { return either(v > all(0), v, bounded_expm1(vmax(vmin(v, 0), EXPM1_MIN))); }

#define SELU_SCALE R(1.0507009873554805)
#define SELU_ALPHA R(1.6732632423543772)
#define LEAKY_SLOPE R(0.2)

INLINE vec activate(int code, vec v) {
    switch (code) {
    case TANH: return vtanh(v);
    case SIGMOID: return vsigmoid(v);
    case RELU: return vmax(v, 0);
    case HARD_SIGMOID: return vmin(vmax(v + all(3), 0), 6) / all(6);
    case SOFTSIGN: {
        /* inf / inf is NaN, as in NumPy */
        return v / (all(1) + vabs(v));
    }
    case ELU: return velu(v);
    case SELU: return all(SELU_SCALE) * either(v > all(0), v, all(SELU_ALPHA) * velu(v));
    case SOFTPLUS: return vsoftplus(v);
    case EXPONENTIAL: return exp_full(v);
    case RELU6: return vmin(vmax(v, 0), 6);
    case LEAKY_RELU: return either(v > all(0), v, all(LEAKY_SLOPE) * v);
    case HARD_TANH: return vmin(vmax(v, -1), 1);
    default: return v;
    }
}

/* d activation / d v, from y = activation(v) */
INLINE vec derivative(int code, vec y) {
    switch (code) {
    case TANH: return fma_(-y, y, all(1));
    case SIGMOID: return y * (all(1) - y);
    case RELU: return either(y > all(0), all(1), all(0));
    case HARD_SIGMOID: return either((y > all(0)) & (y < all(1)), all(1) / all(6), all(0));
    case SOFTSIGN: {
        vec d = all(1) - vabs(y);
        return d * d;
    }
    case ELU: return either(y > all(0), all(1), y + all(1));
    case SELU: return either(y > all(0), all(SELU_SCALE), y + all(SELU_SCALE * SELU_ALPHA));
    case SOFTPLUS: return -bounded_expm1(vmax(-y, EXPM1_MIN));
    case EXPONENTIAL: return y;
    case RELU6: return either((y > all(0)) & (y < all(6)), all(1), all(0));
    case LEAKY_RELU: return either(y > all(0), all(1), all(LEAKY_SLOPE));
    case HARD_TANH: return either((y > all(-1)) & (y < all(1)), all(1), all(0));
    default: return all(1);
    }
}

#endif
