# Gradients of inputs and weights: large products over the rows of a chunk of steps, while they are still in cache.
#
# Threads share the inputs' or units' rows of a weight gradient, and the rows or steps of dx. Rows that do not run,
# masked or past their end, are left out, so what they hold cannot spread.

# The chunk's running rows, step by step: where each lies, in bytes from j.x, j.seen, j.z, j.dz and j.doutput.
cdef struct Rows:
    long n
    long *x
    long *h
    long *z
    long *dz
    long *dh  # where an output is a projection


cdef Rows running_rows(Job *j, Part *p, long t0, long t1) noexcept nogil:
    """List the rows that run in steps t0 to t1, in this part's scratch."""
    cdef Rows r
    cdef long most = j.chunk * j.B, t, row, b
    r.n = 0
    r.x = <long *> (j.scratch + p.first * j.scratch_size)
    r.h, r.z, r.dz, r.dh = r.x + most, r.x + 2 * most, r.x + 3 * most, r.x + 4 * most
    for t in range(t0, t1):
        for row in range(j.B):
            # in the caller's order: sorting rows must leave no trace in a sum
            b = row if j.place == NULL else j.place[row]
            if t >= end_of(j, b) or (j.active != NULL and not j.active[t * j.B + b]):
                continue
            r.x[r.n] = t * j.x.st + row * j.x.sb
            r.h[r.n] = h_at(j, t) + b * j.hb
            r.z[r.n] = z_at(j, t) + b * j.zb
            r.dz[r.n] = (t % j.chunk) * j.zt + b * j.zb
            if j.doutput != NULL:
                r.dh[r.n] = (t % j.chunk) * j.ht + b * j.hb
            r.n += 1
    return r


cdef char *copies(Job *j, Part *p) noexcept nogil:
    return j.scratch + p.first * j.scratch_size + 5 * j.chunk * j.B * sizeof(long)


cdef void weight_gradients(Job *j, Part *p, Rows *r) noexcept nogil:
    """dW += x^T dz, and db += the sums of dz."""
    cdef long i0 = j.w.inputs * p.first // p.parts, i1 = j.w.inputs * p.end // p.parts, VL = j.w.tiles.VL
    cdef long v0 = j.w.width // VL * p.first // p.parts * VL, v1 = j.w.width // VL * p.end // p.parts * VL
    if j.dW != NULL:
        j.w.tiles.gemm_tn(i1 - i0, r.n, j.x.p + i0 * j.w.esize, r.x, j.dz, r.dz, j.w.columns,
                          j.dW + i0 * j.w.columns * j.w.esize, j.w.columns * j.w.esize, copies(j, p))
    if j.db != NULL:
        j.w.tiles.column_sums(r.n, j.dz + v0 * j.w.esize, r.dz, v1 - v0, j.db + v0 * j.w.esize)


cdef void recurrent_gradients(Job *j, Part *p, Rows *r) noexcept nogil:
    """dU += a^T dz, region by region; a (rows, H) is h as each step's products saw it, or what the step made. And dR.
    """
    cdef long i0 = j.w.U.K * p.first // p.parts, i1 = j.w.U.K * p.end // p.parts
    cdef long n
    cdef const Region *region
    cdef const char *a
    cdef const long *a_at
    cdef int i
    for i in range(j.w.regions if j.dU != NULL else 0):
        region = &j.w.region[i]
        if region.operand == NOTHING:
            continue
        a, a_at = j.seen, r.h
        if region.operand == MADE:
            a, a_at = j.z + region.made * j.w.esize, r.z
        j.w.tiles.gemm_tn(i1 - i0, r.n, a + i0 * j.w.esize, a_at, j.dz + region.to * j.w.esize, r.dz, region.columns,
                          j.dU + (i0 * j.w.columns + region.first) * j.w.esize, j.w.columns * j.w.esize, copies(j, p))
    if j.dR != NULL:
        i0, i1, n = j.w.H * p.first // p.parts, j.w.H * p.end // p.parts, padded(j.w, j.w.size[0])
        j.w.tiles.gemm_tn(i1 - i0, r.n, j.z + (j.w.projected + i0) * j.w.esize, r.z, j.doutput, r.dh, n,
                          j.dR + i0 * n * j.w.esize, n * j.w.esize, copies(j, p))


cdef void input_gradients(Job *j, Part *p, long t0, long t1) noexcept nogil:
    """dx = dz W^T for steps t0 to t1. Threads share rows, or steps where there are few rows."""
    cdef long b0 = 0, b1 = j.B, t, b, n, rows, row = j.w.inputs * j.w.esize, running = j.B
    cdef char *gather = j.gather + p.first * j.gather_size
    cdef char *dz
    if j.dx.p == NULL:
        return
    if j.B >= 8 * p.parts:
        if j.running != NULL:
            running = j.running[t0]
        b0, b1 = running * p.first // p.parts, running * p.end // p.parts
    else:
        t0, t1 = t0 + (t1 - t0) * p.first // p.parts, t0 + (t1 - t0) * p.end // p.parts
    if b1 - b0 >= t1 - t0:
        for t in range(t0, t1):
            dz = j.dz + (t % j.chunk) * j.zt + b0 * j.zb
            if j.order == NULL:
                j.w.tiles.gemm(b1 - b0, j.w.columns, dz, j.zb, &j.w.WT, 0, 0, j.w.inputs,
                               row_in(&j.dx, b0, t), j.dx.sb, CS_FROM_ZERO, NULL)
                continue
            rows = max(0, min(j.running[t], b1) - b0)
            j.w.tiles.gemm(rows, j.w.columns, dz, j.zb, &j.w.WT, 0, 0, j.w.inputs, gather, row, CS_FROM_ZERO, NULL)
            for b in range(rows):
                memcpy(row_in(&j.dx, j.order[b0 + b], t), gather + b * row, row)
    else:
        for b in range(b0, b1):
            n = max(0, min(t1, end_of(j, b)) - t0)
            j.w.tiles.gemm(n, j.w.columns, j.dz + (t0 % j.chunk) * j.zt + b * j.zb, j.zt, &j.w.WT, 0, 0, j.w.inputs,
                           row_in(&j.dx, caller_row(j, b), t0), j.dx.st, CS_FROM_ZERO, NULL)
