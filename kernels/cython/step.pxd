# One step for B rows, without a job: what the three cells' step functions are made of.
from libc.stdint cimport uint8_t, uint64_t

cimport numpy as cnp

from .packed cimport Packed
from .tiles cimport CS_FROM_BIAS, CS_LAST_FIRST, cs_panels, cs_span, cs_tiles

cdef enum:
    STACK = 32768


cdef struct Step:
    const cs_tiles *tiles
    cs_panels W, U
    const char *bias
    const char *recurrent_bias
    long B, inputs, H, Hp, columns, esize, block
    bint reset_after
    int turned
    long group  # columns, 0 for all at once
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
cdef void sum_groups(Step *s, long b, const char *h, long first, long columns, long to, int start) noexcept nogil


cdef inline void begin_block(Step *s, long b) noexcept nogil:
    """Point s at the block of rows at b. Blocks take turns in the direction in which they read the weights."""
    s.span.rows = min(s.block, s.B - b)
    s.span.active = s.active + b if s.active != NULL else NULL
    if s.group != 0:
        s.turned ^= CS_LAST_FIRST


cdef inline void project_step(Step *s, long b, long first, long columns, long to) noexcept nogil:
    """z[:, to:] = b + x W for some packed columns of the block of rows at b."""
    s.tiles.gemm(s.span.rows, s.inputs, s.x + b * s.xb, s.xb, &s.W, 0, first, columns, s.z + to * s.esize, s.zb,
                 CS_FROM_BIAS | s.turned, s.bias + to * s.esize)


cdef inline void recur_step(Step *s, const char *a, long lda, long first, long columns, long to,
                            int start) noexcept nogil:
    """z[:, to:] (+)= a U for some packed columns; a (rows, H), usually h."""
    s.tiles.gemm(s.span.rows, s.H, a, lda, &s.U, 0, first, columns, s.z + to * s.esize, s.zb, start | s.turned,
                 s.recurrent_bias + (to - 3 * s.Hp if start == CS_FROM_BIAS else 0) * s.esize)


cdef inline void sum_step(Step *s, long b, const char *h, long first, long columns, long to,
                          int start) noexcept nogil:
    """z[:, first:] = b + x W, then z[:, to:] (+)= h U, for some packed columns of the block of rows at b."""
    if s.group == 0:
        project_step(s, b, first, columns, first)
        recur_step(s, h, s.hb, first, columns, to, start)
    else:
        sum_groups(s, b, h, first, columns, to, start)
