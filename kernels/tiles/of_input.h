/* Activations whose derivative is a function of their input, and both. NaN goes through, +-inf gives the limit.

   Polynomials were made for these by interpolation at Chebyshev points in 60 digits; what they miss is below a tenth of
   an ulp. Coefficients stand from the highest power to the lowest. */
#ifndef CELLSTEP_OF_INPUT_H
#define CELLSTEP_OF_INPUT_H
#include "exp.h"

/* TAIL: (a + 2) exp(a^2 / 2) times the normal distribution at -a, 0 <= a <= GAUSS_MAX, in t = (a - 2) / (a + 2). That a
   product of this form is smooth up to infinity: Shepherd and Laframboise, Math. Comp. 36, 1981.
   CUBIC: (v - tanh v) / v^3, |v| <= 1.25, in v^2. */
#ifdef CS_DOUBLE
#define GAUSS_MAX 39.0 /* exp(-GAUSS_MAX^2 / 2) is below the smallest normal number */
#define HALF_DIGITS ~(((rint_t)1 << 27) - 1) /* a number without its last 27 of 53 digits: its square is exact */
static const real TAIL[] = {
    -2.5328496674390132146e-9, 1.9614901964279818229e-10, 3.528427780471098801e-8,
    4.3598365580777895328e-8, -1.1199588706925418873e-7, -2.5789451605203628971e-7,
    -1.4912399701961744798e-9, 4.5548960392127981932e-7, 5.3893353661733389872e-7,
    2.7595025634286836497e-7, -2.01702300611729721e-7, -1.3404149226166193268e-6,
    -2.9329245796119547898e-6, -2.8599866832482951419e-6, 2.0128889919491375175e-6,
    1.2572199740286745893e-5, 2.1708738427415646237e-5, 9.6816563879457418363e-6,
    -4.6055198422392264592e-5, -1.2855200197853734178e-4, -1.1569302626743719877e-4,
    2.0699175231221696758e-4, 8.2719898740451110795e-4, 7.8511815430398985342e-4,
    -1.951124163718138019e-3, -6.7249070780358602507e-3, -4.6959683429617805996e-4,
    3.6718360968919325862e-2, 2.8797360345361652331e-2, -3.3140444238878101577e-1,
    6.7240800489268242483e-1
};
static const real CUBIC[] = {
    1.9853740102879333207e-11, -3.7471256373722960112e-10, 3.405677816846363106e-9,
    -2.0049951185455697905e-8, 8.7184419927424173803e-8, -3.0446469464812296279e-7,
    9.1152116323843950127e-7, -2.4714219266166804833e-6, 6.3393784930313905114e-6,
    -1.5848153963754778595e-5, 3.9242806728310531504e-5, -9.6901336694881622441e-5,
    2.3912480884293565771e-4, -5.9002643863522840011e-4, 1.4558342148520294998e-3,
    -3.5921280155884561061e-3, 8.8632355281890012589e-3, -2.1869488536069287991e-2,
    5.396825396825167936e-2, -1.3333333333333330904e-1, 3.3333333333333333329e-1
};
#else
#define GAUSS_MAX 14.0f
#define HALF_DIGITS ~(((rint_t)1 << 12) - 1)
static const real TAIL[] = {
    4.73648511981e-6f, -1.25175157673e-5f, -9.95787936934e-5f, -1.33266978583e-4f,
    1.82264886971e-4f, 8.30241155724e-4f, 7.9433813955e-4f, -1.95085575739e-3f, -6.72654799413e-3f,
    -4.69720683648e-4f, 3.671848652e-2f, 2.87973689356e-2f, -3.31404445167e-1f, 6.72408004814e-1f
};
static const real CUBIC[] = {
    2.24220166196e-6f, -2.48013313821e-5f, 1.32700592187e-4f, -4.77375989389e-4f, 1.37312598933e-3f,
    -3.55135802921e-3f, 8.85035209945e-3f, -2.18670679805e-2f, 5.39680174308e-2f,
    -1.33333324214e-1f, 3.33333333275e-1f
};
#endif

#define HORNER(coefficients, x) horner((coefficients), (int)(sizeof(coefficients) / sizeof(real)), (x))
INLINE vec horner(const real *c, int n, vec x) {
    vec p = all(c[0]);
    for (int i = 1; i < n; i++) p = fma_(p, x, all(c[i]));
    return p;
}

