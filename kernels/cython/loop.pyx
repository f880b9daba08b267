# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""What the three cells' loops over time are made of, for one part of a job: products with W, U and U^T, copies of
outputs and their gradients, and the meeting of threads. Weight gradients are in gradients.pyx.
"""
from libc.string cimport memcpy, memset

from .job cimport caller_row, end_of, h_at, hd_at, rows_at, z_at
from .tiles cimport CS_FROM_BIAS, meet


cdef void project_rows(Job *j, Part *p, long M, const char *x, long ldx, char *z, long ldz) noexcept nogil:
    """z = b + x W for M rows, in this part's units of each region."""
    cdef long VL = j.tiles.VL, base = 0, col
    cdef int region
    for region in range(j.regions):
        col = base + j.gates[region] * p.span.j0 * VL
        j.tiles.gemm(M, j.inputs, x, ldx, &j.W, 0, col, j.gates[region] * (p.span.j1 - p.span.j0) * VL,
                     z + col * j.esize, ldz, CS_FROM_BIAS, j.bias + col * j.esize)
        base += j.gates[region] * j.Hp


cdef void project(Job *j, Part *p, long t0, long t1) noexcept nogil:
    """z = b + x W for steps t0 to t1: along rows or along steps, whichever gives the product more rows."""
    cdef long t, b, n, row = j.inputs * j.esize
    cdef char *gather = j.gather + p.thread * j.gather_size
    if p.b1 - p.b0 < t1 - t0:
        for b in range(p.b0, p.b1):
            n = max(0, min(t1, end_of(j, b)) - t0)
            project_rows(j, p, n, j.x + t0 * j.xt + caller_row(j, b) * j.xb, j.xt, z_at(j, t0, b), j.zt)
        return
    for t in range(t0, t1):
        n = rows_at(j, p, t)
        if j.order == NULL:
            project_rows(j, p, n, j.x + t * j.xt + p.b0 * j.xb, j.xb, z_at(j, t, p.b0), j.zb)
            continue
        for b in range(n):
            memcpy(gather + b * row, j.x + j.order[p.b0 + b] * j.xb + t * j.xt, row)
        project_rows(j, p, n, gather, row, z_at(j, t, p.b0), j.zb)


cdef void recur(Job *j, Part *p, int region, const char *a, long lda, char *z, long column, int start) noexcept nogil:
    """z[:, column:] (+)= a U for one region of columns: a (rows, H), usually h."""
    cdef long VL = j.tiles.VL, mine = j.gates[region] * p.span.j0 * VL
    cdef long packed = (0 if region == 0 else j.gates[0] * j.Hp) + mine
    j.tiles.gemm(p.rows, j.H, a, lda, &j.U, 0, packed, j.gates[region] * (p.span.j1 - p.span.j0) * VL,
                 z + (column + mine) * j.esize, j.zb, start | p.turned, j.recurrent_bias + mine * j.esize)


cdef void emit(Job *j, Part *p, long t) noexcept nogil:
    """y at step t: this part's units of h after the step."""
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H), b
    if j.y != NULL and u1 > u0:
        for b in range(p.b0, p.b0 + p.rows):
            memcpy(j.y + caller_row(j, b) * j.yb + t * j.yt + u0 * j.esize, h_at(j, t + 1, b) + u0 * j.esize,
                   (u1 - u0) * j.esize)


cdef void emit_rest(Job *j, Part *p) noexcept nogil:
    """y after each row's last step, once all have run: its last h again."""
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H), b, t
    if j.y != NULL and u1 > u0 and j.ends != NULL and j.t1 == j.T:
        for b in range(p.b0, p.b1):
            for t in range(j.ends[b], j.T):
                memcpy(j.y + j.order[b] * j.yb + t * j.yt + u0 * j.esize, h_at(j, j.ends[b], b) + u0 * j.esize,
                       (u1 - u0) * j.esize)


