/* Many models at once: a number is a vector, whose lanes are models.

   Products of the shapes that tiles.h names, each model's with its own matrix: sizes, offsets and strides count lanes, so
   that what runs a cell over time (cython/loop.pxi) needs to know nothing of it. A matrix (K, N) lies row by row. For each
   model one accumulator an element, k in order: the bits are those of gemm.h. */
#ifndef CELLSTEP_LANES_H
#define CELLSTEP_LANES_H
#include "cell.h"
#include "gemm.h"
#include "stages.h"

enum { LANE_ROWS = 4, LANE_COLUMNS = REGISTERS == 32 ? 4 : 2 };

/* R rows times V columns over k; from k to k `ak` and `bk`, from row to row `as` and `cs`, all in vectors. a_at, b_at: where
   each k lies, in bytes, in place of ak and bk. */
typedef void lane_fn(long K, const real *a, long as, long ak, const long *a_at, const real *b, long bk, const long *b_at,
                     real *c, long cs, int start, const real *bias);
#define LANE_MICRO(R, V)                                                                                              \
    static void lanes_##R##x##V(long K, const real *a, long as, long ak, const long *a_at, const real *b, long bk,    \
                                const long *b_at, real *c, long cs, int start, const real *bias) {                    \
        vec acc[R][V];                                                                                                \
        if (start == CS_FROM_C) EACH(r, R) EACH(v, V) acc[r][v] = load(c + (r * cs + v) * VL);                        \
        else if (start == CS_FROM_BIAS) EACH(r, R) EACH(v, V) acc[r][v] = load(bias + v * VL);                        \
        else EACH(r, R) EACH(v, V) acc[r][v] = all(0);                                                                \
        for (long k = 0; k < K; k++) {                                                                                \
            const real *x = a_at ? (const real *)((const char *)a + a_at[k]) : a + k * ak * VL;                       \
            const real *y = b_at ? (const real *)((const char *)b + b_at[k]) : b + k * bk * VL;                       \
            vec w[V];                                                                                                 \
            EACH(v, V) w[v] = load(y + v * VL);                                                                       \
            EACH(r, R) {                                                                                              \
                vec s = load(x + r * as * VL);                                                                        \
                EACH(v, V) acc[r][v] = fma_(s, w[v], acc[r][v]);                                                      \
            }                                                                                                         \
        }                                                                                                             \
        EACH(r, R) EACH(v, V) store(c + (r * cs + v) * VL, acc[r][v]);                                                \
    }
LANE_MICRO(1, 1) LANE_MICRO(2, 1) LANE_MICRO(3, 1) LANE_MICRO(4, 1)
LANE_MICRO(1, 2) LANE_MICRO(2, 2) LANE_MICRO(3, 2) LANE_MICRO(4, 2)
#if REGISTERS == 32
LANE_MICRO(1, 3) LANE_MICRO(2, 3) LANE_MICRO(3, 3) LANE_MICRO(4, 3)
LANE_MICRO(1, 4) LANE_MICRO(2, 4) LANE_MICRO(3, 4) LANE_MICRO(4, 4)
#define LANE_TALL(f) f
#else
#define LANE_TALL(f) 0
#endif
static lane_fn *const lane_micros[LANE_ROWS][4] = {
    {lanes_1x1, lanes_1x2, LANE_TALL(lanes_1x3), LANE_TALL(lanes_1x4)},
    {lanes_2x1, lanes_2x2, LANE_TALL(lanes_2x3), LANE_TALL(lanes_2x4)},
    {lanes_3x1, lanes_3x2, LANE_TALL(lanes_3x3), LANE_TALL(lanes_3x4)},
    {lanes_4x1, lanes_4x2, LANE_TALL(lanes_4x3), LANE_TALL(lanes_4x4)},
};