/* exp(-a^2 / 2) for 0 <= a <= GAUSS_MAX: a square rounded as it comes would cost all the digits that exp enlarges */
INLINE vec gauss_bell(vec a) {
    vec high = (vec)((ivec)a & HALF_DIGITS), rest = (a - high) * (a + high) * all(R(0.5));
    vec x = high * high * all(R(-0.5)), t, p = reduced_expm1(vmax(x, EXP_MIN), &t), s = scale_of(t);
    /* 1 - exp(-rest), 0 <= rest < 0.06 */
    vec less = fma_(-rest, fma_(-rest, all(R(1 / 24.0)), all(R(1 / 6.0))), all(R(0.5)));
    less = rest * fma_(-rest, less, all(1));
    return either(x < all(EXP_MIN), all(0), fma_(s, fma_(-less, p + all(1), p), s));
}

/* The normal distribution at -a over the bell */
INLINE vec gauss_tail(vec a) {
    vec from = a + all(2);
    return HORNER(TAIL, (a - all(2)) / from) / from;
}

/* v (1 - tail) on the right, v tail on the left; the bell comes last, as it is the smallest factor */
INLINE vec gelu(vec v) {
    vec a = vmin(vabs(v), GAUSS_MAX);
    return fma_(-a * gauss_tail(a), gauss_bell(a), vmax(v, 0));
}

INLINE vec gelu_slope(vec v) {
    vec a = vmin(vabs(v), GAUSS_MAX), bell = gauss_bell(a), tail = bell * gauss_tail(a);
    vec x = either(v < all(0), -a, a) * all(R(0.39894228040143267794)); /* 1 / sqrt(2 pi) */
    return fma_(x, bell, either(v < all(0), tail, all(1) - tail));
}

/* w = exp(-|v|), and -|v| w: where w is below the smallest normal number, that need not be */
INLINE vec decay(vec v, vec *times) {
    vec x = vmax(-vabs(v), 2 * EXP_MIN), t, p = reduced_expm1(x, &t);
    ivec n = (ivec)t - (ivec)all(MAGIC), half = n >> 1;
    vec most = (p + all(1)) * two_to(half), rest = two_to(n - half);
    *times = x * most * rest;
    return most * rest;
}

/* v, or for numbers so large that w is 0 one that leaves it 0 */
INLINE vec near(vec v) { return vmin(vmax(v, 2 * EXP_MIN), -2 * EXP_MIN); }

INLINE vec silu(vec v) {
    vec vw, w = decay(v, &vw);
    return either(v < all(0), vw, v) / (all(1) + w);
}

INLINE vec silu_slope(vec v) {
    vec w = exp_nonpositive(-vabs(v)), s = all(1) / (all(1) + w), rest = w * s; /* sigmoids of |v| and -|v| */
    return fma_(near(v) * s, rest, either(v < all(0), rest, s));
}

/* tanh(softplus(v)) = n / (n + 2) with n = e (e + 2), e = exp(v); for v > 0 both divided by e^2, with w = 1 / e:
   (1 + 2 w) / (1 + 2 w + 2 w^2) */
INLINE vec mish(vec v) {
    ivec left = v < all(0);
    vec vw, w = decay(v, &vw);
    vec over = either(left, w + all(2), fma_(w, all(2), all(1)));
    vec under = either(left, fma_(w, over, all(2)), fma_(w, w + w, over));
    return either(left, vw, v) * (over / under);
}

/* v tanh' softplus' beside: 4 v w (1 + w) / under^2, for v > 0 with one w more */
INLINE vec mish_slope(vec v) {
    ivec left = v < all(0);
    vec w = exp_nonpositive(-vabs(v));
    vec over = either(left, w * (w + all(2)), fma_(w, all(2), all(1)));
    vec under = either(left, over + all(2), fma_(w, w + w, over));
    vec bend = w * (all(1) + w) * either(left, all(1), w) / (under * under);
    return fma_(all(4) * near(v), bend, over / under);
}

INLINE vec hard_gate(vec v) { return vmin(vmax(v + all(3), 0), 6) / all(6); }
INLINE vec hard_silu(vec v) { return vmax(v, -3) * hard_gate(v); }
INLINE vec hard_silu_slope(vec v) {
    return hard_gate(v) + either((v > all(-3)) & (v < all(3)), v / all(6), all(0));
}

/* near 0 the difference would lose its digits */
INLINE vec tanh_shrink(vec v) {
    vec square = v * v;
    return either(vabs(v) <= all(R(1.25)), v * square * HORNER(CUBIC, square), v - vtanh(v));
}
INLINE vec tanh_shrink_slope(vec v) {
    vec t = vtanh(v);
    return t * t;
}

#endif
