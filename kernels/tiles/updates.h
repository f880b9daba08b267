/* Optimizer updates over flat arrays: kernels/reference/updates.py in one pass each, operation for operation, so that the
   bits are the same. Plain loops, which the compiler makes vectors of; coefficients are rounded to the arrays' type
   first, as NumPy does. */
#ifndef CELLSTEP_UPDATES_H
#define CELLSTEP_UPDATES_H
#include "vec.h"

#ifdef CS_DOUBLE
#define SQRT sqrt
#else
#define SQRT sqrtf
#endif
#define EACH_WEIGHT for (long i = 0; i < n; i++)

static void sgd(long n, void *value, const void *grad, double rate) {
    real *restrict w = value, lr = (real)rate;
    const real *restrict g = grad;
    EACH_WEIGHT w[i] -= g[i] * lr;
}

static void sgd_momentum(long n, void *value, const void *grad, void *momentum, double rate, double decay,
                         int nesterov) {
    real *restrict w = value, *restrict v = momentum, lr = (real)rate, mu = (real)decay;
    const real *restrict g = grad;
    if (nesterov) EACH_WEIGHT {
            real step = g[i] * lr;
            v[i] = v[i] * mu - step;
            w[i] = w[i] - step + v[i] * mu;
        }
    else EACH_WEIGHT {
            v[i] = v[i] * mu - g[i] * lr;
            w[i] += v[i];
        }
}

/* alpha: the rate with both corrections of the means; c1, c2: 1 - beta */
static void adam(long n, void *value, const void *grad, void *mean, void *square, void *largest, double alpha,
                 double c1, double c2, double epsilon) {
    real *restrict w = value, *restrict m = mean, *restrict v = square, *restrict top = largest;
    real a = (real)alpha, b1 = (real)c1, b2 = (real)c2, eps = (real)epsilon;
    const real *restrict g = grad;
    if (!top) EACH_WEIGHT {
            m[i] += (g[i] - m[i]) * b1;
            v[i] += (g[i] * g[i] - v[i]) * b2;
            w[i] -= m[i] / (SQRT(v[i]) + eps) * a;
        }
    else EACH_WEIGHT {
            m[i] += (g[i] - m[i]) * b1;
            v[i] += (g[i] * g[i] - v[i]) * b2;
            top[i] = v[i] > top[i] || v[i] != v[i] ? v[i] : top[i];
            w[i] -= m[i] / (SQRT(top[i]) + eps) * a;
        }
}

/* mean NULL: not centered; velocity NULL: no momentum. c: 1 - rho */
static void rmsprop(long n, void *value, const void *grad, void *square, void *mean, void *velocity, double rate,
                    double rho, double c, double decay, double epsilon) {
    real *restrict w = value, *restrict v = square, *restrict avg = mean, *restrict speed = velocity;
    real lr = (real)rate, r = (real)rho, c1 = (real)c, mu = (real)decay, eps = (real)epsilon;
    const real *restrict g = grad;
    if (!avg && !speed) EACH_WEIGHT {
            v[i] = v[i] * r + g[i] * g[i] * c1;
            w[i] -= g[i] / SQRT(v[i] + eps) * lr;
        }
    else EACH_WEIGHT {
            v[i] = v[i] * r + g[i] * g[i] * c1;
            real variance = v[i];
            if (avg) {
                avg[i] = avg[i] * r + g[i] * c1;
                variance -= avg[i] * avg[i];
            }
            real step = g[i] / SQRT(variance + eps) * lr;
            if (speed) step = speed[i] = speed[i] * mu + step;
            w[i] -= step;
        }
}

#endif
