# The product that is the output state, where a cell has one: forward, and back to what the step made.

cdef void project_output(const Weights *w, const cs_span *s, int turned) noexcept nogil:
    """The output state of rows that run: the product with R of what the step made. Others keep theirs."""
    cdef const char *z = <const char *> s.z + w.projected * w.esize
    cdef const char *before = <const char *> s.before[0]
    cdef char *after = <char *> s.after[0]
    cdef long n = w.size[0], first = 0, last
    while first < s.rows:
        last = first
        while last < s.rows and (s.active == NULL or s.active[last]):
            last += 1
        w.tiles.gemm(last - first, w.H, z + first * s.ldz, s.ldz, &w.R, 0, 0, n, after + first * s.ldh, s.ldh,
                     CS_FROM_ZERO | turned, NULL)
        while last < s.rows and s.active != NULL and not s.active[last]:
            memmove(after + last * s.ldh, before + last * s.ldh, n * w.esize)
            last += 1
        first = last


cdef void project_back(Job *j, Part *p, long t) noexcept nogil:
    """The gradient of what R multiplied, from that of the output of rows that run; which is kept for dR."""
    cdef const Weights *w = j.w
    cdef char *dh = <char *> p.span.dstates[0]
    cdef char *kept = j.doutput + (t % j.chunk) * j.ht + p.b0 * j.hb
    cdef long b
    w.tiles.gemm(p.rows, w.RT.K, dh, j.hb, &w.RT, 0, 0, w.Hp, <char *> p.span.dz + w.projected * w.esize, j.zb,
                 CS_FROM_ZERO | p.turned, NULL)
    for b in range(p.rows):
        if p.span.active == NULL or p.span.active[b]:
            memcpy(kept + b * j.hb, dh + b * j.hb, j.hb)
            memset(dh + b * j.hb, 0, j.hb)
