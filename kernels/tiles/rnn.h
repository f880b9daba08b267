/* SimpleRNN: h' = act(z), z = b + x W + h U. Elman 1990. */
#ifndef CELLSTEP_RNN_H
#define CELLSTEP_RNN_H
#include "cell.h"

INLINE void rnn_forward_loop(const cs_span *s, int act) {
    void *z = s->z, *h1 = s->after[0];
    FOR_RUNNING_ROWS(s, 1) {
        real *sums = ROW(z, row, s->ldz), *h_new = ROW(h1, row, s->ldh);
        FOR_BLOCKS(s) {
            real *g = sums + u;
            vec v = get(g, n), h = ACT(act, v);
            put(g, KEEP(act, v, h), n);
            put(h_new + u, h, n);
        }
    }
}

INLINE void rnn_backward_loop(const cs_span *s, int act) {
    const void *z = s->z;
    void *dz = s->dz, *dh = s->dstates[0];
    FOR_ROWS(s) FOR_BLOCKS(s) {
        real *dg = ROW(dz, row, s->ldz) + u, *d = ROW(dh, row, s->ldh) + u;
        if (!run) {
            zero_gates(s, dg, 1, n);
            continue;
        }
        vec kept = get(CROW(z, row, s->ldz) + u, n);
        put(dg, get(d, n) * DER(act, kept), n); /* h' = act(z) */
        put(d, all(0), n);                   /* all that h gave to h' goes through z, in the product that follows */
    }
}

static void rnn_forward(const cs_span *s) {
    if (s->act == TANH) rnn_forward_loop(s, TANH);
    else rnn_forward_loop(s, s->act);
}
static void rnn_backward(const cs_span *s) {
    if (s->act == TANH) rnn_backward_loop(s, TANH);
    else rnn_backward_loop(s, s->act);
}

#endif
