/* Products: packed panels times rows, one accumulator an element, k in order.

   A tile is R rows times V vectors of one panel, so many that the accumulators fill the registers: 6 x 2 with 16
   registers, 6 x 4 with 32. One row alone takes a whole panel, which is a single stream of 256 bytes for each k (128 on
   NEON): a core of Zen 5 reads it from L2 at 200 to 260 GB/s, and four panels of 128 bytes side by side, as the layout
   was before, at 140 to 165.
   Refused: 3 rows x 4 vectors on AVX2, 57-60 against 73 GFLOP/s for 6 x 2 (B 64, H 512); panels of 512 bytes on
   AVX-512, 255 against 281 GFLOP/s (B 8, H 128); two panels at once for one row and small weights, 450 against 380 GB/s
   from L1, which is 20 ns a step. */
#ifndef CELLSTEP_GEMM_H
#define CELLSTEP_GEMM_H
#include "panels.h"
#include "tiles.h"
#include "vec.h"

enum {
    MAX_ROWS = 6,
    /* Rows of a panel that a tile asks for ahead of use. Up to 8 % at 4 to 6 rows; for one row 25 % where the weights
       are FAR, and a loss of 10 % where they are not. */
    AHEAD = 8,
    FAR = 3 << 19, /* bytes of weights that L2 does not hold */
    /* Steps of k between which the accumulators visit memory: a panel's part stays in L1 or L2 for all row blocks. */
    KC = 512,
};

/* `count` blocks of R rows against one piece of a panel. a: from row to row `as`, from k to k `ak`, from block to block
   `an`; b: from k to k `bk`; c: from row to row `cs`; all in elements. */
typedef void micro_fn(long count, long K, const real *a, long as, long ak, long an, const real *b, long bk, real *c,
                      long cs, int start, const real *bias);

/* A macro and not an inline function: the arrays must have literal sizes to become registers. */
#define EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)
/* In a register from here on: else GCC reads a weight again for each row. */
#if defined(__x86_64__) || defined(__i386__)
#define KEPT(w) __asm__("" : "+v"(w))
#else
#define KEPT(w)
#endif
#define MICRO(NAME, R, V, PREFETCH)                                                                                 \
    static void NAME(long count, long K, const real *a0, long as, long ak, long an, const real *b0, long bk,        \
                     real *c, long cs, int start, const real *bias) {                                               \
        for (; count > 0; count--, a0 += an, c += R * cs) {                                                         \
            const real *a = a0, *b = b0;                                                                            \
            vec acc[R][V];                                                                                          \
            if (start == CS_FROM_C) EACH(r, R) EACH(v, V) acc[r][v] = load(c + r * cs + v * VL);                    \
            else if (start == CS_FROM_BIAS) EACH(r, R) EACH(v, V) acc[r][v] = load(bias + v * VL);                  \
            else EACH(r, R) EACH(v, V) acc[r][v] = all(0);                                                          \
            for (long k = 0; k < K; k++, a += ak, b += bk) {                                                        \
                vec w[V];                                                                                           \
                EACH(v, V) w[v] = load(b + v * VL);                                                                 \
                if (R > 1) EACH(v, V) KEPT(w[v]);                                                                    \
                if (PREFETCH) EACH(v, V) if (v * VBYTES % 64 == 0) __builtin_prefetch(b + AHEAD * bk + v * VL);     \
                EACH(r, R) {                                                                                        \
                    vec x = all(a[r * as]);                                                                         \
                    EACH(v, V) acc[r][v] = fma_(x, w[v], acc[r][v]);                                                \
                }                                                                                                   \
            }                                                                                                       \
            EACH(r, R) EACH(v, V) store(c + r * cs + v * VL, acc[r][v]);                                            \
        }                                                                                                           \
    }
#define TILE(R, V) MICRO(micro_##R##x##V, R, V, R >= 4)
TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1)
TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2)
TILE(1, 4) TILE(2, 4) TILE(3, 4)
#if REGISTERS == 32
TILE(4, 4) TILE(5, 4) TILE(6, 4)
#define TALL(f) f
#else
#define TALL(f) 0
#endif
#if PANEL_VECTORS == 8
TILE(1, 8)
#define LONE(f) f
#else
#define LONE(f) 0
#endif
MICRO(micro_far, 1, PANEL_VECTORS, 1)

/* By rows, and by the logarithm of vectors. */
static micro_fn *const micros[MAX_ROWS + 1][4] = {
    {0},
    {micro_1x1, micro_1x2, micro_1x4, LONE(micro_1x8)},
    {micro_2x1, micro_2x2, micro_2x4},
    {micro_3x1, micro_3x2, micro_3x4},
    {micro_4x1, micro_4x2, TALL(micro_4x4)},
    {micro_5x1, micro_5x2, TALL(micro_5x4)},
    {micro_6x1, micro_6x2, TALL(micro_6x4)},
};

