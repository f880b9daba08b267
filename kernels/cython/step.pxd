# One step for B rows, without a job.
from libc.stdint cimport uint8_t

from .packed cimport Packed, Weights
from .tiles cimport cs_span

cdef enum:
    STACK = 32768


# Where the sums of a region lie, of x and of h or what the step made, and what they begin with.
cdef struct Sums:
    char *x
    char *h
    const char *x_bias
    const char *h_bias


cdef struct Step:
    const Weights *w
    long B, block
    int turned
    long group             # columns, 0 for all at once
    const char *x          # (B, inputs)
    long xb
    const uint8_t *active  # (B,) or NULL
    char *state[4]         # CELL_STATES: (B, H) each, changed in place
    long hb
    Sums sums[4]           # REGIONS
    cs_span span
    char *heap
    char stack[STACK + 64]


cdef int lay_out(Step *s, Packed p, long B) except -1
cdef void at_block(Step *s, long b) noexcept nogil
cdef void step_rows(Step *s) noexcept nogil