cdef void absorb(Job *j, Part *p, long t) noexcept nogil:
    """dh += dy at step t, also for rows that ended before: their last h is what y repeats."""
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H), b
    cdef const char *dy = j.dy + t * j.dyt + u0 * j.esize
    cdef char *dh = j.dh + u0 * j.esize
    if j.dy == NULL or u1 <= u0:
        return
    if j.order == NULL:
        j.tiles.add_rows(p.b1 - p.b0, u1 - u0, dh + p.b0 * j.hb, j.hb, dy + p.b0 * j.dyb, j.dyb)
    else:
        for b in range(p.b0, p.b1):
            j.tiles.add_rows(1, u1 - u0, dh + b * j.hb, j.hb, dy + j.order[b] * j.dyb, j.dyb)
        for b in range(p.e0, p.e1):
            j.tiles.add_rows(1, u1 - u0, dh + b * j.hb, j.hb, dy + j.order[b] * j.dyb, j.dyb)


cdef void trace_rows(Job *j, Part *p, const char *src, char *dst, long b0, long b1) noexcept nogil:
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H), b
    for b in range(b0, b1):
        memcpy(dst + caller_row(j, b) * j.dhsb + u0 * j.esize, src + b * j.hb + u0 * j.esize, (u1 - u0) * j.esize)


cdef void trace(Job *j, Part *p, long t) noexcept nogil:
    """Copy what has reached this part's units of h and c after step t to where the caller wants it."""
    if (j.dhs == NULL and j.dcs == NULL) or p.span.j0 * j.tiles.VL >= j.H:
        return
    if j.dhs != NULL:
        trace_rows(j, p, j.dh, j.dhs + t * j.dhst, p.b0, p.b1)
        trace_rows(j, p, j.dh, j.dhs + t * j.dhst, p.e0, p.e1)
    if j.dcs != NULL:
        trace_rows(j, p, j.dc, j.dcs + t * j.dhst, p.b0, p.b1)
        trace_rows(j, p, j.dc, j.dcs + t * j.dhst, p.e0, p.e1)


cdef void recur_back(Job *j, Part *p, const char *dz, long column, long K, long packed, char *dst,
                     int start) noexcept nogil:
    """dst (+)= dz[:, column : column + K] times the rows of U^T from `packed` on; dst (rows, units) at row b0."""
    cdef long u0 = p.span.j0 * j.tiles.VL, n = (p.span.j1 - p.span.j0) * j.tiles.VL
    j.tiles.gemm(p.rows, K, dz + column * j.esize, j.zb, &j.UT, packed, u0, n, dst + u0 * j.esize, j.hb,
                 start | p.turned, NULL)


cdef void drop_states(Job *j, Part *p, long t) noexcept nogil:
    """What recurrent dropout leaves of this part's units of h after step t, for the products of the next step."""
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H), at = p.b0 * j.hb + u0 * j.esize
    if j.drop != NULL and u1 > u0:
        j.tiles.multiply_rows(p.rows, u1 - u0, hd_at(j, t + 1, 0) + at, j.hb, h_at(j, t + 1, 0) + at, j.hb,
                              j.drop + at, j.hb, False)


cdef char *before_drop(Job *j, Part *p) noexcept nogil:
    """Where the gradient of h as products see it adds up, at row b0: in dh, or with recurrent dropout apart, from zero.
    """
    cdef long u0 = p.span.j0 * j.tiles.VL, n = (p.span.j1 - p.span.j0) * j.tiles.VL, b
    if j.drop == NULL:
        return j.dh + p.b0 * j.hb
    for b in range(p.b0, p.b0 + p.rows):
        memset(j.dhd + b * j.hb + u0 * j.esize, 0, n * j.esize)
    return j.dhd + p.b0 * j.hb


cdef void drop_back(Job *j, Part *p) noexcept nogil:
    """dh += drop times what added up apart."""
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H), at = p.b0 * j.hb + u0 * j.esize
    if j.drop != NULL and u1 > u0:
        j.tiles.multiply_rows(p.rows, u1 - u0, j.dh + at, j.hb, j.dhd + at, j.hb, j.drop + at, j.hb, True)


cdef void meet_by_units(Job *j, Part *p) noexcept nogil:
    """Where threads own units: all have written this step before anyone reads it."""
    if p.threads > 1 and not j.by_rows:
        meet(p.thread, p.threads)


cdef void meet_all(Job *j, Part *p) noexcept nogil:
    """Before and after threads read each other's rows."""
    if p.threads > 1:
        meet(p.thread, p.threads)