/* All of a product (M, N), in blocks. */
INLINE void lane_blocks(long M, long N, long K, const real *a, long as, long ak, const long *a_at, const real *b, long bk,
                        const long *b_at, real *c, long cs, int start, const real *bias) {
    for (long m = 0; m < M; m += LANE_ROWS)
        for (long n = 0; n < N; n += LANE_COLUMNS) {
            const long rows = M - m < LANE_ROWS ? M - m : LANE_ROWS, columns = N - n < LANE_COLUMNS ? N - n : LANE_COLUMNS;
            lane_micros[rows - 1][columns - 1](K, a + m * as * VL, as, ak, a_at, b + n * VL, bk, b_at,
                                               c + (m * cs + n) * VL, cs, start, bias ? bias + n * VL : 0);
        }
}

static void lane_gemm(long M, long K, const void *A, long lda, const cs_panels *B, long k0, long n0, long n, void *C,
                      long ldc, int start, const void *bias) {
    lane_blocks(M, n / VL, K / VL, A, lda / VBYTES, 1, 0, (const real *)B->data + k0 / VL * B->N + n0, B->N / VL, 0, C,
                ldc / VBYTES, start & ~CS_LAST_FIRST, bias);
}

static void lane_gemm_tn(long M, long n, const void *a, const long *a_at, const void *b, const long *b_at, long ncols,
                         void *C, long ldc, void *work) {
    (void)work;
    lane_blocks(M / VL, ncols / VL, n, a, 1, 0, a_at, b, 0, b_at, C, ldc / VBYTES, CS_FROM_C, 0);
}

/* out (T, B, n, VL) = the first T steps of rows (B, VL) of the source, `size` bytes each; zeros for negative ones. */
static void lane_take(long B, long T, long n, const void *source, long size, const int64_t *rows, void *out) {
    const long step = n * (long)sizeof(real);
    for (long b = 0; b < B; b++, rows += VL)
        for (int l = 0; l < VL; l++) {
            const char *from = (const char *)source + rows[l] * size;
            real *to = (real *)out + b * n * VL + l;
            if (b + 1 < B) /* rows are far from each other */
                for (long at = 0; at < T * step; at += 64) __builtin_prefetch((const char *)source + rows[VL + l] * size + at);
            for (long t = 0; t < T; t++, to += B * n * VL)
                for (long i = 0; i < n; i++) to[i * VL] = rows[l] < 0 ? 0 : ((const real *)(from + t * step))[i];
        }
}

/* A softmax of rows of n vectors, lane by lane: the sums are those of `softmax` in stages.h. */
static void lane_softmax(long rows, long n, void *p) {
    for (real *x = p; rows > 0; rows--, x += n * VL) {
        vec top = load(x), sums[SUM_LANES];
        for (long i = 1; i < n; i++) top = either(load(x + i * VL) > top, load(x + i * VL), top);
        for (int l = 0; l < SUM_LANES; l++) sums[l] = all(0);
        for (long i = 0; i < n; i++) {
            vec e = exp_nonpositive(load(x + i * VL) - top);
            store(x + i * VL, e);
            sums[i % SUM_LANES] += e;
        }
        for (int half = SUM_LANES / 2; half; half /= 2)
            for (int l = 0; l < half; l++) sums[l] += sums[l + half];
        for (long i = 0; i < n; i++) store(x + i * VL, load(x + i * VL) / sums[0]);
    }
}

/* Of lanes that do not run, dst (rows, n) = src, or zeros; n counts lanes. */
static void keep_lanes(long rows, long n, const uint8_t *runs, void *dst, long ldd, const void *src, long lds) {
    for (long r = 0; r < rows; r++, runs += VL) {
        ivec keep;
        int some = 0;
        for (int l = 0; l < VL; l++) keep[l] = runs[l] ? 0 : -1, some |= !runs[l];
        if (!some) continue;
        real *d = ROW(dst, r, ldd);
        const real *s = src ? CROW(src, r, lds) : 0;
        for (long i = 0; i < n; i += VL) store(d + i, either(keep, s ? load(s + i) : all(0), load(d + i)));
    }
}

#endif
