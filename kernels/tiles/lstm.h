/* LSTM: i = rec(zi)  f = rec(zf)  g = act(zc)  o = rec(zo);  c' = f c + i g;  h' = o act(c').

   A gate row holds [i f g o] for each block of VL units: pre-activations on entry, what is kept of the gates on exit;
   backward reads that and leaves gradients gate after gate. Hochreiter and Schmidhuber 1997, forget gate of Gers,
   Schmidhuber and Cummins 2000. */
#ifndef CELLSTEP_LSTM_H
#define CELLSTEP_LSTM_H
#include "cell.h"

INLINE void lstm_forward_loop(const cs_span *s, int act, int rec) {
    const void *c0 = s->before[1];
    void *z = s->z, *h1 = s->after[0], *c1 = s->after[1];
    FOR_SOME_ROWS(s) {
        FOR_ROWS_OF(s, r0, r1) if (!run) carry(s, 2, row);
        else {
            real *gate_row = ROW(z, row, s->ldz), *c_new = ROW(c1, row, s->ldh);
            const real *c_old = CROW(c0, row, s->ldh);
            FOR_BLOCKS(s) {
                real *gates = gate_row + 4 * u;
                vec zi = load(gates), zf = load(gates + VL), zc = load(gates + 2 * VL), zo = load(gates + 3 * VL);
                vec i = ACT(rec, zi), f = ACT(rec, zf), g = ACT(act, zc);
                put(c_new + u, fma_(f, get(c_old + u, n), i * g), n);
                store(gates, KEEP(rec, zi, i));
                store(gates + VL, KEEP(rec, zf, f));
                store(gates + 2 * VL, KEEP(act, zc, g));
                store(gates + 3 * VL, KEEP(rec, zo, ACT(rec, zo)));
            }
        }
        /* by itself: a second activation behind the first ones would leave the processor waiting */
        FOR_ROWS_OF(s, r0, r1) if (run) FOR_BLOCKS(s) {
            vec o = VALUE(rec, load(ROW(z, row, s->ldz) + 4 * u + 3 * VL));
            put(ROW(h1, row, s->ldh) + u, o * ACT(act, get(ROW(c1, row, s->ldh) + u, n)), n);
        }
    }
}

INLINE void lstm_backward_loop(const cs_span *s, int act, int rec) {
    const void *z = s->z, *c0 = s->before[1], *c1 = s->after[1];
    void *dz = s->dz, *dh0 = s->dstates[0], *dc0 = s->dstates[1];
    FOR_ROWS(s) FOR_BLOCKS(s) {
        real *dgates = ROW(dz, row, s->ldz) + u;
        if (!run) {
            zero_gates(s, dgates, 4, n);
            continue;
        }
        const real *gates = CROW(z, row, s->ldz) + 4 * u;
        real *dhp = ROW(dh0, row, s->ldh) + u, *dcp = ROW(dc0, row, s->ldh) + u;
        vec ki = load(gates), kf = load(gates + VL), kg = load(gates + 2 * VL), ko = load(gates + 3 * VL);
        vec i = VALUE(rec, ki), f = VALUE(rec, kf), g = VALUE(act, kg), o = VALUE(rec, ko);
        vec c_new = get(CROW(c1, row, s->ldh) + u, n), a = ACT(act, c_new), dh = get(dhp, n);
        vec dc = fma_(dh * o, DER(act, KEEP(act, c_new, a)), get(dcp, n)); /* h' = o act(c') */
        vec c = get(CROW(c0, row, s->ldh) + u, n);
        put(dgates, dc * g * DER(rec, ki), n); /* c' = f c + i g */
        put(dgates + s->Hp, dc * c * DER(rec, kf), n);
        put(dgates + 2 * s->Hp, dc * i * DER(act, kg), n);
        put(dgates + 3 * s->Hp, dh * a * DER(rec, ko), n); /* h' = o act(c') */
        put(dcp, dc * f, n);
        put(dhp, all(0), n); /* the product with U that follows adds its share */
    }
}

TILE_OF(lstm_forward)
TILE_OF(lstm_backward)

#endif
