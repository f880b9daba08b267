/* GRU: z = rec(zz)  r = rec(zr);  h' = z h + (1 - z) g, with the candidate
     reset_after:  g = act(xh + r hh),  xh = b0 + x W,  hh = b1 + h U
     before:       g = act(xh),         xh = b + x W + (r h) U

   A gate row is [z r] by blocks of VL units, then xh, then hh (reset_after) or r h (before): pre-activations on entry;
   what is kept of [z r] and g, and hh or r h, on exit. Gradients lie gate after gate: z, r, xh, hh. Cho et al. 2014;
   reset_after as in cuDNN and Keras. */
#ifndef CELLSTEP_GRU_H
#define CELLSTEP_GRU_H
#include "cell.h"

/* The parts of one row's block: [z r], the candidate, and h's part of it. */
#define PARTS(type, row_, p)                                                       \
    __attribute__((unused)) type *zr = row_(p, row, s->ldz) + 2 * u,               \
                                 *cand = row_(p, row, s->ldz) + 2 * s->Hp + u, *hpart = cand + s->Hp

/* The gates where they come before the product with r h. */
INLINE void gru_before_gates_loop(const cs_span *s, int act, int rec) {
    const void *hd = s->seen;
    void *gates = s->z;
    (void)act;
    FOR_ROWS(s) FOR_BLOCKS(s) {
        PARTS(real, ROW, gates);
        (void)run;
        vec vz = load(zr), vr = load(zr + VL), r = ACT(rec, vr);
        store(zr, KEEP(rec, vz, ACT(rec, vz)));
        store(zr + VL, KEEP(rec, vr, r));
        put(hpart, r * get(CROW(hd, row, s->ldh) + u, n), n);
    }
}

INLINE void gru_forward_loop(const cs_span *s, int act, int rec, int reset_after) {
    const void *h0 = s->before[0];
    void *gates = s->z, *h1 = s->after[0];
    FOR_SOME_ROWS(s) {
        /* by itself: the candidate's activation behind that of r would leave the processor waiting */
        FOR_ROWS_OF(s, r0, r1) if (run && reset_after) FOR_BLOCKS(s) {
                PARTS(real, ROW, gates);
                vec vz = load(zr), vr = load(zr + VL), r = ACT(rec, vr);
                store(cand, fma_(r, load(hpart), load(cand)));
                store(zr, KEEP(rec, vz, ACT(rec, vz)));
                store(zr + VL, KEEP(rec, vr, r));
            }
        FOR_ROWS_OF(s, r0, r1) if (!run) carry(s, 1, row);
        else FOR_BLOCKS(s) {
            PARTS(real, ROW, gates);
            vec z = VALUE(rec, load(zr)), vg = load(cand), g = ACT(act, vg);
            vec h = get(CROW(h0, row, s->ldh) + u, n);
            store(cand, KEEP(act, vg, g));
            put(ROW(h1, row, s->ldh) + u, fma_(z, h, (all(1) - z) * g), n);
        }
    }
}

INLINE void gru_backward_loop(const cs_span *s, int act, int rec, int reset_after) {
    const void *gates = s->z, *h0 = s->before[0];
    void *dgates = s->dz, *dh0 = s->dstates[0];
    FOR_ROWS(s) FOR_BLOCKS(s) {
        PARTS(const real, CROW, gates);
        real *dzp = ROW(dgates, row, s->ldz) + u, *drp = dzp + s->Hp, *dcand = drp + s->Hp;
        if (!run) {
            zero_gates(s, dzp, reset_after ? 4 : 3, n);
            continue;
        }
        real *dhp = ROW(dh0, row, s->ldh) + u;
        vec kz = load(zr), kr = load(zr + VL), kg = load(cand), h = get(CROW(h0, row, s->ldh) + u, n), dh = get(dhp, n);
        vec z = VALUE(rec, kz), g = VALUE(act, kg);
        vec dg = dh * (all(1) - z) * DER(act, kg); /* h' = z h + (1 - z) g */
        put(dzp, dh * (h - g) * DER(rec, kz), n);
        put(dcand, dg, n);
        if (reset_after) { /* g = act(xh + r hh) */
            put(drp, dg * load(hpart) * DER(rec, kr), n);
            put(dcand + s->Hp, dg * VALUE(rec, kr), n);
        }
        put(dhp, dh * z, n); /* the product with U that follows adds its share */
    }
}

/* What rh gave to r and h, after the product's way back. */
INLINE void gru_before_dgates_loop(const cs_span *s, int act, int rec) {
    const void *gates = s->z, *hd = s->seen, *drh0 = s->dmade;
    void *dgates = s->dz, *dhd = s->dseen;
    (void)act;
    FOR_ROWS(s) FOR_BLOCKS(s) {
        if (!run) continue;
        PARTS(const real, CROW, gates);
        real *drp = ROW(dgates, row, s->ldz) + s->Hp + u, *dhp = ROW(dhd, row, s->ldh) + u;
        vec kr = load(zr + VL), r = VALUE(rec, kr), drh = get(CROW(drh0, row, s->ldh) + u, n);
        put(drp, drh * get(CROW(hd, row, s->ldh) + u, n) * DER(rec, kr), n); /* rh = r h */
        put(dhp, fma_(drh, r, get(dhp, n)), n);
    }
}

#define gru_after_forward_loop(s, act, rec) gru_forward_loop(s, act, rec, 1)
#define gru_after_backward_loop(s, act, rec) gru_backward_loop(s, act, rec, 1)
#define gru_before_states_loop(s, act, rec) gru_forward_loop(s, act, rec, 0)
#define gru_before_dstates_loop(s, act, rec) gru_backward_loop(s, act, rec, 0)
TILE_OF(gru_after_forward)
TILE_OF(gru_after_backward)
TILE_OF(gru_before_gates)
TILE_OF(gru_before_states)
TILE_OF(gru_before_dstates)
TILE_OF(gru_before_dgates)

#endif
