/* One vector type per build: REAL is float or double, its width comes from the level's compiler flags.

   GCC's and Clang's vector types carry all arithmetic but what needs an intrinsic: the fused multiply-add, as sources are
   compiled with -ffp-contract=off, so that what is fused is written down here and equal in every tile; and choices
   between lanes, which the compilers make of three instructions and not of one. */
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

enum { VL = VBYTES / sizeof(real), PANEL = PANEL_VECTORS * VL };

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const real *p) { return (vec) * (const vec_u *)p; }
INLINE void store(real *p, vec v) { *(vec_u *)p = (vec_u)v; }
INLINE vec all(real s) { return s - (vec){0}; }
INLINE vec either(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }

/* The level's instruction `op` for vec, by its intrinsic. */
#if defined(__AVX512F__) && defined(CS_DOUBLE)
#define X86(op) _mm512_##op##_pd
typedef __m512d native;
#elif defined(__AVX512F__)
#define X86(op) _mm512_##op##_ps
typedef __m512 native;
#elif defined(__AVX2__) && defined(CS_DOUBLE)
#define X86(op) _mm256_##op##_pd
typedef __m256d native;
#elif defined(__AVX2__)
#define X86(op) _mm256_##op##_ps
typedef __m256 native;
#elif defined(__SSE2__) && defined(CS_DOUBLE)
#define X86(op) _mm_##op##_pd
typedef __m128d native;
#elif defined(__SSE2__)
#define X86(op) _mm_##op##_ps
typedef __m128 native;
#endif

/* LANES(n), the first n lanes, for a load that gives zeros for the others, and a store that leaves them. */
#if defined(__AVX512F__) && defined(CS_DOUBLE)
#define LANES(n) ((__mmask8)((1u << (n)) - 1))
#define X86_LOAD(p, lanes) _mm512_maskz_loadu_pd(lanes, p)
#define X86_STORE(p, lanes, v) _mm512_mask_storeu_pd(p, lanes, v)
#elif defined(__AVX512F__)
#define LANES(n) ((__mmask16)((1u << (n)) - 1))
#define X86_LOAD(p, lanes) _mm512_maskz_loadu_ps(lanes, p)
#define X86_STORE(p, lanes, v) _mm512_mask_storeu_ps(p, lanes, v)
#elif defined(__AVX2__) && defined(CS_DOUBLE)
#define LANES(n) ((__m256i)((ivec){0, 1, 2, 3} < (n)))
#define X86_LOAD(p, lanes) _mm256_maskload_pd(p, lanes)
#define X86_STORE(p, lanes, v) _mm256_maskstore_pd(p, lanes, v)
#elif defined(__AVX2__)
#define LANES(n) ((__m256i)((ivec){0, 1, 2, 3, 4, 5, 6, 7} < (rint_t)(n)))
#define X86_LOAD(p, lanes) _mm256_maskload_ps(p, lanes)
#define X86_STORE(p, lanes, v) _mm256_maskstore_ps(p, lanes, v)
#endif

/* The first n lanes; all of them but at a right edge. */
INLINE vec get(const real *p, long n) {
    if (__builtin_expect(n >= VL, 1)) return load(p);
#ifdef LANES
    return (vec)X86_LOAD(p, LANES(n));
#else
    vec v = {0};
    for (long i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}
INLINE void put(real *p, vec v, long n) {
    if (__builtin_expect(n >= VL, 1)) store(p, v);
#ifdef LANES
    else X86_STORE(p, LANES(n), (native)v);
#else
    else
        for (long i = 0; i < n; i++) p[i] = v[i];
#endif
}

/* The greater of v and lo, the lesser of v and hi; v where it is NaN. */
#ifdef X86
INLINE vec vmax(vec v, real lo) { return (vec)X86(max)((native)all(lo), (native)v); }
INLINE vec vmin(vec v, real hi) { return (vec)X86(min)((native)all(hi), (native)v); }
#else
INLINE vec vmax(vec v, real lo) { return either(v < all(lo), all(lo), v); }
INLINE vec vmin(vec v, real hi) { return either(v > all(hi), all(hi), v); }
#endif

/* yes where v < top, else no */
INLINE vec where_less(vec v, real top, vec yes, vec no) {
#if defined(__AVX512F__) && defined(CS_DOUBLE)
    return (vec)_mm512_mask_blend_pd(_mm512_cmp_pd_mask((native)v, (native)all(top), _CMP_LT_OQ), (native)no, (native)yes);
#elif defined(__AVX512F__)
    return (vec)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((native)v, (native)all(top), _CMP_LT_OQ), (native)no, (native)yes);
#else
    return either(v < all(top), yes, no);
#endif
}

/* a*b + c, rounded once where the level has FMA (every level but x86-64-v2) */
INLINE vec fma_(vec a, vec b, vec c) {
#if defined(__FMA__)
    return (vec)X86(fmadd)((native)a, (native)b, (native)c);
#elif defined(__aarch64__) && !defined(CS_DOUBLE)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__aarch64__)
    return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

/* Pairs of lanes, one of a and one of b: of their lower halves, and of their upper ones. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLES
#endif
#endif
#ifdef SHUFFLES
#define PAIR(i, n) i, i + n
#define PAIRS2(i, n) PAIR(i, n), PAIR(i + 1, n)
#define PAIRS4(i, n) PAIRS2(i, n), PAIRS2(i + 2, n)
#define PAIRS8(i, n) PAIRS4(i, n), PAIRS4(i + 4, n)
#if VBYTES == 64 && !defined(CS_DOUBLE)
#define HALF(i) PAIRS8(i, 16)
#elif VBYTES == 64 || (VBYTES == 32 && !defined(CS_DOUBLE))
#define HALF(i) PAIRS4(i, 8)
#elif VBYTES == 32 || !defined(CS_DOUBLE)
#define HALF(i) PAIRS2(i, 4)
#else
#define HALF(i) PAIR(i, 2)
#endif
INLINE vec lower_pairs(vec a, vec b) { return __builtin_shufflevector(a, b, HALF(0)); }
INLINE vec upper_pairs(vec a, vec b) { return __builtin_shufflevector(a, b, HALF(VL / 2)); }
#endif

/* VL vectors as the rows of a matrix, turned into its columns: each round halves the distance of lanes that belong together. */
INLINE void transpose(vec *rows) {
    vec out[VL];
#ifdef SHUFFLES
#pragma GCC unroll 4
    for (int round = 1; round < VL; round *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < VL / 2; i++) {
            out[2 * i] = lower_pairs(rows[i], rows[i + VL / 2]);
            out[2 * i + 1] = upper_pairs(rows[i], rows[i + VL / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) rows[i] = out[i];
    }
#else
    for (int i = 0; i < VL; i++)
        for (int l = 0; l < VL; l++) out[l][i] = rows[i][l];
    memcpy(rows, out, sizeof(out));
#endif
}

#endif
