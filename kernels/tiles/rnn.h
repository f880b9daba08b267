/* SimpleRNN: h' = act(z), z = b + x W + h U. Elman 1990. */
#ifndef CELLSTEP_RNN_H
#define CELLSTEP_RNN_H
#include "cell.h"

INLINE void rnn_forward_loop(const cs_span *s, void *z, const void *h0, void *h1, int act) {
    FOR_ROWS(s) {
        if (!run) {
            carry(s, h0, h1, row);
            continue;
        }
        FOR_BLOCKS(s) {
            real *g = ROW(z, row, s->ldz) + u;
            vec v = get(g, n), h = ACT(act, v);
            put(g, KEEP(act, v, h), n);
            put(ROW(h1, row, s->ldh) + u, h, n);
        }
    }
}

INLINE void rnn_backward_loop(const cs_span *s, const void *z, void *dz, void *dh, int act) {
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

static void rnn_forward(const cs_span *s, void *z, const void *h0, void *h1) {
    if (s->act == TANH) rnn_forward_loop(s, z, h0, h1, TANH);
    else rnn_forward_loop(s, z, h0, h1, s->act);
}
static void rnn_backward(const cs_span *s, const void *z, void *dz, void *dh) {
    if (s->act == TANH) rnn_backward_loop(s, z, dz, dh, TANH);
    else rnn_backward_loop(s, z, dz, dh, s->act);
}

#endif
