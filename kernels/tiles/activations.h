/* Vector activations, and their derivatives. NaN goes through, +-inf gives the limit.

   Codes are positions in kernels.ACTIVATIONS. Up to HARD_SHRINK a derivative is a function of the output; from GELU on
   (of_input.h) it is one of the input. */
#ifndef CELLSTEP_ACTIVATIONS_H
#define CELLSTEP_ACTIVATIONS_H
#include "of_input.h"

enum {
    LINEAR, TANH, SIGMOID, RELU, HARD_SIGMOID, SOFTSIGN, ELU, SELU, SOFTPLUS, EXPONENTIAL, RELU6, LEAKY_RELU, HARD_TANH,
    CELU, LOG_SIGMOID, SQUAREPLUS, SPARSE_PLUS, SPARSE_SIGMOID, SOFT_SHRINK, HARD_SHRINK,
    GELU, SILU, HARD_SILU, MISH, TANH_SHRINK,
    FIRST_OF_INPUT = GELU
};

INLINE vec vsigmoid(vec v) {
    vec e = exp_nonpositive(minus_abs(v));
    return where_less(v, 0, e, all(1)) / (all(1) + e);
}

/* log1p has no reduction worth its code for one rare activation: libm, lane by lane */
INLINE vec vsoftplus(vec v) {
    vec e = exp_nonpositive(-vabs(v));
    for (int i = 0; i < VL; i++) e[i] = sizeof(real) == 4 ? (real)log1pf((float)e[i]) : (real)log1p(e[i]);
    return vmax(v, 0) + e;
}

INLINE vec velu(vec v) { return either(v > all(0), v, bounded_expm1(vmax(vmin(v, 0), EXPM1_MIN))); }

#ifdef CS_DOUBLE
#define SQUARES_MAX 1e150 /* from here on v^2 + 4 = v^2, which may not be finite much longer */
#else
#define SQUARES_MAX 1e15f
#endif

INLINE vec vsqrt(vec v) {
    for (int i = 0; i < VL; i++) v[i] = sizeof(real) == 4 ? (real)sqrtf((float)v[i]) : (real)sqrt(v[i]);
    return v;
}

/* (v + sqrt(v^2 + 4)) / 2; its mirror image is its reciprocal, which on the left cancels nothing */
INLINE vec squareplus(vec v) {
    vec a = vabs(v), b = vmin(a, SQUARES_MAX);
    vec right = all(R(0.5)) * a + all(R(0.5)) * either(a > b, a, vsqrt(fma_(b, b, all(4))));
    return either(v < all(0), all(1) / right, right);
}

/* v = y - 1 / y, so dy / dv = y^2 / (1 + y^2) */
INLINE vec squareplus_slope(vec y) {
    vec q = either(y < all(1), y, all(1) / y);
    q = q * q;
    return either(y < all(1), q, all(1)) / (all(1) + q);
}

INLINE vec sparse_plus(vec v) {
    vec r = (vmax(v, -1) + all(1)) * all(R(0.5));
    return either(v < all(1), r * r, v);
}

#define SELU_SCALE R(1.0507009873554805)
#define SELU_ALPHA R(1.6732632423543772)
#define LEAKY_SLOPE R(0.2)
#define SHRINK R(0.5)

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
    case CELU: return velu(v);
    case LOG_SIGMOID: return -vsoftplus(-v);
    case SQUAREPLUS: return squareplus(v);
    case SPARSE_PLUS: return sparse_plus(v);
    case SPARSE_SIGMOID: return vmin(vmax(v + all(1), 0), 2) * all(R(0.5));
    case SOFT_SHRINK: return v - vmin(vmax(v, -SHRINK), SHRINK);
    case HARD_SHRINK: return either(vabs(v) <= all(SHRINK), all(0), v);
    case GELU: return gelu(v);
    case SILU: return silu(v);
    case HARD_SILU: return hard_silu(v);
    case MISH: return mish(v);
    case TANH_SHRINK: return tanh_shrink(v);
    default: return v;
    }
}

/* d activation / d v, from y = activation(v), or from v itself where the code is FIRST_OF_INPUT or above */
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
    case CELU: return either(y > all(0), all(1), y + all(1));
    case LOG_SIGMOID: return -bounded_expm1(vmax(y, EXPM1_MIN));
    case SQUAREPLUS: return squareplus_slope(y);
    case SPARSE_PLUS: return vmin(vsqrt(y), 1);
    case SPARSE_SIGMOID: return either((y > all(0)) & (y < all(1)), all(R(0.5)), all(0));
    case SOFT_SHRINK:
    case HARD_SHRINK: return either(y != all(0), all(1), all(0));
    case GELU: return gelu_slope(y);
    case SILU: return silu_slope(y);
    case HARD_SILU: return hard_silu_slope(y);
    case MISH: return mish_slope(y);
    case TANH_SHRINK: return tanh_shrink_slope(y);
    default: return all(1);
    }
}

#endif
