# The loop over time, forward and backward, for one part of a job and any cell.
#
# A step is products with U, region by region of the gate rows, and the cell's elementwise tiles; where a product's
# operand is made in the step, both come in two phases. Products with W are made for a chunk of steps at a time, and so
# are the gradients of weights (gradients.pxi). Threads with units of their own wait for each other before one reads
# what another wrote.

cdef void project_rows(Job *j, Part *p, long M, const char *x, long ldx, char *z, long ldz) noexcept nogil:
    """z = b + x W for M rows, in this part's units of each region."""
    cdef long VL = j.w.tiles.VL, col
    cdef const Region *r
    cdef int i
    for i in range(j.w.regions):
        r = &j.w.region[i]
        col = r.first + r.gates * p.span.j0 * VL
        j.w.tiles.gemm(M, j.w.inputs, x, ldx, &j.w.W, 0, col, r.gates * (p.span.j1 - p.span.j0) * VL,
                       z + col * j.w.esize, ldz, CS_FROM_BIAS, j.w.bias + col * j.w.esize)


cdef void project(Job *j, Part *p, long t0, long t1) noexcept nogil:
    """z = b + x W for steps t0 to t1: along rows or along steps, whichever gives the product more rows."""
    cdef long t, b, n, row = j.w.inputs * j.w.esize
    cdef char *gather = j.gather + p.thread * j.gather_size
    cdef char *z
    if p.b1 - p.b0 < t1 - t0:
        for b in range(p.b0, p.b1):
            n = max(0, min(t1, end_of(j, b)) - t0)
            project_rows(j, p, n, row_in(&j.x, caller_row(j, b), t0), j.x.st, j.z + z_at(j, t0) + b * j.zb, j.zt)
        return
    for t in range(t0, t1):
        n = rows_at(j, p, t)
        z = j.z + z_at(j, t) + p.b0 * j.zb
        if j.order == NULL:
            project_rows(j, p, n, row_in(&j.x, p.b0, t), j.x.sb, z, j.zb)
            continue
        for b in range(n):
            memcpy(gather + b * row, row_in(&j.x, j.order[p.b0 + b], t), row)
        project_rows(j, p, n, gather, row, z, j.zb)


cdef inline void at_step(Job *j, Part *p, long t) noexcept nogil:
    """Point a part at step t."""
    cdef long h = p.b0 * j.hb, before = h_at(j, t) + h, after = h_at(j, t + 1) + h
    cdef int k
    p.rows = p.span.rows = rows_at(j, p, t)
    p.span.active = j.active + t * j.B + p.b0 if j.active != NULL else NULL
    p.turned = CS_LAST_FIRST if t % 2 else 0
    p.span.z = j.z + z_at(j, t) + p.b0 * j.zb
    p.span.seen = j.seen + before
    for k in range(j.w.states):
        p.span.before[k], p.span.after[k] = j.before[k] + before, j.state[k] + after


cdef inline void add_products(Job *j, Part *p, int phase) noexcept nogil:
    """The products with U of a phase, added to x's, or to sums of their own."""
    cdef long VL = j.w.tiles.VL, mine, first, columns
    cdef const Region *r
    cdef const char *operand
    cdef int i
    for i in range(j.w.phase_end[phase], j.w.phase_end[phase + 1]):
        r = &j.w.region[i]
        if r.operand == NOTHING:
            continue
        operand = <const char *> p.span.z + j.w.made * j.w.esize if r.operand == MADE else <const char *> p.span.seen
        mine, columns = r.gates * p.span.j0 * VL, r.gates * (p.span.j1 - p.span.j0) * VL
        first = (r.to + mine) * j.w.esize
        j.w.tiles.gemm(p.rows, j.w.H, operand, j.zb if r.operand == MADE else j.hb, &j.w.U, 0, r.first + mine, columns,
                       <char *> p.span.z + first, j.zb, r.start | p.turned, j.w.bias + first)