/* Even blocks of at most MAX_ROWS rows, the first `extra` of them one row taller: 8 rows are 4 + 4, not 6 + 2. */
typedef struct {
    long low, extra, count;
} blocks;

INLINE blocks split_rows(long M) {
    if (M <= MAX_ROWS) return (blocks){M, 0, 1};
    long n = (M + MAX_ROWS - 1) / MAX_ROWS;
    return (blocks){M / n, M % n, n};
}

/* The logarithm of the widest tile in vectors, for the tallest block and at most `left` columns; 0 too where none fits. */
INLINE int widest(blocks s, long left) {
    const long tallest = s.low + (s.extra > 0);
    int v = 3;
    while (v > 0 && ((VL << v) > left || !micros[tallest][v])) v--;
    return v;
}

/* All row blocks against 2^v vectors of a panel. Rows of A are `as` apart, which may be any number, also 0 or negative;
   or each block of R rows is `stored` as [K][R], and `as` is K. */
INLINE void run_blocks(blocks s, int v, long K, const real *a, long as, int stored, const real *b, long bk, real *c,
                       long cs, int start, const real *bias) {
    const long R = s.low + 1, rows = s.extra * R, row = stored ? 1 : as;
    if (s.extra) micros[R][v](s.extra, K, a, row, stored ? R : 1, R * as, b, bk, c, cs, start, bias);
    micros[s.low][v](s.count - s.extra, K, a + rows * as, row, stored ? s.low : 1, s.low * as, b, bk, c + rows * cs, cs,
                     start, bias);
}

/* The last columns, where they are fewer than a vector: through a small block of full width. */
static void run_edge(blocks s, long K, const real *a, long as, const real *b, long bk, real *c, long cs, int start,
                     const real *bias, long n) {
    real edge[MAX_ROWS * VL] __attribute__((aligned(64)));
    for (long i = 0, r; i < s.count; i++, a += r * as, c += r * cs) {
        r = s.low + (i < s.extra);
        if (start == CS_FROM_C)
            for (long m = 0; m < r; m++) store(edge + m * VL, get(c + m * cs, n));
        micros[r][0](1, K, a, as, 1, 0, b, bk, edge, VL, start, bias);
        for (long m = 0; m < r; m++) put(c + m * cs, load(edge + m * VL), n);
    }
}

static void gemm(long M, long K, const void *A, long lda, const cs_panels *B, long k0, long n0, long n, void *C,
                 long ldc, int start, const void *bias0) {
    const long as = lda / (long)sizeof(real), cs = ldc / (long)sizeof(real), end = n0 + n;
    const int far = M == 1 && K * n * (long)sizeof(real) > FAR, turned = start & CS_LAST_FIRST;
    if (M <= 0 || n <= 0) return;
    const blocks rows = split_rows(M);
    const long first = panel_begin(n0), last = panel_begin(end - 1), KB = rows.count > 1 ? KC : K;
    start &= ~CS_LAST_FIRST;
    for (long k = 0; k < K || k == 0; k += KB) {
        const long kc = K - k < KB ? K - k : KB;
        const real *a = (const real *)A + k;
        for (long i = first; i <= last; i += PANEL) {
            const long p = turned ? first + last - i : i, stop = end < p + PANEL ? end : p + PANEL;
            const long bk = panel_width(B, p);
            for (long at = n0 > p ? n0 : p, done; at < stop; at += done) {
                const real *b = panel_at(B, k0 + k, at), *bias = bias0 ? (const real *)bias0 + (at - n0) : 0;
                real *c = (real *)C + (at - n0);
                const int v = widest(rows, stop - at);
                done = stop - at < VL ? stop - at : (long)VL << v;
                if (done < VL) run_edge(rows, kc, a, as, b, bk, c, cs, start, bias, done);
                else if (far && done == PANEL) micro_far(1, kc, a, 0, 1, 0, b, bk, c, 0, start, bias);
                else run_blocks(rows, v, kc, a, as, 0, b, bk, c, cs, start, bias);
            }
        }
        start = CS_FROM_C;
        if (!K) break;
    }
}

/* ---- A^T B: weight gradients. K is rows of the batch, wherever they lie, in blocks of TN_ROWS; one thread's part of A
   is copied to [M/R][rows][R] and a tile's columns of B to [rows][columns] once a block, so that both stream. Rows of B
   that lie evenly are read in place where at most FEW blocks of A read them: M 4, 16, 32 take 0.4, 0.7, 0.8 of the time,
   from 128 on up to 1.2. ---- */

