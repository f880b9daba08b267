# One call's job, and each thread's part of it.
from libc.stdint cimport int64_t, uint8_t

from .packed cimport Packed, Tape
from .tiles cimport CS_LAST_FIRST, cs_panels, cs_span, cs_tiles, cs_work


cdef enum:
    CALL_NS = 25_000  # what a call takes alone below which a second thread costs more than it brings


# Strides in bytes: xb from row to row of x, xt from step to step, and so on. z holds the gate rows of a chunk of steps
# or, on a tape, of all; h and c hold one more step than T, or two in turn.
cdef struct Job:
    const cs_tiles *tiles
    long B, T, inputs, H, Hp, columns, width, esize
    int regions
    int gates[2]
    cs_panels W, U, UT, WT
    const char *bias
    const char *recurrent_bias
    bint reset_after
    int act, rec
    # ragged batches run longest row first. order: the caller's row of each, place: the inverse; ends: a row's steps;
    # running: rows at a step
    const long *order
    const long *place
    const long *ends
    const long *running
    const uint8_t *active
    char *gather
    long gather_size
    long chunk
    long t0, t1  # the steps of this slice, from a multiple of `chunk` on
    double alone  # nanoseconds that the call may take on one thread
    int threads
    bint by_rows
    const char *x
    long xb, xt
    char *y
    long yb, yt
    char *z
    long zb, zt, zsteps
    char *h
    char *c
    long hb, ht, hsteps
    # recurrent dropout: what h is multiplied with (B, Hp), and h multiplied, as h lies; NULL and h itself without
    char *drop
    char *hd
    char *dhd  # backward: one step's (B, Hp)
    # backward only: dh, dc, drh one step's (B, Hp); dz a chunk's gate rows; dW, dU, db sums over packed columns
    const char *dy
    long dyb, dyt
    char *dh
    char *dc
    char *drh
    char *dz
    char *dx
    long dxb, dxt
    # what reaches h and c after each step, in the caller's rows; NULL where it is not wanted
    char *dhs
    char *dcs
    long dhsb, dhst
    char *dW
    char *dU
    char *db
    char *scratch
    long scratch_size


# What one thread does: rows b0 to b1 of the batch, `rows` of them at this step, for the units of its span.
cdef struct Part:
    int thread, threads
    long b0, b1, rows
    long e0, e1  # rows that ended before these steps
    int turned   # CS_LAST_FIRST in every second step
    cs_span span


cdef int begin(Job *j, Packed p, object x, list keep) except -1
cdef int begin_forward(Job *j, object mask, object lengths, object y, Tape tape, int states, object x,
                       list keep) except -1
cdef int begin_backward(Job *j, Tape tape, object dy, object dx, bint dW, bint dU, bint db, list keep) except -1
cdef int begin_trace(Job *j, object dhs, object dcs, list keep) except -1
cdef int begin_dropout(Job *j, object drop, Tape tape, list keep) except -1
cdef int load_rows(Job *j, char *dst, object src) except -1
cdef int store_rows(Job *j, const char *src, object dst) except -1
cdef int store_last(Job *j, const char *slots, object dst) except -1
cdef int run(Job *j, cs_work *work, bint backward) except -1
cdef void plan(Job *j, double row_steps) noexcept nogil
cdef double nanoseconds(const cs_tiles *tiles, long rows, double work, double weights, long esize) noexcept nogil
cdef void team(int wanted, double alone, cs_work *part, void *job) noexcept nogil
cdef Part part_of(Job *j, int thread, int threads) noexcept nogil
cdef void share_running(Job *j, Part *p, long t) noexcept nogil


cdef inline char *z_at(Job *j, long t, long b) noexcept nogil:
    return j.z + (t % j.zsteps) * j.zt + b * j.zb


cdef inline char *h_at(Job *j, long t, long b) noexcept nogil:
    return j.h + (t % j.hsteps) * j.ht + b * j.hb


cdef inline char *hd_at(Job *j, long t, long b) noexcept nogil:
    """h as products with U see it."""
    return j.hd + (t % j.hsteps) * j.ht + b * j.hb


cdef inline char *c_at(Job *j, long t, long b) noexcept nogil:
    return j.c + (t % j.hsteps) * j.ht + b * j.hb


cdef inline char *dz_at(Job *j, long t, long b) noexcept nogil:
    return j.dz + (t % j.chunk) * j.zt + b * j.zb


cdef inline long caller_row(Job *j, long b) noexcept nogil:
    return b if j.order == NULL else j.order[b]


cdef inline long end_of(Job *j, long b) noexcept nogil:
    """Steps that row b runs, masked ones among them."""
    return j.T if j.ends == NULL else j.ends[b]


cdef inline long rows_at(Job *j, Part *p, long t) noexcept nogil:
    """How many of a part's rows run at step t: they are its first ones."""
    return p.b1 - p.b0 if j.running == NULL else max(0, min(j.running[t], p.b1) - p.b0)


cdef inline void at_step(Job *j, Part *p, long t) noexcept nogil:
    """Point a part at step t."""
    p.rows = p.span.rows = rows_at(j, p, t)
    p.span.active = j.active + t * j.B + p.b0 if j.active != NULL else NULL
    p.turned = CS_LAST_FIRST if t % 2 else 0
