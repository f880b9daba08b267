# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""One step for B rows: blocks of rows whose gate rows fit the C stack, so that a step allocates nothing but at large H.

The GIL is kept: releasing it costs more than most steps. A step as long as CALL_NS leaves the second core's cache and
bandwidth unused if it stays alone (LSTM, H 512, batch 1: 293 us); it runs as a sequence of one step.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from .job cimport CALL_NS, nanoseconds
from .tiles cimport CS_LAST_FIRST, cs_float_mode_restore, cs_float_mode_set, threads

cnp.import_array()

cdef enum:
    BLOCK = 6  # rows of the tallest tile
    # bytes of weights from which a step reads them group by group and turns about: steps of 256 and 1024 units take 20
    # and 16 % less time (1 MB of L2, 32 of L3); below it, what is saved is less than the calls cost
    TURNING = 1 << 20
    GROUP = 1 << 16  # bytes of a group


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
    s.turned = 0
    cdef long panel = (p.inputs + p.H) * p.tiles.PANEL * p.esize
    s.group = p.tiles.PANEL * max(1, GROUP // panel) if panel * p.columns > TURNING * p.tiles.PANEL else 0
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
    s.mode = cs_float_mode_set(True)
    # a hint for the cache alone: it does no harm if two threads write it at once
    if s.group != 0:
        s.turned = p.turned
        p.turned ^= CS_LAST_FIRST
    return 0


cdef void end_step(Step *s) noexcept nogil:
    cs_float_mode_restore(s.mode)
    free(s.heap)


cdef void sum_groups(Step *s, long b, const char *h, long first, long columns, long to, int start) noexcept nogil:
    """As sum_step, a group of panels after the other: what one block of rows read last, of W and of U, is what the next
    reads first."""
    cdef long end = first + columns, low = first // s.group, high = (end - 1) // s.group, i, g, at, n
    for i in range(high - low + 1):
        g = high - i if s.turned else low + i
        at = max(first, g * s.group)
        n = min(end, (g + 1) * s.group) - at
        project_step(s, b, at, n, at)
        recur_step(s, h, s.hb, at, n, to + at - first, start)