cdef inline void store_outputs(Job *j, Part *p, long t) noexcept nogil:
    """y at step t: this part's units of h after the step."""
    cdef long u0 = p.u0 * j.w.esize, n = (p.u1 - p.u0) * j.w.esize, b
    cdef const char *h = <const char *> p.span.after[0] + u0
    if j.y.p != NULL and n > 0:
        for b in range(p.rows):
            memcpy(row_in(&j.y, caller_row(j, p.b0 + b), t) + u0, h + b * j.hb, n)


cdef void load_states(Job *j, Part *p, long t) noexcept nogil:
    """This part's units of the states as step t sees them: zeros where a row begins anew; and h as its products see it.
    """
    cdef long u0 = p.u0 * j.w.esize, n = (p.u1 - p.u0) * j.w.esize, rows = rows_at(j, p, t), b, at
    cdef int k
    if n <= 0:
        return
    for k in range(j.w.states if j.resets != NULL else 0):
        for b in range(p.b0, p.b0 + rows):
            at = h_at(j, t) + b * j.hb + u0
            if j.resets[t * j.B + b]:
                memset(j.before[k] + at, 0, n)
            else:
                memcpy(j.before[k] + at, j.state[k] + at, n)
    if j.drop != NULL:
        at = h_at(j, t) + p.b0 * j.hb + u0
        j.w.tiles.multiply_rows(rows, p.u1 - p.u0, j.seen + at, j.hb, j.before[0] + at, j.hb,
                                j.drop + p.b0 * j.hb + u0, j.hb, False)


cdef inline void wait_for_units(Job *j, Part *p) noexcept nogil:
    """Where threads own units: all have written this step before one reads it."""
    if p.threads > 1 and not j.by_rows:
        cs_barrier(p.thread, p.threads)


cdef inline void wait_for_all(Part *p) noexcept nogil:
    """Before and after threads read each other's rows."""
    if p.threads > 1:
        cs_barrier(p.thread, p.threads)


cdef void forward_part(void *job, int thread, int threads) noexcept nogil:
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, thread, threads)
    cdef long t0 = j.t0, t1, t
    cdef int phase
    while t0 < j.t1:
        t1 = min(t0 + j.chunk, j.t1)
        project(j, &p, t0, t1)
        for t in range(t0, t1):
            at_step(j, &p, t)
            for phase in range(j.w.phases):
                if phase > 0:
                    wait_for_units(j, &p)
                add_products(j, &p, phase)
                j.w.cell.forward[phase](&p.span)
            store_outputs(j, &p, t)
            if j.apart and t + 1 < j.T:
                load_states(j, &p, t + 1)
            wait_for_units(j, &p)
        t0 = t1


# ---- backward ----


cdef inline void at_step_back(Job *j, Part *p, long t) noexcept nogil:
    """Point a part at the gradients of step t."""
    cdef long h = p.b0 * j.hb, b
    cdef int k
    at_step(j, p, t)
    p.span.dz = j.dz + (t % j.chunk) * j.zt + p.b0 * j.zb
    for k in range(j.w.states):
        p.span.dstates[k] = j.dstate[k] + h
    p.span.dseen, p.span.dmade = j.dseen + h, j.dmade + h
    if j.drop != NULL:
        for b in range(p.rows):
            memset(j.dseen + h + b * j.hb + p.u0 * j.w.esize, 0, (p.span.j1 - p.span.j0) * j.w.tiles.VL * j.w.esize)


cdef inline void load_gradients(Job *j, Part *p, long t) noexcept nogil:
    """dh += dy at step t, also for rows that ended before: their last h is what y repeats."""
    cdef long n = p.u1 - p.u0, b
    cdef const char *dy = j.dy.p + t * j.dy.st + p.u0 * j.w.esize
    cdef char *dh = j.dstate[0] + p.u0 * j.w.esize
    if j.dy.p == NULL or n <= 0:
        return
    if j.order == NULL:
        j.w.tiles.add_rows(p.b1 - p.b0, n, dh + p.b0 * j.hb, j.hb, dy + p.b0 * j.dy.sb, j.dy.sb)
    else:
        for b in range(p.b0, p.b1):
            j.w.tiles.add_rows(1, n, dh + b * j.hb, j.hb, dy + j.order[b] * j.dy.sb, j.dy.sb)
        for b in range(p.e0, p.e1):
            j.w.tiles.add_rows(1, n, dh + b * j.hb, j.hb, dy + j.order[b] * j.dy.sb, j.dy.sb)


