# One call's job, and each thread's part of it.
from libc.stdint cimport uint8_t

from .packed cimport CELL_STATES, Packed, Weights
from .tiles cimport CS_LAST_FIRST, cs_span, cs_tiles, cs_work


cdef enum:
    CALL_NS = 25_000  # what a call takes alone below which a second thread costs more than it brings


# Strides in bytes: xb from row to row of x, xt from step to step, and so on.
cdef struct Job:
    const Weights *w
    long B, T
    # ragged batches run longest row first. order: the caller's row of each, place: the inverse; ends: a row's steps;
    # running: rows at a step
    const long *order
    const long *place
    const long *ends
    const long *running
    const uint8_t *active  # (T, B): does the row run at the step? NULL where all do
    const uint8_t *resets  # (T, B): does it run, from states of zeros? NULL where none does
    char *gather           # each thread's: a step's rows of x or dx (B, inputs), in the order in which they run
    long gather_size
    long chunk
    long t0, t1            # the steps of this slice, from a multiple of `chunk` on
    double alone           # nanoseconds that the call may take on one thread
    int threads
    bint by_rows
    const char *x          # (B, T, inputs)
    long xb, xt
    char *y                # (B, T, H) or NULL
    long yb, yt
    char *z                # gate rows (zsteps, B, width): of a chunk of steps or, on a tape, of all
    long zb, zt, zsteps
    char *state[4]         # CELL_STATES: (hsteps, B, Hp) after each step, the initial ones first; T + 1, or two in turn
    char *before[4]        # the same as steps see them: apart where there are resets
    char *seen             # h as products see it: before[0], or apart with recurrent dropout
    char *drop             # (B, Hp): what h is multiplied with before products; NULL where with nothing
    long hb, ht, hsteps
    bint apart             # whether anything of `before` and `seen` is
    # backward alone
    const char *dy         # (B, T, H) or NULL
    long dyb, dyt
    char *dz               # gradients of gate rows (chunk, B, width)
    char *dstate[4]        # (B, Hp), of one step at a time, as are the next two
    char *dseen            # dstate[0], or apart with recurrent dropout
    char *dmade
    char *dx               # (B, T, inputs) or NULL
    long dxb, dxt
    char *trace[4]         # (B, T, H) or NULL: what reaches each state after each step
    long trace_b, trace_t
    char *dW               # (inputs, columns), (H, columns) and (width,), or NULL: sums over packed columns
    char *dU
    char *db
    char *scratch          # each thread's: where the rows of a chunk lie, and copies for gemm_tn
    long scratch_size


# What one thread does: rows b0 to b1 of the batch, `rows` of them at this step, for the units of its span.
cdef struct Part:
    int thread, threads
    long b0, b1, rows
    long e0, e1      # rows that ended before these steps
    long u0, u1      # its units
    int turned       # CS_LAST_FIRST in every second step
    cs_span span


cdef void size(Job *j, const Weights *w, long B, long T) noexcept nogil
cdef void plan(Job *j, double row_steps) noexcept nogil
cdef double nanoseconds(const cs_tiles *tiles, long rows, double work, double weights, long esize) noexcept nogil
cdef int run(Job *j, cs_work *work, bint backward) except -1
cdef Part part_of(Job *j, int thread, int threads) noexcept nogil
cdef void share_running(Job *j, Part *p, long t) noexcept nogil


cdef inline long caller_row(Job *j, long b) noexcept nogil:
    return b if j.order == NULL else j.order[b]


cdef inline long end_of(Job *j, long b) noexcept nogil:
    """Steps that row b runs, masked ones among them."""
    return j.T if j.ends == NULL else j.ends[b]


cdef inline long rows_at(Job *j, Part *p, long t) noexcept nogil:
    """How many of a part's rows run at step t: they are its first ones."""
    return p.b1 - p.b0 if j.running == NULL else max(0, min(j.running[t], p.b1) - p.b0)


cdef inline long z_at(Job *j, long t) noexcept nogil:
    """Where the gate rows of step t begin."""
    return (t % j.zsteps) * j.zt


cdef inline long h_at(Job *j, long t) noexcept nogil:
    """Where the states before step t begin."""
    return (t % j.hsteps) * j.ht
