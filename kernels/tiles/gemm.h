/* Products: packed panels times rows, one accumulator an element, k in order.

   A tile is R rows times P panels of two vectors. R and P are such that the accumulators fill the registers: 6 x 1 panel
   with 16 registers, 6 x 2 with 32; with fewer rows more panels, so that one row alone still has 8 accumulators to hide
   the latency of the multiply-add behind. Refused: 3 rows x 4 vectors on AVX2, 57-60 against 73 GFLOP/s for 6 x 2
   (B 64, H 512). */
#ifndef CELLSTEP_GEMM_H
#define CELLSTEP_GEMM_H
#include "tiles.h"
#include "vec.h"

enum { MAX_ROWS = 6 };
#define MAX_PANELS(r) (REGISTERS == 32 ? ((r) <= 3 ? 4 : (r) == 4 ? 3 : 2) : ((r) == 1 ? 4 : (r) == 2 ? 3 : (r) == 3 ? 2 : 1))

/* Rows of A by `as`, consecutive k by `ak`; rows of a panel by `bk`, panels by `bp`; all in elements. */
typedef struct {
    long as, ak, bk, bp, cs;
} strides;

typedef void micro_fn(long, const real *, const real *, real *, strides, int, const real *);

/* Rows of the panels that a tall tile asks for ahead of use: up to 8 % at 4 to 6 rows. One row alone reads them as fast as
   L2 gives them, and the asking costs it 10 %. */
enum { AHEAD = 8 };

/* A macro and not an inline function: the arrays must have literal sizes to become registers. */
#define EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)
#define MICRO(R, P)                                                                                                 \
    static void micro_##R##x##P(long K, const real *a, const real *b, real *c, strides s, int start,                \
                                const real *bias) {                                                                 \
        vec acc[R][2 * P];                                                                                          \
        if (start == CS_FROM_C) EACH(r, R) EACH(v, 2 * P) acc[r][v] = load(c + r * s.cs + v * VL);                  \
        else if (start == CS_FROM_BIAS) EACH(r, R) EACH(v, 2 * P) acc[r][v] = load(bias + v * VL);                  \
        else EACH(r, R) EACH(v, 2 * P) acc[r][v] = all(0);                                                          \
        for (long k = 0; k < K; k++, a += s.ak, b += s.bk) {                                                        \
            vec w[2 * P];                                                                                           \
            EACH(v, 2 * P) w[v] = load(b + (v / 2) * s.bp + (v % 2) * VL);                                          \
            if (R >= 4) EACH(v, 2 * P) if (v * VBYTES % 64 == 0)                                                    \
                __builtin_prefetch(b + AHEAD * NR + (v / 2) * s.bp + (v % 2) * VL);                                 \
            EACH(r, R) {                                                                                            \
                vec x = all(a[r * s.as]);                                                                           \
                EACH(v, 2 * P) acc[r][v] = fma_(x, w[v], acc[r][v]);                                                \
            }                                                                                                       \
        }                                                                                                           \
        EACH(r, R) EACH(v, 2 * P) store(c + r * s.cs + v * VL, acc[r][v]);                                          \
    }
MICRO(1, 1) MICRO(1, 2) MICRO(1, 3) MICRO(1, 4)
MICRO(2, 1) MICRO(2, 2) MICRO(2, 3)
MICRO(3, 1) MICRO(3, 2)
MICRO(4, 1) MICRO(5, 1) MICRO(6, 1)
#if REGISTERS == 32
MICRO(2, 4) MICRO(3, 3) MICRO(3, 4) MICRO(4, 2) MICRO(4, 3) MICRO(5, 2) MICRO(6, 2)
#define WIDE(f) f
#else
#define WIDE(f) 0
#endif
static micro_fn *const micros[MAX_ROWS + 1][5] = {
    {0},
    {0, micro_1x1, micro_1x2, micro_1x3, micro_1x4},
    {0, micro_2x1, micro_2x2, micro_2x3, WIDE(micro_2x4)},
    {0, micro_3x1, micro_3x2, WIDE(micro_3x3), WIDE(micro_3x4)},
    {0, micro_4x1, WIDE(micro_4x2), WIDE(micro_4x3)},
    {0, micro_5x1, WIDE(micro_5x2)},
    {0, micro_6x1, WIDE(micro_6x2)},
};

