# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""GRU: z r = rec of b + x W + h U;  h' = z h + (1 - z) g, with the candidate
  reset_after:  g = act(b0 + x W + r (b1 + h U))
  before:       g = act(b + x W + (r h) U)

The loops over time. tiles/gru.h has a step's arithmetic, loop.pyx the products. Gate rows are [z r] by blocks of units,
the candidate, and h's part of it or r h; so a gate row's regions start at 0, 2 Hp and 3 Hp. Shapes and rules:
kernels/README.md and kernels/reference/gru.py.
"""
import numpy as np

cimport numpy as cnp
from libc.string cimport memcpy

from cellstep.kernels.cells import ACTIVATIONS

from .gradients cimport Rows, input_gradients, recurrent_gradients, running_rows, weight_gradients
from .job cimport (
    Job, Part, at_step, begin, begin_backward, begin_dropout, begin_forward, begin_trace, dz_at, h_at, hd_at,
    load_rows, part_of, run, share_running, store_last, store_rows, z_at,
)
from .loop cimport (
    absorb, before_drop, drop_back, drop_states, emit, emit_rest, meet_all, meet_by_units, project, recur, recur_back,
    trace,
)
from .packed cimport Packed, Tape
from .step cimport Step, begin_block, begin_step, end_step, project_step, recur_step, sum_step, wants_team
from .tiles cimport CS_FROM_BIAS, CS_FROM_C, CS_FROM_ZERO

cnp.import_array()


def gru_supports(dtype, activation, recurrent_activation, reset_after):
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return np.dtype(dtype).char in "fd" and activation in ACTIVATIONS and recurrent_activation in ACTIVATIONS


def gru_pack(W, U, b, activation, recurrent_activation, reset_after, backward):
    """W (I, 3H), U (H, 3H) and b (3H,), (2, 3H) where reset_after, or None, packed; transposes too where `backward`."""
    cdef Packed packed = Packed(W, U, b, activation, recurrent_activation, reset_after, backward, (2, 1))
    packed.step_rows, packed.forward_part = step_rows, forward_part
    packed.maker, packed.options = gru_pack, (activation, recurrent_activation, reset_after)
    return packed


def gru_tape(Packed packed, B, T):
    """An empty tape for B rows of T steps."""
    return Tape(packed, B, T, 1)


cdef inline char *rh_at(Job *j, long t, long b) noexcept nogil:
    """r h, where the reset gate comes before the product: the last region of the gate row."""
    return z_at(j, t, b) + 3 * j.Hp * j.esize


cdef void forward_part(void *job, int thread, int threads) noexcept nogil:
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, thread, threads)
    cdef long t0 = j.t0, t1, t, b0 = p.b0, Hp = j.Hp
    while t0 < j.t1:
        t1 = min(t0 + j.chunk, j.t1)
        project(j, &p, t0, t1)
        for t in range(t0, t1):
            at_step(j, &p, t)
            recur(j, &p, 0, hd_at(j, t, b0), j.hb, z_at(j, t, b0), 0, CS_FROM_C)
            if j.reset_after:
                recur(j, &p, 1, hd_at(j, t, b0), j.hb, z_at(j, t, b0), 3 * Hp, CS_FROM_BIAS)
                j.tiles.gru_after_forward(&p.span, z_at(j, t, b0), h_at(j, t, b0), h_at(j, t + 1, b0))
            else:
                j.tiles.gru_before_gates(&p.span, z_at(j, t, b0), hd_at(j, t, b0))
                meet_by_units(j, &p)
                recur(j, &p, 1, rh_at(j, t, b0), j.zb, z_at(j, t, b0), 2 * Hp, CS_FROM_C)
                j.tiles.gru_before_states(&p.span, z_at(j, t, b0), h_at(j, t, b0), h_at(j, t + 1, b0))
            emit(j, &p, t)
            drop_states(j, &p, t)
            meet_by_units(j, &p)
        t0 = t1
    emit_rest(j, &p)


cdef void backward_part(void *job, int thread, int threads) noexcept nogil:
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, thread, threads)
    cdef Rows rows
    cdef long t0, t1 = j.t1, t, b0, Hp = j.Hp
    cdef char *dh
    cdef char *drh
    cdef char *dhd
    while t1 > j.t0:
        t0 = (t1 - 1) // j.chunk * j.chunk
        share_running(j, &p, t0)
        b0 = p.b0
        dh, drh = j.dh + b0 * j.hb, j.drh + b0 * j.hb
        for t in range(t1 - 1, t0 - 1, -1):
            at_step(j, &p, t)
            absorb(j, &p, t)
            trace(j, &p, t)
            dhd = before_drop(j, &p)
            if j.reset_after:
                j.tiles.gru_after_backward(&p.span, z_at(j, t, b0), dz_at(j, t, b0), h_at(j, t, b0), dh)
                meet_by_units(j, &p)
                recur_back(j, &p, dz_at(j, t, b0), 3 * Hp, Hp, 2 * Hp, dhd, CS_FROM_C)
            else:
                j.tiles.gru_before_dstates(&p.span, z_at(j, t, b0), dz_at(j, t, b0), h_at(j, t, b0), dh)
                meet_by_units(j, &p)
                recur_back(j, &p, dz_at(j, t, b0), 2 * Hp, Hp, 2 * Hp, drh, CS_FROM_ZERO)
                j.tiles.gru_before_dgates(&p.span, z_at(j, t, b0), dz_at(j, t, b0), hd_at(j, t, b0), drh, dhd)
                meet_by_units(j, &p)
            recur_back(j, &p, dz_at(j, t, b0), 0, 2 * Hp, 0, dhd, CS_FROM_C)
            drop_back(j, &p)
        meet_all(j, &p)
        rows = running_rows(j, &p, t0, t1)
        weight_gradients(j, &p, &rows)
        recurrent_gradients(j, &p, &rows, j.hd, rows.h, 0, 2 * Hp, 0)
        if j.reset_after:
            recurrent_gradients(j, &p, &rows, j.hd, rows.h, 3 * Hp, Hp, 2 * Hp)
        else:
            recurrent_gradients(j, &p, &rows, j.z + 3 * Hp * j.esize, rows.z, 2 * Hp, Hp, 2 * Hp)
        input_gradients(j, &p, t0, t1)
        meet_all(j, &p)
        t1 = t0


def gru_forward(Packed packed, x, h0, mask, lengths, drop, y, hT, Tape tape):
    """Run B sequences of T steps; see the reference."""
    cdef Job j
    keep = []
    begin(&j, packed, x, keep)
    begin_forward(&j, mask, lengths, y, tape, 1, x, keep)
    load_rows(&j, j.h, h0)
    begin_dropout(&j, drop, tape, keep)
    run(&j, forward_part, False)
    store_last(&j, j.h, hT)


def gru_backward(Packed packed, Tape tape, dy, dhT, dx, dW, dU, db, dh0, dhs):
    """Gradients from a tape; see the reference."""
    cdef Job j
    keep = []
    begin(&j, packed, tape.x, keep)
    begin_backward(&j, tape, dy, dx, dW is not None, dU is not None, db is not None, keep)
    begin_trace(&j, dhs, None, keep)
    load_rows(&j, j.dh, dhT)
    run(&j, backward_part, True)
    store_rows(&j, j.dh, dh0)
    if dW is not None:
        packed.unpack_add(j.inputs, j.dW, dW)
    if dU is not None:
        packed.unpack_add(j.H, j.dU, dU)
    if db is not None and not j.reset_after:
        packed.unpack_add(1, j.db, db)
    elif db is not None:
        packed.unpack_add(1, j.db, db[0])
        # the recurrent bias shares z and r, and starts h's part of the candidate
        memcpy(j.db + 2 * j.Hp * j.esize, j.db + 3 * j.Hp * j.esize, j.Hp * j.esize)
        packed.unpack_add(1, j.db, db[1])


def gru_read(Packed packed, Tape tape, gates, h):
    """What a tape keeps of its first rows; see the reference."""
    tape.read_gates(packed, gates)
    tape.read_states(packed, tape.h, h)


cdef void step_rows(void *step) noexcept nogil:
    cdef Step *s = <Step *> step
    cdef long b = 0, Hp = s.Hp
    cdef char *hb
    while b < s.B:
        hb = s.h + b * s.hb
        begin_block(s, b)
        if s.reset_after and s.turned:
            sum_step(s, b, hb, 2 * Hp, Hp, 3 * Hp, CS_FROM_BIAS)
        sum_step(s, b, hb, 0, 2 * Hp, 0, CS_FROM_C)
        if s.reset_after:
            if not s.turned:
                sum_step(s, b, hb, 2 * Hp, Hp, 3 * Hp, CS_FROM_BIAS)
            s.tiles.gru_after_forward(&s.span, s.z, hb, hb)
        else:
            s.tiles.gru_before_gates(&s.span, s.z, hb)
            project_step(s, b, 2 * Hp, Hp, 2 * Hp)
            recur_step(s, s.z + 3 * Hp * s.esize, s.zb, 2 * Hp, Hp, 2 * Hp, CS_FROM_C)
            s.tiles.gru_before_states(&s.span, s.z, hb, hb)
        b += s.block


def gru_step(Packed packed, cnp.ndarray x, cnp.ndarray h):
    """One step for B rows, in place: x (B, I) in; h (B, H) in and out."""
    cdef Step s
    if wants_team(packed, x):
        gru_forward(packed, x[:, None], h, None, None, None, None, h, None)
        return
    begin_step(&s, packed, x, h)
    step_rows(&s)
    end_step(&s)
