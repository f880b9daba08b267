/* What a stream needs between its cells: softmax over rows, and rows that are marked as not there. */
#ifndef CELLSTEP_STAGES_H
#define CELLSTEP_STAGES_H
#include "cell.h"

/* A sum of a row has this many accumulators on every level, added up in one order, so that all levels sum alike. */
enum { SUM_LANES = 16, SUMS = SUM_LANES / VL };

/* The largest of n numbers. A NaN that is not found reaches every element of a softmax through its sum. */
INLINE real largest(const real *x, long n) {
    vec top = all(x[0]);
    long i = 0;
    for (; i + VL <= n; i += VL) top = either(load(x + i) > top, load(x + i), top);
    real most = top[0];
    for (int l = 1; l < VL; l++) most = top[l] > most ? top[l] : most;
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

/* lanes[l] += lanes[l + 8], then + 4, + 2, + 1 */
INLINE real folded(real *lanes) {
    for (int half = SUM_LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
    return lanes[0];
}

static void softmax(long rows, long n, void *p, long ld) {
    for (long r = 0; r < rows; r++) {
        real *x = ROW(p, r, ld), lanes[SUM_LANES] = {0};
        const vec top = all(largest(x, n));
        vec sums[SUMS];
        long i = 0;
        for (int s = 0; s < SUMS; s++) sums[s] = all(0);
        for (; i + SUM_LANES <= n; i += SUM_LANES)
            for (int s = 0; s < SUMS; s++) {
                vec e = exp_nonpositive(load(x + i + s * VL) - top);
                store(x + i + s * VL, e);
                sums[s] += e;
            }
        for (int s = 0; s < SUMS; s++) store(lanes + s * VL, sums[s]);
        for (long at = i; at < n; at += VL) put(x + at, exp_nonpositive(get(x + at, n - at) - top), n - at);
        for (long l = 0; i + l < n; l++) lanes[l] += x[i + l];
        const real sum = folded(lanes);
        for (i = 0; i + VL <= n; i += VL) store(x + i, load(x + i) / all(sum));
        for (; i < n; i++) x[i] /= sum;
    }
}

/* there[r] = any element of the row differs from value; dst is the row, or zeros where it is not there. Bits are
   compared, not numbers, so that a denormal is not 0 while denormals are flushed; 0 and -0 are equal. */
static void mark_rows(long rows, long n, double value, const void *src, long lds, void *dst, long ldd,
                      uint8_t *there) {
    real wanted = (real)value;
    bits_t bits, want;
    memcpy(&want, &wanted, sizeof want);
    for (long r = 0; r < rows; r++) {
        const real *x = CROW(src, r, lds);
        int differs = 0;
        for (long i = 0; i < n && !differs; i++) {
            memcpy(&bits, x + i, sizeof bits);
            differs = bits != want && (bits_t)((bits | want) << 1) != 0;
        }
        there[r] = (uint8_t)differs;
        if (differs) memmove(ROW(dst, r, ldd), x, (size_t)n * sizeof(real));
        else memset(ROW(dst, r, ldd), 0, (size_t)n * sizeof(real));
    }
}

#endif
