/* Between the caller's matrices and panels. Forward: a list of vector-columns says which source columns a vector of lanes
   holds: `first` its first source column, `count` how many of its VL lanes exist; the rest is padding. */
#ifndef CELLSTEP_PANELS_H
#define CELLSTEP_PANELS_H
#include "tiles.h"
#include "vec.h"

/* The first column of the panel of column n, how wide the panel is, and where row k of column n lies. PANEL is a power of
   two. */
INLINE long panel_begin(long n) { return n & -(long)PANEL; }
INLINE long panel_width(const cs_panels *B, long n) {
    const long rest = B->N - panel_begin(n);
    return rest < PANEL ? rest : PANEL;
}
INLINE const real *panel_at(const cs_panels *B, long k, long n) {
    return (const real *)B->data + panel_begin(n) * B->K + k * panel_width(B, n) + (n - panel_begin(n));
}

/* src (K, *), columns as listed, into panels of nv vectors; without lists all columns of src (K, ld) in order */
static void pack(long K, long nv, const long *first, const long *count, const void *src0, long ld, void *dst0) {
    const cs_panels B = {dst0, K, nv * VL};
    const real *src = src0;
    for (long v = 0; v < nv; v++) {
        real *dst = (real *)panel_at(&B, 0, v * VL);
        const long width = panel_width(&B, v * VL), at = first ? first[v] : v * VL, n = first ? count[v] : ld - at;
        for (long k = 0; k < K; k++) store(dst + k * width, get(src + k * ld + at, n));
    }
}

/* ---- backward: gradients of gate rows lie gate after gate, each Hp wide, so that sums over them run in one order on
   every level. src and dst here have G gates of H columns. ---- */

/* The transpose of src (M, G*H) into panels (G*Hp, M rounded up to VL): k runs over the gates' columns, lanes over rows */
static void pack_transposed(long M, long G, long H, long Hp, const void *src0, void *dst0) {
    const real *src = src0;
    real *dst = dst0;
    const cs_panels B = {dst, G * Hp, (M + VL - 1) / VL * VL};
    for (long m = 0; m < M; m += VL) {
        const long width = panel_width(&B, m), rows = M - m < VL ? M - m : VL;
        for (long g = 0; g < G; g++)
            for (long u = 0; u < Hp; u += VL) {
                real *to = (real *)panel_at(&B, g * Hp + u, m);
                const real *from = src + m * G * H + g * H + u;
                const long n = H - u, lines = Hp - u < VL ? Hp - u : VL;
                vec block[VL];
                for (long j = 0; j < VL; j++) block[j] = j < rows ? get(from + j * G * H, n) : all(0);
                transpose(block);
                for (long l = 0; l < lines; l++) store(to + l * width, block[l]);
            }
    }
}

/* dst (K, G*H) += src (K, G*Hp): a gradient back into the caller's columns */
static void unpack_add(long K, long G, long H, long Hp, const void *src0, void *dst0) {
    const real *src = src0;
    real *dst = dst0;
    for (long k = 0; k < K; k++)
        for (long g = 0; g < G; g++)
            for (long l = 0; l < H; l++) dst[(k * G + g) * H + l] += src[(k * G + g) * Hp + l];
}

#endif
