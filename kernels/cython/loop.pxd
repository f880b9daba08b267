# One call's job, each thread's part of it, and the products that the cells' loops are made of.
from libc.stdint cimport int64_t, uint8_t

from .packed cimport Packed, Tape
from .tiles cimport cs_barrier, cs_span, cs_tiles, cs_work


# Strides in bytes: xb from row to row of x, xt from step to step, and so on. z holds the gate rows of a chunk of steps
# or, on a tape, of all; h and c hold one more step than T, or two in turn.
cdef struct Job:
    const cs_tiles *tiles
    long B, T, inputs, H, Hp, columns, width, esize
    int regions
    int gates[2]
    const char *W
    const char *U
    const char *bias
    const char *recurrent_bias
    const char *UT
    const char *WT
    bint reset_after
    int act, rec
    const uint8_t *active
    long chunk
    double work  # multiply-adds of a pass
    int threads
    bint by_rows
    cs_barrier barrier
    const char *x
    long xb, xt
    char *y
    long yb, yt
    char *z
    long zb, zt, zsteps
    char *h
    char *c
    long hb, ht, hsteps
    # backward only: dh, dc, drh one step's (B, Hp); dz a chunk's gate rows; dW, dU, db sums over packed columns
    const char *dy
    long dyb, dyt
    char *dh
    char *dc
    char *drh
    char *dz
    char *dx
    long dxb, dxt
    char *dW
    char *dU
    char *db
    char *scratch
    long scratch_size


# What one thread does: rows b0 to b1 of the batch, for the units of its span.
cdef struct Part:
    int threads
    long b0, b1
    cs_span span


# ---- with the GIL: around the loops ----
cdef int begin(Job *j, Packed p, object x, list keep) except -1
cdef int begin_forward(Job *j, object mask, object lengths, object y, Tape tape, int states, object x,
                       list keep) except -1
cdef int begin_backward(Job *j, Packed p, Tape tape, object dy, object dx, bint dW, bint dU, bint db, int states,
                        list keep) except -1
cdef int load_rows(Job *j, char *dst, object src) except -1
cdef int store_rows(Job *j, const char *src, object dst) except -1
cdef int run(Job *j, cs_work *work) except -1

# ---- without it: inside the loops ----
cdef Part part_of(Job *j, int thread, int threads) noexcept nogil
cdef void project(Job *j, Part *p, long t0, long t1) noexcept nogil
cdef void recur(Job *j, Part *p, int region, const char *a, long lda, char *z, long column, int start) noexcept nogil
cdef void emit(Job *j, Part *p, long t) noexcept nogil
cdef void absorb(Job *j, Part *p, long t) noexcept nogil
cdef void recur_back(Job *j, Part *p, const char *dz, long column, long K, long packed, char *dst,
                     int start) noexcept nogil
cdef void input_gradients(Job *j, int thread, int threads, long t0, long t1) noexcept nogil
cdef void weight_gradients(Job *j, int thread, int threads, long t0, long t1) noexcept nogil
cdef void recurrent_gradients(Job *j, int thread, int threads, long t0, long t1, const char *a, long at, long ab,
                              long column, long columns, long packed) noexcept nogil
cdef void meet_by_units(Job *j, Part *p) noexcept nogil
cdef void meet_all(Job *j, Part *p) noexcept nogil


cdef inline char *z_at(Job *j, long t, long b) noexcept nogil:
    return j.z + (t % j.zsteps) * j.zt + b * j.zb


cdef inline char *h_at(Job *j, long t, long b) noexcept nogil:
    return j.h + (t % j.hsteps) * j.ht + b * j.hb


cdef inline char *c_at(Job *j, long t, long b) noexcept nogil:
    return j.c + (t % j.hsteps) * j.ht + b * j.hb


cdef inline char *dz_at(Job *j, long t, long b) noexcept nogil:
    return j.dz + (t % j.chunk) * j.zt + b * j.zb


cdef inline void at_step(Job *j, Part *p, long t) noexcept nogil:
    """Point the span's row flags at step t."""
    p.span.active = j.active + t * j.B + p.b0 if j.active != NULL else NULL
