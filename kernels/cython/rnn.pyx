# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""SimpleRNN: z = b + x W + h U;  h' = act(z).

The loops over time. tiles/rnn.h has a step's arithmetic, loop.pyx the products. A gate row is z, then h. Shapes and
rules: kernels/README.md and kernels/reference/rnn.py.
"""
import numpy as np

cimport numpy as cnp

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
from .step cimport Step, begin_block, begin_step, end_step, sum_step, wants_team
from .tiles cimport CS_FROM_C

cnp.import_array()


def rnn_supports(dtype, activation):
    """True where this backend runs these options: float32 and float64, every activation of the contract."""
    return np.dtype(dtype).char in "fd" and activation in ACTIVATIONS


def rnn_pack(W, U, b, activation, backward):
    """W (I, H), U (H, H), b (H,) or None, packed; with the transposes where `backward`."""
    cdef Packed packed = Packed(W, U, b, activation, "", False, backward, (1,))
    packed.step_rows, packed.forward_part = step_rows, forward_part
    packed.maker, packed.options = rnn_pack, (activation,)
    return packed


def rnn_tape(Packed packed, B, T):
    """An empty tape for B rows of T steps."""
    return Tape(packed, B, T, 1)


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
            j.tiles.rnn_forward(&p.span, z_at(j, t, b0), h_at(j, t, b0), h_at(j, t + 1, b0))
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
            j.tiles.rnn_backward(&p.span, z_at(j, t, b0), dz_at(j, t, b0), j.dh + b0 * j.hb)
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


def rnn_forward(Packed packed, x, h0, mask, lengths, drop, y, hT, Tape tape):
    """Run B sequences of T steps; see the reference."""
    cdef Job j
    keep = []
    begin(&j, packed, x, keep)
    begin_forward(&j, mask, lengths, y, tape, 1, x, keep)
    load_rows(&j, j.h, h0)
    begin_dropout(&j, drop, tape, keep)
    run(&j, forward_part, False)
    store_last(&j, j.h, hT)


def rnn_backward(Packed packed, Tape tape, dy, dhT, dx, dW, dU, db, dh0, dhs):
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
    if db is not None:
        packed.unpack_add(1, j.db, db)


def rnn_read(Packed packed, Tape tape, gates, h):
    """What a tape keeps of its first rows; see the reference."""
    tape.read_gates(packed, gates)
    tape.read_states(packed, tape.h, h)


cdef void step_rows(void *step) noexcept nogil:
    cdef Step *s = <Step *> step
    cdef long b = 0
    cdef char *hb
    while b < s.B:
        hb = s.h + b * s.hb
        begin_block(s, b)
        sum_step(s, b, hb, 0, s.columns, 0, CS_FROM_C)
        s.tiles.rnn_forward(&s.span, s.z, hb, hb)
        b += s.block


def rnn_step(Packed packed, cnp.ndarray x, cnp.ndarray h):
    """One step for B rows, in place: x (B, I) in; h (B, H) in and out."""
    cdef Step s
    if wants_team(packed, x):
        rnn_forward(packed, x[:, None], h, None, None, None, None, h, None)
        return
    begin_step(&s, packed, x, h)
    step_rows(&s)
    end_step(&s)
