/* The levels of this library, best first, and what this CPU runs. */
#include "tiles.h"
#include <string.h>

#define LEVEL(tag) extern const cs_tiles cs_##tag##_f32, cs_##tag##_f64;
#define ROW(tag, name) {name, &cs_##tag##_f32, &cs_##tag##_f64},

#if defined(__x86_64__)
#include <cpuid.h>
LEVEL(v4) LEVEL(v3) LEVEL(v2)
const cs_level cs_levels[] = {ROW(v4, "x86-64-v4") ROW(v3, "x86-64-v3") ROW(v2, "x86-64-v2"){0, 0, 0}};

/* The bits of all of `mask`. */
static int all(unsigned word, unsigned mask) { return (word & mask) == mask; }

/* The CPU itself is asked (cpuid), and which registers the operating system saves (XCR0): __builtin_cpu_supports reads what a
   library of the toolchain has found, and not every toolchain that links against an old glibc has one that does.
   Source: Intel 64 and IA-32 Software Developer's Manual, volume 2, CPUID, and volume 1, 13.3. */
int cs_level_runs(const char *name) {
    unsigned a, b, c = 0, d, features = 0, saved = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    if (c & bit_OSXSAVE) __asm__("xgetbv" : "=a"(saved), "=d"(d) : "c"(0));
    if (__get_cpuid_count(7, 0, &a, &features, &b, &d) == 0) features = 0;
    int v2 = all(c, bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT);
    int v3 = v2 && all(saved, 0x6) && all(c, bit_AVX | bit_FMA | bit_F16C) && all(features, bit_AVX2 | bit_BMI | bit_BMI2);
    int v4 = v3 && all(saved, 0xe6) && all(features, bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL);
    return !strcmp(name, "x86-64-v2") ? v2 : !strcmp(name, "x86-64-v3") ? v3 : v4;
}
#else
#if defined(__aarch64__)
LEVEL(neon)
const cs_level cs_levels[] = {ROW(neon, "aarch64-neon"){0, 0, 0}};
#else
LEVEL(generic)
const cs_level cs_levels[] = {ROW(generic, "generic"){0, 0, 0}};
#endif

int cs_level_runs(const char *name) {
    (void)name;
    return 1;
}
#endif
