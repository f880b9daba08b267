/* Tiles: the innermost loops, one table of function pointers per instruction-set level and dtype.

   A level's table is built from the same sources (tile.c) with other compiler flags. Cython picks one level at import
   and calls through its tables. Nothing here allocates, locks or knows Python.

   Layouts (VL = lanes of one vector, PANEL = 4 or 8 vectors, both per table):
     panels     a matrix (K, N), N a multiple of VL, as [N/PANEL][K][PANEL], the last panel as wide as what is left: a
                tile streams through one panel from top to bottom
     gate row   one row of pre-activations or gates, Hp = H rounded up to VL units:
                  RNN   [h]                        Hp wide
                  LSTM  [i f c o] by blocks of VL  4 Hp wide
                  GRU   [z r] by blocks of VL, then x's part of the candidate, then h's part: 2 Hp + Hp + Hp wide
     gradients  of a gate row: gate after gate, each Hp wide
   Leading dimensions ("ld...") and strides are in bytes, sizes in elements; of what is only read they may be 0 or
   negative. Padding columns hold zeros. */
#ifndef CELLSTEP_TILES_H
#define CELLSTEP_TILES_H
#include <stddef.h>
#include <stdint.h>

/* How a product starts its accumulators; and a flag beside: go through the panels from the last to the first. Steps that
   take turns in direction find the weights that the step before read last still in cache. */
enum { CS_FROM_ZERO, CS_FROM_C, CS_FROM_BIAS, CS_LAST_FIRST = 4 };

enum { CS_STATES = 14, CS_PHASES = 4 }; /* at most */

/* The rows and units that one call of a cell's tile works on, and the arrays of its step, which begin at the first row.
   Units from H on are neither read nor written, so that states need no padding and padding stays zero. Code for cells that
   users write (numba/vector_code.py) reads the same struct: a change here is one there. */
typedef struct {
    long rows;              /* batch rows */
    long j0, j1;            /* blocks of VL units */
    long H, Hp;             /* units, and units padded: offsets inside a gate row */
    long ldz, ldh;          /* bytes from row to row of gate rows, and of states */
    const uint8_t *active;  /* per row: 0 carries its states; NULL runs all */
    int act, rec;           /* activation codes: position in kernels.ACTIVATIONS */
    /* gate rows: sums on entry; on exit what is kept of the gates */
    void *z;
    const void *seen;              /* h as products see it: dropped, or h itself */
    const void *before[CS_STATES]; /* the states */
    void *after[CS_STATES];
    /* backward: gradients of gate rows, and of the states, those after the step on entry and before it on exit; of h as
       products see it, to which a tile adds; of the operand that the step made */
    void *dz;
    void *dstates[CS_STATES];
    void *dseen;
    const void *dmade;
    const void *vectors; /* weights of one number a unit, Hp numbers from one to the next */
} cs_span;

/* What a step of a cell computes elementwise, by phases: each follows the products whose operands are known by then. */
typedef void cs_elementwise(const cs_span *s);
typedef struct {
    const char *name; /* of the cell, and of its options that are on: "gru_reset_after" */
    cs_elementwise *forward[CS_PHASES], *backward[CS_PHASES];
} cs_cell;

/* A matrix (K, N) in panels. */
typedef struct {
    const void *data;
    long K, N;
} cs_panels;

/* A product of a lone row with U, of `gates` columns a unit from `first` on: sums, those of all units, which it is added to
   or which begin with bias. */
typedef struct {
    const void *a;
    long first;
    int gates, start;
    void *sums;
    const void *bias;
} cs_lone_product;