cdef void store_trace_rows(Job *j, Part *p, int k, long t, long b0, long b1) noexcept nogil:
    cdef long u0 = p.u0 * j.w.esize, b
    for b in range(b0, b1):
        memcpy(j.trace[k] + t * j.trace_t + caller_row(j, b) * j.trace_b + u0, j.dstate[k] + b * j.hb + u0,
               (p.u1 - p.u0) * j.w.esize)


cdef inline void store_traces(Job *j, Part *p, long t) noexcept nogil:
    """Copy what has reached this part's units of the states after step t to where the caller wants it."""
    cdef int k
    for k in range(j.w.states):
        if j.trace[k] != NULL and p.u1 > p.u0:
            store_trace_rows(j, p, k, t, p.b0, p.b1)
            store_trace_rows(j, p, k, t, p.e0, p.e1)


cdef inline void products_back(Job *j, Part *p, int phase) noexcept nogil:
    """dz U^T of a phase: added to the gradient of h as products see it, or of the operand that the step made."""
    cdef long u0 = p.span.j0 * j.w.tiles.VL, n = (p.span.j1 - p.span.j0) * j.w.tiles.VL
    cdef const Region *r
    cdef char *into
    cdef int i
    for i in range(j.w.phase_end[phase + 1] - 1, j.w.phase_end[phase] - 1, -1):
        r = &j.w.region[i]
        if r.operand == NOTHING:
            continue
        into = <char *> (p.span.dmade if r.operand == MADE else p.span.dseen)
        j.w.tiles.gemm(p.rows, r.columns, <char *> p.span.dz + r.to * j.w.esize, j.zb, &j.w.UT, r.first, u0, n,
                       into + u0 * j.w.esize, j.hb, (CS_FROM_ZERO if r.operand == MADE else CS_FROM_C) | p.turned, NULL)


cdef inline void leave_step(Job *j, Part *p, long t) noexcept nogil:
    """dh += drop times what added up apart; and zeros where a row began anew, across which no gradient goes."""
    cdef long at = p.b0 * j.hb + p.u0 * j.w.esize, n = p.u1 - p.u0, b
    cdef int k
    if j.drop != NULL and n > 0:
        j.w.tiles.multiply_rows(p.rows, n, j.dstate[0] + at, j.hb, j.dseen + at, j.hb, j.drop + at, j.hb, True)
    if j.resets != NULL and n > 0:
        for b in range(p.rows):
            for k in range(j.w.states if j.resets[t * j.B + p.b0 + b] else 0):
                memset(j.dstate[k] + at + b * j.hb, 0, n * j.w.esize)


cdef void backward_part(void *job, int thread, int threads) noexcept nogil:
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, thread, threads)
    cdef Rows rows
    cdef long t0, t1 = j.t1, t
    cdef int phase
    while t1 > j.t0:
        t0 = (t1 - 1) // j.chunk * j.chunk
        share_running(j, &p, t0)
        for t in range(t1 - 1, t0 - 1, -1):
            load_gradients(j, &p, t)
            store_traces(j, &p, t)
            at_step_back(j, &p, t)
            for phase in range(j.w.phases - 1, -1, -1):
                j.w.cell.backward[phase](&p.span)
                wait_for_units(j, &p)
                products_back(j, &p, phase)
            leave_step(j, &p, t)
        wait_for_all(&p)
        rows = running_rows(j, &p, t0, t1)
        weight_gradients(j, &p, &rows)
        recurrent_gradients(j, &p, &rows)
        input_gradients(j, &p, t0, t1)
        wait_for_all(&p)
        t1 = t0
