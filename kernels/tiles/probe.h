/* What this core can do at best with this level's vectors: multiply-adds that stay in registers, and reading. */
#ifndef CELLSTEP_PROBE_H
#define CELLSTEP_PROBE_H
#include "vec.h"

enum { PROBE_CHAINS = 12 };

/* n times PROBE_CHAINS multiply-adds of vectors, each chain waiting only for itself. Returns how many numbers took part,
   and what came out, so that no compiler leaves the work out. */
static double probe_fma(long n, double *out) {
    vec acc[PROBE_CHAINS], a = all(R(0.5)), b = all(R(0.25));
#pragma GCC unroll 16
    for (int i = 0; i < PROBE_CHAINS; i++) acc[i] = all((real)i);
    __asm__ volatile("" : "+m"(a), "+m"(b));
    for (long k = 0; k < n; k++) {
#pragma GCC unroll 16
        for (int i = 0; i < PROBE_CHAINS; i++) acc[i] = fma_(acc[i], a, b);
    }
    for (int i = 1; i < PROBE_CHAINS; i++) acc[0] += acc[i];
    *out = (double)acc[0][0];
    return (double)n * PROBE_CHAINS * VL;
}

/* Adds up `size` bytes at p, a multiple of 512, `times` over: one stream. */
static double probe_read(const void *p, long size, long times) {
    vec acc[512 / VBYTES];
#pragma GCC unroll 32
    for (int i = 0; i < 512 / VBYTES; i++) acc[i] = all(0);
    for (long t = 0; t < times; t++) {
        __asm__ volatile("" ::: "memory");
        for (const char *at = p, *end = at + size; at < end; at += 512) {
#pragma GCC unroll 32
            for (int i = 0; i < 512 / VBYTES; i++) acc[i] += load((const real *)(at + i * VBYTES));
        }
    }
    for (int i = 1; i < 512 / VBYTES; i++) acc[0] += acc[i];
    return (double)acc[0][0];
}

#endif
