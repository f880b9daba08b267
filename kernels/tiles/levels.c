/* The levels of this library, best first, and what this CPU runs. */
#include "tiles.h"
#include <string.h>

#define LEVEL(tag) extern const cs_tiles cs_##tag##_f32, cs_##tag##_f64;
#define ROW(tag, name) {name, &cs_##tag##_f32, &cs_##tag##_f64},

#if defined(__x86_64__)
LEVEL(v4) LEVEL(v3) LEVEL(v2)
const cs_level cs_levels[] = {ROW(v4, "x86-64-v4") ROW(v3, "x86-64-v3") ROW(v2, "x86-64-v2"){0, 0, 0}};
#elif defined(__aarch64__)
LEVEL(neon)
const cs_level cs_levels[] = {ROW(neon, "aarch64-neon"){0, 0, 0}};
#else
LEVEL(generic)
const cs_level cs_levels[] = {ROW(generic, "generic"){0, 0, 0}};
#endif

/* __builtin_cpu_supports asks the operating system too: it must save the wide registers. */
int cs_level_runs(const char *name) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    int v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    int v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return !strcmp(name, "x86-64-v2") ? v2 : !strcmp(name, "x86-64-v3") ? v3 : v4;
#else
    (void)name;
    return 1;
#endif
}
