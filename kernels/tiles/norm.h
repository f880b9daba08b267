/* Rows to mean 0 and variance 1, and the way back. Sums of a row have 16 accumulators on every level (stages.h). */
#ifndef CELLSTEP_NORM_H
#define CELLSTEP_NORM_H
#include "stages.h"

/* The sum of f(i), a vector of VL numbers at i, over the n numbers of a row; f must give zeros past the end. */
#define ROW_SUM(sum, n, f)                                                          \
    do {                                                                            \
        vec parts[SUMS];                                                            \
        real lanes[SUM_LANES];                                                      \
        for (int s = 0; s < SUMS; s++) parts[s] = all(0);                           \
        for (long i = 0; i < (n); i += SUM_LANES)                                   \
            for (int s = 0; s < SUMS; s++) {                                        \
                const long at = i + s * VL, left = (n) - at;                        \
                if (left > 0) parts[s] += f;                                        \
            }                                                                       \
        for (int s = 0; s < SUMS; s++) store(lanes + s * VL, parts[s]);             \
        sum = folded(lanes);                                                        \
    } while (0)

/* normal = (x - mean) / sqrt(variance + epsilon), inverse = 1 over that root, y = normal gamma + beta.
   x, y and normal (rows, n) contiguous, inverse (rows); gamma, beta (n) or NULL; normal is y where NULL. */
static void normalize(long rows, long n, const void *x0, double epsilon, const void *gamma, const void *beta, void *y0,
                      void *normal0, void *inverse) {
    for (long r = 0; r < rows; r++) {
        const real *x = (const real *)x0 + r * n, *g = gamma, *b = beta;
        real *y = (real *)y0 + r * n, *normal = normal0 ? (real *)normal0 + r * n : y, sum, squares;
        ROW_SUM(sum, n, get(x + at, left));
        const vec mean = all(sum / n);
        for (long i = 0; i < n; i += VL) put(normal + i, get(x + i, n - i) - mean, n - i);
        ROW_SUM(squares, n, get(normal + at, left) * get(normal + at, left));
        const real scale = 1 / (real)(sizeof(real) == 4 ? sqrtf((float)(squares / n + (real)epsilon))
                                                        : sqrt((double)(squares / n + (real)epsilon)));
        for (long i = 0; i < n; i += VL) {
            vec v = get(normal + i, n - i) * all(scale);
            put(normal + i, v, n - i);
            if (g) v = v * get(g + i, n - i);
            if (b) v = v + get(b + i, n - i);
            put(y + i, v, n - i);
        }
        if (inverse) ((real *)inverse)[r] = scale;
    }
}

/* dx = inverse (d - mean(d) - normal mean(d normal)) with d = dy gamma. */
static void normalize_back(long rows, long n, const void *dy0, const void *normal0, const void *inverse,
                           const void *gamma, void *dx0) {
    for (long r = 0; r < rows; r++) {
        const real *dy = (const real *)dy0 + r * n, *normal = (const real *)normal0 + r * n, *g = gamma;
        real *dx = (real *)dx0 + r * n, sum, along;
        for (long i = 0; i < n; i += VL) {
            vec d = get(dy + i, n - i);
            put(dx + i, g ? d * get(g + i, n - i) : d, n - i);
        }
        ROW_SUM(sum, n, get(dx + at, left));
        ROW_SUM(along, n, get(dx + at, left) * get(normal + at, left));
        const vec mean = all(sum / n), share = all(along / n), scale = all(((const real *)inverse)[r]);
        for (long i = 0; i < n; i += VL)
            put(dx + i, (get(dx + i, n - i) - mean - get(normal + i, n - i) * share) * scale, n - i);
    }
}

/* dgamma += dy normal and dbeta += dy, summed over rows in order; either may be NULL. */
static void normalize_sums(long rows, long n, const void *dy0, const void *normal0, void *dgamma, void *dbeta) {
    for (long i = 0; i < n; i += VL) {
        const long left = n - i;
        vec g = all(0), b = all(0);
        for (long r = 0; r < rows; r++) {
            vec d = get((const real *)dy0 + r * n + i, left);
            g += d * get((const real *)normal0 + r * n + i, left);
            b += d;
        }
        if (dgamma) put((real *)dgamma + i, get((real *)dgamma + i, left) + g, left);
        if (dbeta) put((real *)dbeta + i, get((real *)dbeta + i, left) + b, left);
    }
}

#endif
