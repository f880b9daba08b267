# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""One step for B rows: blocks of rows whose gate rows fit the C stack, so that a step allocates nothing but at large H.

The GIL is kept: releasing it costs more than most steps. A step as long as CALL_NS leaves the second core's cache and
bandwidth unused if it stays alone (LSTM, H 512, batch 1: 293 us); it runs as a sequence of one step.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .job cimport CALL_NS, nanoseconds
from .tiles cimport CS_FROM_BIAS, cs_denormals_flush, cs_denormals_restore, threads

cnp.import_array()

cdef enum:
    BLOCK = 6  # rows of the tallest tile


cdef bint wants_team(Packed p, cnp.ndarray x) noexcept:
    """Whether a step is better run by the loop over time, which has threads."""
    cdef double work = <double> p.columns * (p.inputs + p.H)
    cdef double alone = nanoseconds(p.tiles, x.shape[0], work * x.shape[0], work * p.esize, p.esize)
    return alone >= CALL_NS and threads() > 1


cdef int lay_out(Step *s, Packed p, long B) except -1:
    """Choose the rows of a block and where its gate rows lie. Whoever calls it frees s.heap."""
    s.tiles, s.W, s.U, s.bias, s.recurrent_bias = p.tiles, p.W, p.U, p.bias, p.recurrent_bias
    s.B, s.inputs, s.H, s.Hp, s.columns, s.esize = B, p.inputs, p.H, p.Hp, p.columns, p.esize
    s.active, s.hb, s.reset_after = NULL, p.H * p.esize, p.reset_after
    s.zb = p.width * p.esize
    s.heap = NULL
    s.block = max(1, min(min(s.B, BLOCK), STACK // s.zb))
    cdef size_t at = <size_t> s.stack
    if s.zb > STACK:
        s.heap = <char *> malloc(s.zb + 64)
        if s.heap == NULL:
            raise MemoryError
        at = <size_t> s.heap
    s.z = <char *> ((at + 63) // 64 * 64)
    memset(&s.span, 0, sizeof(cs_span))
    s.span.j1 = p.Hp // p.tiles.VL
    s.span.H, s.span.Hp = p.H, p.Hp
    s.span.ldz, s.span.ldh = s.zb, s.hb
    s.span.act, s.span.rec = p.act, p.rec
    return 0


cdef int begin_step(Step *s, Packed p, cnp.ndarray x, cnp.ndarray h) except -1:
    """Point s at the arrays."""
    lay_out(s, p, x.shape[0])
    s.x, s.xb = <const char *> cnp.PyArray_DATA(x), x.strides[0]
    s.h = <char *> cnp.PyArray_DATA(h)
    s.mode = cs_denormals_flush()
    return 0


cdef void end_step(Step *s) noexcept nogil:
    cs_denormals_restore(s.mode)
    free(s.heap)


cdef void project_step(Step *s, long b) noexcept nogil:
    """z = b + x W for the block of rows at b."""
    s.span.rows = min(s.block, s.B - b)
    s.span.active = s.active + b if s.active != NULL else NULL
    s.tiles.gemm(s.span.rows, s.inputs, s.x + b * s.xb, s.xb, &s.W, 0, 0, s.columns, s.z, s.zb, CS_FROM_BIAS, s.bias)


cdef void recur_step(Step *s, const char *a, long lda, long packed, long columns, long column,
                     int start) noexcept nogil:
    """z[:, column : column + columns] (+)= a U[:, packed : packed + columns]; a (rows, H)."""
    s.tiles.gemm(s.span.rows, s.H, a, lda, &s.U, 0, packed, columns, s.z + column * s.esize, s.zb, start,
                 s.recurrent_bias)
