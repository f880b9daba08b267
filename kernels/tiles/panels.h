/* Between the caller's matrices and panels. Forward: a list of vector-columns says which source columns a vector of lanes
   holds: `first` its first source column, `count` how many of its VL lanes exist; the rest is padding. */
#ifndef CELLSTEP_PANELS_H
#define CELLSTEP_PANELS_H
#include "tiles.h"
#include "vec.h"

/* panels [nv/2][K][NR] of src (K, *), columns as listed */
static void pack(long K, long nv, const long *first, const long *count, const void *src0, long ld, void *dst0) {
    const real *src = src0;
    real *dst = dst0;
    memset(dst, 0, sizeof(real) * (size_t)(K * nv * VL));
    for (long v = 0; v < nv; v++)
        for (long k = 0; k < K; k++)
            for (long l = 0; l < count[v]; l++)
                dst[((v / 2) * K + k) * NR + (v % 2) * VL + l] = src[k * ld + first[v] + l];
}

/* ---- backward: gradients of gate rows lie gate after gate, each Hp wide, so that sums over them run in one order on
   every level. src and dst here have G gates of H columns. ---- */

/* panels [ceil(M/NR)][G*Hp][NR] of the transpose of src (M, G*H): k runs over the gates' columns, lanes over rows */
static void pack_transposed(long M, long G, long H, long Hp, const void *src0, void *dst0) {
    const real *src = src0;
    real *dst = dst0;
    long panels = (M + NR - 1) / NR;
    memset(dst, 0, sizeof(real) * (size_t)(panels * NR * G * Hp));
    for (long p = 0; p < panels; p++)
        for (long g = 0; g < G; g++)
            for (long u = 0; u < H; u += VL)
                for (long j = 0; j < NR && p * NR + j < M; j++)
                    for (long l = u; l < u + VL && l < H; l++)
                        dst[(p * G * Hp + g * Hp + l) * NR + j] = src[(p * NR + j) * G * H + g * H + l];
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
