/* Runs one level's tiles on fixed numbers and prints the bits of what comes out, laid out alike whatever the level's
   vectors are: levels with a fused multiply-add must print the same. Compiled with TABLE naming the table. */
#include "tiles.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CS_DOUBLE
typedef double real;
#else
typedef float real;
#endif
extern const cs_tiles TABLE;

static uint64_t state = 42;
static real next(void) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (real)((double)(state >> 40) / (1 << 23) - 1);
}
static real *numbers(long n) {
    real *p = aligned_alloc(64, (size_t)(n + 64) * 8);
    for (long i = 0; i < n; i++) p[i] = next();
    return p;
}
static real *zeros(long n) { return memset(aligned_alloc(64, (size_t)(n + 64) * 8), 0, (size_t)(n + 64) * 8); }
static void show(const char *name, long rows, long n, const real *p, long ld) {
    uint64_t hash = 1469598103934665603ull;
    for (long r = 0; r < rows; r++)
        for (long i = 0; i < n; i++) {
            uint64_t bits = 0;
            memcpy(&bits, p + r * ld + i, sizeof(real));
            hash = (hash ^ bits) * 1099511628211ull;
        }
    printf("%s %016llx\n", name, (unsigned long long)hash);
}

/* Columns of G gates of H units, interleaved by vectors, as packed.pyx lists them. */
static long list(long G, long H, long Hp, long *first, long *count) {
    long VL = TABLE.VL, n = 0;
    for (long j = 0; j < Hp / VL; j++)
        for (long g = 0; g < G; g++, n++) {
            first[n] = g * H + j * VL;
            count[n] = H - j * VL < 0 ? 0 : H - j * VL < VL ? H - j * VL : VL;
        }
    return n;
}

static void lstm(long B, long H) {
    const long E = sizeof(real), VL = TABLE.VL, Hp = (H + VL - 1) / VL * VL, N = 4 * Hp;
    real *U = numbers(4 * H * H), *h = numbers(B * H), *c = numbers(B * H), *x = numbers(B * H);
    real *panels = zeros(H * N), *transposed = zeros(N * Hp), *z = zeros(B * N), *dz = zeros(B * N);
    real *hs = zeros(B * Hp), *cs = zeros(B * Hp), *h1 = zeros(B * Hp), *c1 = zeros(B * Hp), *dh = zeros(B * Hp),
         *dc = zeros(B * Hp), *dU = zeros(H * N), *out = zeros(4 * H * H);
    long first[4096], count[4096], nv = list(4, H, Hp, first, count), at[64], az[64];
    TABLE.pack(H, nv, first, count, U, 4 * H, panels);
    TABLE.pack_transposed(H, 4, H, Hp, U, transposed);
    for (long b = 0; b < B; b++) {
        memcpy(hs + b * Hp, h + b * H, H * E);
        memcpy(cs + b * Hp, c + b * H, H * E);
        memcpy(dh + b * Hp, x + b * H, H * E);
        at[b] = b * Hp * E;
        az[b] = b * N * E;
    }
    const cs_panels P = {panels, H, N}, T = {transposed, N, Hp};
    cs_span s = {.rows = B, .j1 = Hp / VL, .H = H, .Hp = Hp, .ldz = N * E, .ldh = Hp * E, .act = 1, .rec = 2, .z = z};
    s.seen = s.before[0] = hs;
    s.before[1] = cs;
    s.after[0] = h1;
    s.after[1] = c1;
    s.dz = dz;
    s.dstates[0] = dh;
    s.dstates[1] = dc;
    const cs_cell *cell = TABLE.cells;
    while (strcmp(cell->name, "lstm")) cell++;
    TABLE.gemm(B, H, hs, Hp * E, &P, 0, 0, N, z, N * E, CS_FROM_ZERO, 0);
    cell->forward[0](&s);
    show("h", B, H, h1, Hp);
    show("c", B, H, c1, Hp);
    cell->backward[0](&s);
    TABLE.gemm(B, N, dz, N * E, &T, 0, 0, Hp, dh, Hp * E, CS_FROM_C | CS_LAST_FIRST, 0);
    show("dh", B, H, dh, Hp);
    show("dc", B, H, dc, Hp);
    TABLE.gemm_tn(H, B, hs, at, dz, az, N, dU, N * E, aligned_alloc(64, (TABLE.gemm_tn_work(H) + 63) / 64 * 64));
    TABLE.unpack_add(H, 4, H, Hp, dU, out);
    show("dU", H, 4 * H, out, 4 * H);
}

int main(void) {
    for (int code = 0; code < 25; code++) {
        real *in = zeros(4096), *y = zeros(4096);
        for (int i = 0; i < 4096; i++) in[i] = (real)((i - 2048) * 0.011);
        TABLE.activate(code, 4096, in, y);
        char name[32];
        snprintf(name, sizeof name, "activation %d", code);
        show(name, 1, 4096, y, 0);
    }
    long shapes[][2] = {{1, 5}, {1, 64}, {2, 33}, {7, 48}, {13, 100}};
    for (int i = 0; i < 5; i++) lstm(shapes[i][0], shapes[i][1]);
    return 0;
}
