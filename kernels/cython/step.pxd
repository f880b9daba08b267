# One step for B rows, without a job: what the three cells' step functions are made of.
from libc.stdint cimport uint8_t, uint64_t

cimport numpy as cnp

from .packed cimport Packed
from .tiles cimport cs_panels, cs_span, cs_tiles

cdef enum:
    STACK = 32768


cdef struct Step:
    const cs_tiles *tiles
    cs_panels W, U
    const char *bias
    const char *recurrent_bias
    long B, inputs, H, Hp, columns, esize, block
    bint reset_after
    const char *x
    long xb
    const uint8_t *active
    char *h
    char *c
    long hb
    char *z
    long zb
    cs_span span
    uint64_t mode
    char *heap
    char stack[STACK + 64]


cdef bint wants_team(Packed p, cnp.ndarray x) noexcept
cdef int lay_out(Step *s, Packed p, long B) except -1
cdef int begin_step(Step *s, Packed p, cnp.ndarray x, cnp.ndarray h) except -1
cdef void end_step(Step *s) noexcept nogil
cdef void project_step(Step *s, long b) noexcept nogil
cdef void recur_step(Step *s, const char *a, long lda, long packed, long columns, long column,
                     int start) noexcept nogil