typedef struct {
    int VL, PANEL;
    /* C (M, n) = start + A (M, K) B[k0 : k0 + K, n0 : n0 + n]; n0 a multiple of VL, n of any size. C and bias begin with
       their first column that counts. One accumulator an element, k in order. */
    void (*gemm)(long M, long K, const void *A, long lda, const cs_panels *B, long k0, long n0, long n, void *C,
                 long ldc, int start, const void *bias);
    /* A phase of a step of one row: its n products with U, and the tile that follows from them, see lone.h. l2: bytes
       of the cache that keeps U from step to step. */
    void (*lone_phase)(const cs_span *s, const cs_panels *U, int n, const cs_lone_product *products, int turned,
                       double l2, cs_elementwise *tile);
    /* C (M, N) += A^T B over n rows, row k of A at a + a_at[k] bytes, of B at b + b_at[k], each contiguous.
       work: gemm_tn_work(M) bytes. */
    void (*gemm_tn)(long M, long n, const void *a, const long *a_at, const void *b, const long *b_at, long ncols,
                    void *C, long ldc, void *work);
    size_t (*gemm_tn_work)(long M);
    void (*column_sums)(long n, const void *b, const long *b_at, long ncols, void *sums);
    /* see panels.h */
    void (*pack)(long K, long nv, const long *first, const long *count, const void *src, long ld, void *dst);
    void (*pack_transposed)(long M, long G, long H, long Hp, const void *src, void *dst);
    void (*unpack_add)(long K, long G, long H, long Hp, const void *src, void *dst);

    void (*add_rows)(long rows, long n, void *dst, long ldd, const void *src, long lds);
    /* dst = a b, or dst += a b where `add`, element by element */
    void (*multiply_rows)(long rows, long n, void *dst, long ldd, const void *a, long lda, const void *b, long ldb,
                          int add);

    const cs_cell *cells; /* ended by one without a name */

    /* see updates.h */
    void (*sgd)(long n, void *value, const void *grad, double rate);
    void (*sgd_momentum)(long n, void *value, const void *grad, void *momentum, double rate, double decay,
                         int nesterov);
    void (*adam)(long n, void *value, const void *grad, void *mean, void *square, void *largest, double alpha,
                 double c1, double c2, double epsilon);
    void (*rmsprop)(long n, void *value, const void *grad, void *square, void *mean, void *velocity, double rate,
                    double rho, double c, double decay, double epsilon);

    /* out[i] = activation(in[i]), in place too */
    void (*activate)(int code, long n, const void *in, void *out);
    /* see stages.h */
    void (*softmax)(long rows, long n, void *p, long ld);
    void (*mark_rows)(long rows, long n, double value, const void *src, long lds, void *dst, long ldd,
                      uint8_t *there);
    /* see norm.h */
    void (*normalize)(long rows, long n, const void *x, double epsilon, const void *gamma, const void *beta, void *y,
                      void *normal, void *inverse);
    void (*normalize_back)(long rows, long n, const void *dy, const void *normal, const void *inverse,
                           const void *gamma, void *dx);
    void (*normalize_sums)(long rows, long n, const void *dy, const void *normal, void *dgamma, void *dbeta);
    /* see probe.h */
    double (*probe_fma)(long n, double *out);
    double (*probe_read)(const void *p, long size, long times);
    /* see lanes.h; the first two have the shapes of gemm and gemm_tn */
    void (*lane_gemm)(long M, long K, const void *A, long lda, const cs_panels *B, long k0, long n0, long n, void *C,
                      long ldc, int start, const void *bias);
    void (*lane_gemm_tn)(long M, long n, const void *a, const long *a_at, const void *b, const long *b_at, long ncols,
                         void *C, long ldc, void *work);
    void (*lane_take)(long B, long T, long n, const void *source, long size, const int64_t *rows, void *out);
    void (*lane_softmax)(long rows, long n, void *p);
    void (*keep_lanes)(long rows, long n, const uint8_t *runs, void *dst, long ldd, const void *src, long lds);
} cs_tiles;

typedef struct {
    const char *name;
    const cs_tiles *f32, *f64;
} cs_level;

/* Levels compiled into this library, best first, ended by a NULL name. */
extern const cs_level cs_levels[];
/* Whether this CPU and operating system run a level. */
int cs_level_runs(const char *name);

#endif
