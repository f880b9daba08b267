/* SimpleRNN: h' = act(z), z = b + x W + h U. Elman 1990. */
#ifndef CELLSTEP_RNN_H
#define CELLSTEP_RNN_H
#include "cell.h"

INLINE void rnn_forward_loop(const cs_span *s, void *z, const void *h0, void *h1, int act, int rec) {
    (void)rec;
    FOR_ROWS(s) {
        if (!run) {
            carry(s, h0, h1, row);
            continue;
        }
        FOR_BLOCKS(s) {
            real *g = ROW(z, row, s->ldz) + u;
            vec h = ACT(act, get(g, n));
            put(g, h, n);
            put(ROW(h1, row, s->ldh) + u, h, n);
        }
    }
}

INLINE void rnn_backward_loop(const cs_span *s, const void *z, void *dz, void *dh, int act, int rec) {
    (void)rec;
    FOR_ROWS(s) FOR_BLOCKS(s) {
        real *dg = ROW(dz, row, s->ldz) + u, *d = ROW(dh, row, s->ldh) + u;
        if (!run) {
            zero_gates(s, dg, 1, n);
            continue;
        }
        vec h = get(CROW(z, row, s->ldz) + u, n);
        put(dg, get(d, n) * DER(act, h), n); /* h' = act(z) */
        put(d, all(0), n);                   /* all that h gave to h' goes through z, in the product that follows */
    }
}

static void rnn_forward(const cs_span *s, void *z, const void *h0, void *h1) {
    SPECIALISE(s, rnn_forward_loop, z, h0, h1);
}
static void rnn_backward(const cs_span *s, const void *z, void *dz, void *dh) {
    SPECIALISE(s, rnn_backward_loop, z, dz, dh);
}

#endif
