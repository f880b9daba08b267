/* LSTM: i = rec(zi)  f = rec(zf)  g = act(zc)  o = rec(zo);  c' = f c + i g;  h' = o act(c').

   A gate row holds [i f g o] for each block of VL units: pre-activations on entry, gates on exit; backward reads the
   gates and leaves their gradients gate after gate. Hochreiter and Schmidhuber 1997, forget gate of Gers, Schmidhuber and Cummins 2000. */
#ifndef CELLSTEP_LSTM_H
#define CELLSTEP_LSTM_H
#include "cell.h"

INLINE void lstm_forward_loop(const cs_span *s, void *z, const void *c0, void *c1, const void *h0, void *h1, int act,
                              int rec) {
    FOR_ROWS(s) {
        if (!run) {
            carry(s, h0, h1, row);
            carry(s, c0, c1, row);
            continue;
        }
        FOR_BLOCKS(s) {
            real *gates = ROW(z, row, s->ldz) + 4 * u;
            vec i = ACT(rec, load(gates)), f = ACT(rec, load(gates + VL));
            vec g = ACT(act, load(gates + 2 * VL)), o = ACT(rec, load(gates + 3 * VL));
            vec c = fma_(f, get(CROW(c0, row, s->ldh) + u, n), i * g);
            store(gates, i);
            store(gates + VL, f);
            store(gates + 2 * VL, g);
            store(gates + 3 * VL, o);
            put(ROW(c1, row, s->ldh) + u, c, n);
            put(ROW(h1, row, s->ldh) + u, o * ACT(act, c), n);
        }
    }
}

INLINE void lstm_backward_loop(const cs_span *s, const void *z, void *dz, const void *c0, const void *c1, void *dh0,
                               void *dc0, int act, int rec) {
    FOR_ROWS(s) FOR_BLOCKS(s) {
        real *dgates = ROW(dz, row, s->ldz) + u;
        if (!run) {
            zero_gates(s, dgates, 4, n);
            continue;
        }
        const real *gates = CROW(z, row, s->ldz) + 4 * u;
        real *dhp = ROW(dh0, row, s->ldh) + u, *dcp = ROW(dc0, row, s->ldh) + u;
        vec i = load(gates), f = load(gates + VL), g = load(gates + 2 * VL), o = load(gates + 3 * VL);
        vec a = ACT(act, get(CROW(c1, row, s->ldh) + u, n)), dh = get(dhp, n);
        vec dc = fma_(dh * o, DER(act, a), get(dcp, n)); /* h' = o act(c') */
        vec c = get(CROW(c0, row, s->ldh) + u, n);
        put(dgates, dc * g * DER(rec, i), n); /* c' = f c + i g */
        put(dgates + s->Hp, dc * c * DER(rec, f), n);
        put(dgates + 2 * s->Hp, dc * i * DER(act, g), n);
        put(dgates + 3 * s->Hp, dh * a * DER(rec, o), n); /* h' = o act(c') */
        put(dcp, dc * f, n);
        put(dhp, all(0), n); /* the product with U that follows adds its share */
    }
}

static void lstm_forward(const cs_span *s, void *z, const void *c0, void *c1, const void *h0, void *h1) {
    SPECIALISE(s, lstm_forward_loop, z, c0, c1, h0, h1);
}
static void lstm_backward(const cs_span *s, const void *z, void *dz, const void *c0, const void *c1, void *dh,
                          void *dc) {
    SPECIALISE(s, lstm_backward_loop, z, dz, c0, c1, dh, dc);
}

#endif
