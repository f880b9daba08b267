/* What the cells' tiles share: rows, blocks of units, and the loop over both.

   A cell writes the elementwise arithmetic of a step, forward and backward, as loops over both; a tile is made of each
   three times: with tanh and sigmoid known to the compiler, with sigmoid known, and for any other pair of activations. */
#ifndef CELLSTEP_CELL_H
#define CELLSTEP_CELL_H
#include "activations.h"
#include "tiles.h"

/* Activations that are not known when compiling go through one copy of the switch, not one at each use. */
static __attribute__((noinline)) vec activate_any(int code, vec v) { return activate(code, v); }
static __attribute__((noinline)) vec derivative_any(int code, vec kept) { return derivative(code, kept); }
#define ACT(code, v) (__builtin_constant_p(code) ? activate(code, v) : activate_any(code, v))
#define DER(code, kept) (__builtin_constant_p(code) ? derivative(code, kept) : derivative_any(code, kept))
/* What a gate row keeps of a gate, from its input v and output y, for DER; and the output again from what is kept. */
#define KEEP(code, v, y) ((code) < FIRST_OF_INPUT ? (y) : (v))
#define VALUE(code, kept) ((code) < FIRST_OF_INPUT ? (kept) : activate_any(code, kept))

/* Pointer p, r rows of ld bytes further down. */
#define ROW(p, r, ld) ((real *)((char *)(p) + (r) * (ld)))
#define CROW(p, r, ld) ((const real *)((const char *)(p) + (r) * (ld)))

/* For each row: run says whether it runs; for each block: j its number, u its first unit, n its units (VL but at the
   edge). */
#define FOR_ROWS_OF(s, r0, r1) for (long row = r0, run; row < (r1) && (run = !(s)->active || (s)->active[row], 1); row++)
#define FOR_ROWS(s) FOR_ROWS_OF(s, 0, (s)->rows)
#define FOR_BLOCKS(s)                                                                                               \
    for (long j = (s)->j0, u = j * VL, n; j < (s)->j1 && u < (s)->H && (n = (s)->H - u < VL ? (s)->H - u : VL, 1); \
         j++, u += VL)

/* Gradients of gates: n units at p, Hp units from gate to gate. */
INLINE void zero_gates(const cs_span *s, real *p, int gates, long n) {
    for (int g = 0; g < gates; g++) put(p + g * s->Hp, all(0), n);
}

/* A row that does not run keeps its states. */
INLINE void carry(const cs_span *s, int states, long row) {
    for (int k = 0; k < states; k++) {
        if (s->before[k] == s->after[k]) continue;
        FOR_BLOCKS(s) put(ROW(s->after[k], row, s->ldh) + u, get(CROW(s->before[k], row, s->ldh) + u, n), n);
    }
}
#define FOR_RUNNING_ROWS(s, states) FOR_ROWS(s) if (!run) carry(s, states, row); else

/* Rows r0 to r1, so many at a time that a tile in two passes has AT_ONCE blocks or more for each: then what the second needs
   of the first is there. */
enum { AT_ONCE = 4 };
#define FOR_SOME_ROWS(s)                                                                                                 \
    for (long r0 = 0, some = (AT_ONCE - 1) / ((s)->j1 - (s)->j0 + !((s)->j1 - (s)->j0)) + 1, r1;                         \
         r0 < (s)->rows && (r1 = (s)->rows - r0 < some ? (s)->rows : r0 + some, 1); r0 = r1)

/* NAME, a tile: NAME_loop(s, act, rec) with the activations as constants where they are the usual ones. */
#define TILE_OF(NAME)                                                   \
    static void NAME(const cs_span *s) {                                \
        if (s->rec != SIGMOID) NAME##_loop(s, s->act, s->rec);          \
        else if (s->act == TANH) NAME##_loop(s, TANH, SIGMOID);         \
        else NAME##_loop(s, s->act, SIGMOID);                           \
    }

#endif
