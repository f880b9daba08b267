/* What a stream needs between its cells: softmax over rows, and rows that are marked as not there. */
#ifndef CELLSTEP_STAGES_H
#define CELLSTEP_STAGES_H
#include "cell.h"

/* A sum of a row has this many accumulators on every level, added up in order, so that all levels sum alike. */
enum { SUM_LANES = 16 };

static void softmax(long rows, long n, void *p, long ld) {
    for (long r = 0; r < rows; r++) {
        real *x = ROW(p, r, ld), lanes[SUM_LANES] = {0}, sum = 0;
        /* a NaN that is not found here still reaches every element through the sum */
        vec top = all(x[0]);
        for (long i = 0; i < n; i += VL) {
            vec v = n - i < VL ? all(x[i]) : load(x + i);
            top = either(v > top, v, top);
        }
        for (long i = n / VL * VL; i < n; i++) top = either(all(x[i]) > top, all(x[i]), top);
        real most = top[0];
        for (int l = 1; l < VL; l++) most = top[l] > most ? top[l] : most;
        for (long i = 0; i < n; i += VL) put(x + i, exp_nonpositive(get(x + i, n - i) - all(most)), n - i);
        for (long i = 0; i < n; i += SUM_LANES)
            for (long l = 0; l < SUM_LANES && i + l < n; l++) lanes[l] += x[i + l];
        for (int l = 0; l < SUM_LANES; l++) sum += lanes[l];
        for (long i = 0; i < n; i++) x[i] /= sum;
    }
}

/* there[r] = any element of the row differs from value; dst is the row, or zeros where it is not there. Bits are
   compared, not numbers, so that a denormal is not 0 while denormals are flushed; 0 and -0 are equal. */
static void mark_rows(long rows, long n, double value, const void *src, long lds, void *dst, long ldd,
                      uint8_t *there) {
    real wanted = (real)value;
    rint_t bits, want;
    memcpy(&want, &wanted, sizeof want);
    for (long r = 0; r < rows; r++) {
        const real *x = CROW(src, r, lds);
        int differs = 0;
        for (long i = 0; i < n && !differs; i++) {
            memcpy(&bits, x + i, sizeof bits);
            differs = bits != want && ((bits | want) & ~((rint_t)1 << (8 * sizeof(rint_t) - 1))) != 0;
        }
        there[r] = (uint8_t)differs;
        if (differs) memmove(ROW(dst, r, ldd), x, (size_t)n * sizeof(real));
        else memset(ROW(dst, r, ldd), 0, (size_t)n * sizeof(real));
    }
}

#endif