/* Rows of a product that are not NR wide at the right edge: through a small block of full width. */
static void micro_edge(long R, long K, const real *a, const real *b, real *c, strides s, int start, const real *bias,
                       long n) {
    real edge[MAX_ROWS * NR] __attribute__((aligned(64))) = {0};
    strides inner = s;
    inner.cs = NR;
    if (start == CS_FROM_C)
        for (long r = 0; r < R; r++) memcpy(edge + r * NR, c + r * s.cs, n * sizeof(real));
    micros[R][1](K, a, b, edge, inner, start, bias);
    for (long r = 0; r < R; r++) memcpy(c + r * s.cs, edge + r * NR, n * sizeof(real));
}

/* Even blocks of at most MAX_ROWS rows, the first `extra` of them one row taller: 8 rows are 4 + 4, not 6 + 2. */
typedef struct {
    long low, extra;
} blocks;

INLINE blocks split_rows(long M) {
    long n = (M + MAX_ROWS - 1) / MAX_ROWS;
    return (blocks){M / n, M % n};
}

/* for each block of M rows: m its first row, r its rows */
#define FOR_ROW_BLOCKS(M, s)                                                                     \
    for (long m = 0, i_ = 0, r; m < (M) && (r = (s).low + (i_ < (s).extra), 1); m += r, i_++)

INLINE long tallest(blocks s) { return s.low + (s.extra > 0); }

/* Steps of k between which the accumulators visit memory: a panel's part stays in L1 or L2 for all row blocks. */
enum { KC = 512 };

static void gemm(long M, long K, const void *A, long lda, const void *panels, long ncols, long panel_rows, void *C,
                 long ldc, int start, const void *bias) {
    const real *a = A, *b0 = panels, *bias0 = bias;
    real *c = C;
    strides s = {lda / (long)sizeof(real), 1, NR, panel_rows * NR, ldc / (long)sizeof(real)};
    long np = ncols / NR, edge = ncols % NR;
    if (M <= 0) return;
    const blocks rows = split_rows(M);
    const long P = MAX_PANELS(tallest(rows));
    for (long k = 0; k < K || k == 0; k += KC) {
        long kc = K - k < KC ? K - k : KC;
        for (long p = 0; p < np; p += P) {
            long pc = np - p < P ? np - p : P;
            FOR_ROW_BLOCKS(M, rows)
                micros[r][pc](kc, a + m * s.as + k, b0 + p * s.bp + k * NR, c + m * s.cs + p * NR, s, start,
                              bias0 ? bias0 + p * NR : 0);
        }
        if (edge)
            FOR_ROW_BLOCKS(M, rows)
                micro_edge(r, kc, a + m * s.as + k, b0 + np * s.bp + k * NR, c + m * s.cs + np * NR, s, start,
                           bias0 ? bias0 + np * NR : 0, edge);
        start = CS_FROM_C;
    }
}

/* ---- A^T B: weight gradients. K is rows of the batch, wherever they lie, in blocks of TN_ROWS; one thread's part of A
   is copied to [M/R][rows][R] and a panel of B to [rows][NR] once a block, so that both stream. ---- */

enum { TN_ROWS = 256 };

static size_t gemm_tn_work(long M) { return sizeof(real) * TN_ROWS * (size_t)(M + MAX_ROWS + 2 * NR); }

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
    const long P = MAX_PANELS(tallest(split)) < 2 ? 1 : 2, cs = ldc / (long)sizeof(real);
    real *apack = work, *bpack = apack + TN_ROWS * (M + MAX_ROWS), *c = C;
    for (long i = 0; i < n; i += TN_ROWS) {
        long rows = n - i < TN_ROWS ? n - i : TN_ROWS;
        FOR_ROW_BLOCKS(M, split)
            tn_pack(r, rows, (const char *)a + m * (long)sizeof(real), a_at + i, apack + m * rows);
        for (long p = 0; p < ncols / NR; p += P) {
            long pc = ncols / NR - p < P ? ncols / NR - p : P;
            for (long k = 0; k < rows; k++)
                memcpy(bpack + k * pc * NR, (const real *)((const char *)b + b_at[i + k]) + p * NR,
                       (size_t)(pc * NR) * sizeof(real));
            FOR_ROW_BLOCKS(M, split) {
                strides s = {1, r, pc * NR, NR, cs};
                micros[r][pc](rows, apack + m * rows, bpack, c + m * cs + p * NR, s, CS_FROM_C, 0);
            }
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

#endif