enum { TN_ROWS = 256, TN_GROUP = 8, FEW = 12 };

/* Bytes from row to row, where that is one number; else 0. */
INLINE long even_step(long rows, const long *at) {
    const long step = rows > 1 ? at[1] - at[0] : (long)sizeof(real);
    for (long k = 2; k < rows; k++)
        if (at[k] - at[k - 1] != step) return 0;
    return step;
}

static size_t gemm_tn_work(long M) { return sizeof(real) * TN_ROWS * (size_t)(M + MAX_ROWS + PANEL); }

/* One block of rows of A, transposed as the tile reads it: [rows][R]. A constant R makes each copy a move or two. */
INLINE void tn_copy(const int R, long rows, const char *a, const long *a_at, real *dst) {
    for (long k = 0; k < rows; k++) memcpy(dst + k * R, a + a_at[k], R * sizeof(real));
}

static void tn_pack(long R, long rows, const char *a, const long *a_at, real *dst) {
    switch (R) {
    case 6: tn_copy(6, rows, a, a_at, dst); break;
    case 5: tn_copy(5, rows, a, a_at, dst); break;
    case 4: tn_copy(4, rows, a, a_at, dst); break;
    case 3: tn_copy(3, rows, a, a_at, dst); break;
    case 2: tn_copy(2, rows, a, a_at, dst); break;
    default: tn_copy(1, rows, a, a_at, dst);
    }
}

static void gemm_tn(long M, long n, const void *a, const long *a_at, const void *b, const long *b_at, long ncols,
                    void *C, long ldc, void *work) {
    if (M <= 0) return;
    const blocks split = split_rows(M);
    const long cs = ldc / (long)sizeof(real);
    real *apack = work, *bpack = apack + TN_ROWS * (M + MAX_ROWS);
    for (long i = 0; i < n; i += TN_ROWS) {
        const long rows = n - i < TN_ROWS ? n - i : TN_ROWS, step = split.count <= FEW ? even_step(rows, b_at + i) : 0;
        /* a few rows at a time, so that they are read once, and what is written stays together */
        for (long k = 0; k < rows; k += TN_GROUP)
            for (long m = 0, j = 0, r; j < split.count; j++, m += r) {
                r = split.low + (j < split.extra);
                tn_pack(r, rows - k < TN_GROUP ? rows - k : TN_GROUP, (const char *)a + m * (long)sizeof(real),
                        a_at + i + k, apack + m * rows + k * r);
            }
        for (long at = 0, cols; at < ncols; at += cols) {
            const int v = widest(split, ncols - at);
            cols = (long)VL << v;
            const real *piece = step ? (const real *)((const char *)b + b_at[i]) + at : bpack;
            for (long k = 0; k < rows && !step; k++) {
                const real *from = (const real *)((const char *)b + b_at[i + k]) + at;
                /* no memcpy: a call for each of so few bytes was a tenth of the product */
                for (long l = 0; l < cols; l += VL) store(bpack + k * cols + l, load(from + l));
            }
            run_blocks(split, v, rows, apack, rows, 1, piece, step ? step / (long)sizeof(real) : cols, (real *)C + at, cs,
                       CS_FROM_C, 0);
        }
    }
}

static void column_sums(long n, const void *b, const long *b_at, long ncols, void *sums) {
    for (long v = 0; v < ncols; v += VL) {
        vec acc = load((real *)sums + v);
        for (long i = 0; i < n; i++) acc += load((const real *)((const char *)b + b_at[i]) + v);
        store((real *)sums + v, acc);
    }
}

static void add_rows(long rows, long n, void *dst, long ldd, const void *src, long lds) {
    for (long r = 0; r < rows; r++) {
        real *d = (real *)((char *)dst + r * ldd);
        const real *s = (const real *)((const char *)src + r * lds);
        for (long i = 0; i < n; i++) d[i] += s[i];
    }
}

/* dst = a b, or dst += a b where `add`, element by element. Two roundings on every level: what the compiler may vectorise. */
static void multiply_rows(long rows, long n, void *dst, long ldd, const void *a, long lda, const void *b, long ldb,
                          int add) {
    for (long r = 0; r < rows; r++) {
        real *restrict d = (real *)((char *)dst + r * ldd);
        const real *restrict p = (const real *)((const char *)a + r * lda);
        const real *restrict q = (const real *)((const char *)b + r * ldb);
        if (add)
            for (long i = 0; i < n; i++) d[i] += p[i] * q[i];
        else
            for (long i = 0; i < n; i++) d[i] = p[i] * q[i];
    }
}

#endif
