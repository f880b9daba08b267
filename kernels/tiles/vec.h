/* One vector type per build: REAL is float or double, its width comes from the level's compiler flags.

   GCC's and Clang's vector types carry all arithmetic. Only the fused multiply-add needs an intrinsic: sources are
   compiled with -ffp-contract=off, so that what is fused is written down here and equal in every tile. */
#ifndef CELLSTEP_VEC_H
#define CELLSTEP_VEC_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifdef CS_DOUBLE
typedef double real;
typedef int64_t rint_t;
typedef uint64_t bits_t;
#else
typedef float real;
typedef int32_t rint_t;
typedef uint32_t bits_t;
#endif

#if defined(__AVX512F__)
#define VBYTES 64
#define REGISTERS 32
#elif defined(__AVX2__)
#define VBYTES 32
#define REGISTERS 16
#elif defined(__aarch64__)
#define VBYTES 16
#define REGISTERS 32
#else
#define VBYTES 16
#define REGISTERS 16
#endif

typedef real vec __attribute__((vector_size(VBYTES)));
typedef rint_t ivec __attribute__((vector_size(VBYTES)));
typedef real vec_u __attribute__((vector_size(VBYTES), aligned(sizeof(real)), may_alias));

/* Vectors of a panel: enough accumulators for one row to hide the latency of the multiply-add behind. */
#if VBYTES == 64
#define PANEL_VECTORS 4
#else
#define PANEL_VECTORS 8
#endif

enum { VL = VBYTES / sizeof(real), NR = 2 * VL, PANEL = PANEL_VECTORS * VL };

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const real *p) { return (vec) * (const vec_u *)p; }
INLINE void store(real *p, vec v) { *(vec_u *)p = (vec_u)v; }
INLINE vec all(real s) { return s - (vec){0}; }
INLINE vec either(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }

/* a*b + c, rounded once where the level has FMA (every level but x86-64-v2) */
INLINE vec fma_(vec a, vec b, vec c) {
#if defined(__AVX512F__) && !defined(CS_DOUBLE)
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX512F__)
    return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__) && !defined(CS_DOUBLE)
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__FMA__)
    return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__) && !defined(CS_DOUBLE)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__aarch64__)
    return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

#endif
