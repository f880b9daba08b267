/* A phase of a step of one row: a panel's units at a time, their products with U and, right behind, what follows from
   them. The products wait for weights and the elementwise part for its own chain of arithmetic, so a processor does both
   at once, if little lies between.

   100 steps of an LSTM, in microseconds, all products before the tile and so: 128 units 175 and 167 (AVX2 221 and 193);
   64 units 45 and 42, with two panels side by side (AVX2 56 and 52). Refused: two panels of 256 KB and more, 167 to 180;
   of AVX2, which has eight sums in one, 52 to 68; prefetching for the next panel what L1 has room for, 42 to 44. */
#ifndef CELLSTEP_LONE_H
#define CELLSTEP_LONE_H
#include "gemm.h"

/* Of the L2 cache, what keeps weights from one step to the next. Steps read weights from either end in turn, so what a step
   reads first is there; what it reads after that is asked for ahead of use. 100 steps of an LSTM of 512 units, two threads,
   2 MB of L2: 4.36 ms where all was asked for, 4.08 so; of the weights, half or a quarter 4.24 and 4.30; two or four times as
   far ahead 4.34, eight times 4.57; into L2 alone 5.0 to 5.3; past L2 (prefetchnta) 7.5 for a quarter, 11 for all. */
#define KEPT_OF_L2 0.875

enum {
    LONE_VECTORS = 8, /* side by side, so that no sum waits for its own last multiply-add */
    NEAR = 96 << 10,  /* bytes of weights of which that takes two panels of AVX-512 */
};

/* c = start + a b for V vectors of panels, the one right behind the other. */
#define LONE_SUMS(V)                                                                               \
    {                                                                                              \
        vec acc[V];                                                                                \
        EACH(v, V) acc[v] = load((start == CS_FROM_C ? (const real *)c : bias) + v * VL);          \
        for (long k = 0; k < K; k++) {                                                             \
            vec x = all(a[k]);                                                                     \
            const real *w[2] = {b + k * PANEL, b + (K + k) * PANEL};                               \
            EACH(v, V) acc[v] = fma_(x, load(w[v / PANEL_VECTORS] + v % PANEL_VECTORS * VL), acc[v]); \
        }                                                                                          \
        EACH(v, V) store(c + v * VL, acc[v]);                                                      \
    }

/* The columns of `size` blocks of units from j on. */
INLINE void lone_product(const cs_panels *U, const cs_lone_product *p, long j, long size, int near, int far) {
    const long K = U->K, end = p->first + p->gates * (j + size) * VL;
    const int start = p->start;
    const real *a = p->a, *bias = (const real *)p->bias + p->gates * j * VL;
    real *c = (real *)p->sums + p->gates * j * VL;
    for (long at = p->first + p->gates * j * VL, done; at < end; at += done, c += done, bias += done) {
        const long width = panel_width(U, at), rest = panel_begin(at) + width - at, left = rest < end - at ? rest : end - at;
        const real *b = panel_at(U, 0, at);
        if (near && PANEL_VECTORS < LONE_VECTORS && left == PANEL && end - at >= LONE_VECTORS * VL) {
            LONE_SUMS(LONE_VECTORS)
            done = LONE_VECTORS * VL;
        } else if (left == PANEL && !far) {
            LONE_SUMS(PANEL_VECTORS)
            done = PANEL;
        } else {
            int v = 3;
            while ((VL << v) > left || !micros[1][v]) v--;
            done = (long)VL << v;
            (done == PANEL ? micro_far : micros[1][v])(1, K, a, 0, 1, 0, b, width, c, 0, start, bias);
        }
    }
}

static void lone_phase(const cs_span *s, const cs_panels *U, int n, const cs_lone_product *products, int turned,
                       double l2, cs_elementwise *tile) {
    cs_span part = *s;
    const int near = U->K * U->N * (long)sizeof(real) <= NEAR;
    long left = s->j1 - s->j0, size = n > 0 ? 1 : left;
    double kept = KEPT_OF_L2 * l2;
    for (int i = 0; i < n; i++) { /* so many that the product of the fewest gates has a panel too */
        const long some = (near ? LONE_VECTORS : PANEL_VECTORS) / products[i].gates;
        if (some > size) size = some;
    }
    for (; left > 0; left -= size) {
        if (left < size) size = left;
        part.j0 = turned ? s->j0 + left - size : s->j1 - left;
        part.j1 = part.j0 + size;
        for (int i = 0; i < n; i++) {
            lone_product(U, products + i, part.j0, size, near, kept < 0);
            kept -= (double)(U->K * products[i].gates * size * VL) * sizeof(real);
        }
        tile(&part);
    }
}

#endif
