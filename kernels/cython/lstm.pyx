# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""LSTM: z = b + x W + h U;  i f g o = rec rec act rec of z;  c' = f c + i g;  h' = o act(c').

The loops over time. tiles/lstm.h has a step's arithmetic, loop.pyx the products. Gate rows are [i f c o] by blocks of
units. Shapes and rules: kernels/README.md and kernels/reference/lstm.py.
"""
import numpy as np

cimport numpy as cnp

from cellstep.kernels.cells import ACTIVATIONS

from .gradients cimport Rows, input_gradients, recurrent_gradients, running_rows, weight_gradients
from .job cimport (
    Job, Part, at_step, begin, begin_backward, begin_dropout, begin_forward, begin_trace, c_at, dz_at, h_at, hd_at,
    load_rows, part_of, run, share_running, store_last, store_rows, z_at,
)
from .loop cimport (
    absorb, before_drop, drop_back, drop_states, emit, emit_rest, meet_all, meet_by_units, project, recur, recur_back,
    trace,
)
from .packed cimport Packed, Tape
from .step cimport Step, begin_block, begin_step, end_step, sum_step, wants_team
from .tiles cimport CS_FROM_C

cnp.import_array()


def lstm_supports(dtype, activation, recurrent_activation):
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return np.dtype(dtype).char in "fd" and activation in ACTIVATIONS and recurrent_activation in ACTIVATIONS


def lstm_pack(W, U, b, activation, recurrent_activation, backward):
    """W (I, 4H), U (H, 4H), b (4H,) or None, packed; with the transposes where `backward`."""
    cdef Packed packed = Packed(W, U, b, activation, recurrent_activation, False, backward, (4,))
    packed.step_rows, packed.forward_part = step_rows, forward_part
    packed.maker, packed.options = lstm_pack, (activation, recurrent_activation)
    return packed


def lstm_tape(Packed packed, B, T):
    """An empty tape for B rows of T steps."""
    return Tape(packed, B, T, 2)


cdef void forward_part(void *job, int thread, int threads) noexcept nogil:
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, thread, threads)
    cdef long t0 = j.t0, t1, t, b0 = p.b0
    while t0 < j.t1:
        t1 = min(t0 + j.chunk, j.t1)
        project(j, &p, t0, t1)
        for t in range(t0, t1):
            at_step(j, &p, t)
            recur(j, &p, 0, hd_at(j, t, b0), j.hb, z_at(j, t, b0), 0, CS_FROM_C)
            j.tiles.lstm_forward(&p.span, z_at(j, t, b0), c_at(j, t, b0), c_at(j, t + 1, b0), h_at(j, t, b0),
                                 h_at(j, t + 1, b0))
            emit(j, &p, t)
            drop_states(j, &p, t)
            meet_by_units(j, &p)
        t0 = t1
    emit_rest(j, &p)


cdef void backward_part(void *job, int thread, int threads) noexcept nogil:
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, thread, threads)
    cdef Rows rows
    cdef long t0, t1 = j.t1, t, b0
    while t1 > j.t0:
        t0 = (t1 - 1) // j.chunk * j.chunk
        share_running(j, &p, t0)
        b0 = p.b0
        for t in range(t1 - 1, t0 - 1, -1):
            at_step(j, &p, t)
            absorb(j, &p, t)
            trace(j, &p, t)
            j.tiles.lstm_backward(&p.span, z_at(j, t, b0), dz_at(j, t, b0), c_at(j, t, b0), c_at(j, t + 1, b0),
                                  j.dh + b0 * j.hb, j.dc + b0 * j.hb)
            meet_by_units(j, &p)
            recur_back(j, &p, dz_at(j, t, b0), 0, j.columns, 0, before_drop(j, &p), CS_FROM_C)
            drop_back(j, &p)
        meet_all(j, &p)
        rows = running_rows(j, &p, t0, t1)
        weight_gradients(j, &p, &rows)
        recurrent_gradients(j, &p, &rows, j.hd, rows.h, 0, j.columns, 0)
        input_gradients(j, &p, t0, t1)
        meet_all(j, &p)
        t1 = t0


def lstm_forward(Packed packed, x, h0, c0, mask, lengths, drop, y, hT, cT, Tape tape):
    """Run B sequences of T steps; see the reference."""
    cdef Job j
    keep = []
    begin(&j, packed, x, keep)
    begin_forward(&j, mask, lengths, y, tape, 2, x, keep)
    load_rows(&j, j.h, h0)
    begin_dropout(&j, drop, tape, keep)
    load_rows(&j, j.c, c0)
    run(&j, forward_part, False)
    store_last(&j, j.h, hT)
    store_last(&j, j.c, cT)


def lstm_backward(Packed packed, Tape tape, dy, dhT, dcT, dx, dW, dU, db, dh0, dc0, dhs, dcs):
    """Gradients from a tape; see the reference."""
    cdef Job j
    keep = []
    begin(&j, packed, tape.x, keep)
    begin_backward(&j, tape, dy, dx, dW is not None, dU is not None, db is not None, keep)
    begin_trace(&j, dhs, dcs, keep)
    load_rows(&j, j.dh, dhT)
    load_rows(&j, j.dc, dcT)
    run(&j, backward_part, True)
    store_rows(&j, j.dh, dh0)
    store_rows(&j, j.dc, dc0)
    if dW is not None:
        packed.unpack_add(j.inputs, j.dW, dW)
    if dU is not None:
        packed.unpack_add(j.H, j.dU, dU)
    if db is not None:
        packed.unpack_add(1, j.db, db)


def lstm_read(Packed packed, Tape tape, gates, h, c):
    """What a tape keeps of its first rows; see the reference."""
    tape.read_gates(packed, gates)
    tape.read_states(packed, tape.h, h)
    tape.read_states(packed, tape.c, c)


cdef void step_rows(void *step) noexcept nogil:
    cdef Step *s = <Step *> step
    cdef long b = 0
    cdef char *hb
    cdef char *cb
    while b < s.B:
        hb, cb = s.h + b * s.hb, s.c + b * s.hb
        begin_block(s, b)
        sum_step(s, b, hb, 0, s.columns, 0, CS_FROM_C)
        s.tiles.lstm_forward(&s.span, s.z, cb, cb, hb, hb)
        b += s.block


def lstm_step(Packed packed, cnp.ndarray x, cnp.ndarray h, cnp.ndarray c):
    """One step for B rows, in place: x (B, I) in; h and c (B, H) in and out."""
    cdef Step s
    if wants_team(packed, x):
        lstm_forward(packed, x[:, None], h, c, None, None, None, None, h, c, None)
        return
    begin_step(&s, packed, x, h)
    s.c = <char *> cnp.PyArray_DATA(c)
    step_rows(&s)
    end_step(&s)
