# The loop over time, forward and backward, for one part of a job and any cell.
#
# A step is products with U, region by region of the gate rows, and the cell's elementwise tiles; where a product's
# operand is made in the step, both come in two phases. Products with W are made for a chunk of steps at a time, and so
# are the gradients of weights (gradients.pxi). Threads that share units are a gang (tiles/gang.h): what lies between
# two places where one reads what another wrote is a phase of it.

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
    cdef char *gather = j.gather + p.first * j.gather_size
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


cdef inline const char *operand_of(Job *j, Part *p, const Region *r, const char *z) noexcept nogil:
    """What a product with U has on its left."""
    return z + r.made * j.w.esize if r.operand == MADE else <const char *> p.span.seen


cdef inline void add_products(Job *j, Part *p, int phase, long rows, char *z, long ldz) noexcept nogil:
    """The products with U of a phase, added to x's, or to sums of their own, in these rows of z."""
    cdef long VL = j.w.tiles.VL, mine, first, columns
    cdef const Region *r
    cdef const char *operand
    cdef int i
    for i in range(j.w.phase_end[phase], j.w.phase_end[phase + 1]):
        r = &j.w.region[i]
        if r.operand == NOTHING:
            continue
        operand = operand_of(j, p, r, z)
        mine, columns = r.gates * p.span.j0 * VL, r.gates * (p.span.j1 - p.span.j0) * VL
        first = (r.to + mine) * j.w.esize
        j.w.tiles.gemm(rows, j.w.U.K, operand, ldz if r.operand == MADE else j.hb, &j.w.U, 0, r.first + mine,
                       columns, z + first, ldz, r.start | p.turned, j.w.bias + first)


cdef inline void lone_phase(Job *j, Part *p, int phase) noexcept nogil:
    """The products of a phase of one row, and what follows from them, a panel's units at a time."""
    cdef cs_lone_product products[16]
    cdef cs_lone_product *one
    cdef const Region *r
    cdef int i, n = 0
    for i in range(j.w.phase_end[phase], j.w.phase_end[phase + 1]):
        r = &j.w.region[i]
        if r.operand == NOTHING:
            continue
        one = &products[n]
        n += 1
        one.a = operand_of(j, p, r, <const char *> p.span.z)
        one.first, one.gates, one.start = r.first, r.gates, r.start
        one.sums, one.bias = <char *> p.span.z + r.to * j.w.esize, j.w.bias + r.to * j.w.esize
    j.w.tiles.lone_phase(&p.span, &j.w.U, n, products, p.turned,
                         cs_this_machine(j.w.tiles, False).l2, j.w.cell.forward[phase])


cdef inline void store_outputs(Job *j, Part *p, long t) noexcept nogil:
    """y at step t: this part's units of h after the step."""
    cdef long u0 = p.u0 * j.w.esize, n = p.n[0] * j.w.esize, b
    cdef const char *h = <const char *> p.span.after[0] + u0
    if j.y.p != NULL and n > 0:
        for b in range(p.rows):
            memcpy(row_in(&j.y, caller_row(j, p.b0 + b), t) + u0, h + b * j.hb, n)


cdef void load_states(Job *j, Part *p, long t) noexcept nogil:
    """This part's units of the states as step t sees them: zeros where a row begins anew; and h as its products see it.
    """
    cdef long u0 = p.u0 * j.w.esize, rows = rows_at(j, p, t), b, at, n
    cdef int k
    if p.n[0] <= 0:
        return
    for k in range(j.w.states if j.resets != NULL else 0):
        n = p.n[k] * j.w.esize
        for b in range(p.b0, p.b0 + rows):
            at = h_at(j, t) + b * j.hb + u0
            if j.resets[t * j.B + b]:
                memset(j.before[k] + at, 0, n)
            else:
                memcpy(j.before[k] + at, j.state[k] + at, n)
    if j.drop != NULL:
        at = h_at(j, t) + p.b0 * j.hb + u0
        j.w.tiles.multiply_rows(rows, p.n[0], j.seen + at, j.hb, j.before[0] + at, j.hb,
                                j.drop + p.b0 * j.hb + u0, j.hb, False)


cdef inline void begin_step(Job *j, Part *p, long t) noexcept nogil:
    """Point a part at step t, before a chunk's first one with the products with W."""
    if t % j.chunk == 0:
        project(j, p, t, min(t + j.chunk, j.t1))
    if j.kept != NULL and t % j.every == 0:
        store_kept(j, p, t, False)
    at_step(j, p, t)


cdef inline void run_phase(Job *j, Part *p, int phase) noexcept nogil:
    if p.rows == 1 and not j.w.whole_rows:
        lone_phase(j, p, phase)
        return
    add_products(j, p, phase, p.rows, <char *> p.span.z, j.zb)
    j.w.cell.forward[phase](&p.span)


cdef inline void end_step(Job *j, Part *p, long t) noexcept nogil:
    if j.w.projects:
        project_output(j.w, &p.span, p.turned)
    store_outputs(j, p, t)
    if j.apart and t + 1 < j.T:
        load_states(j, p, t + 1)


cdef inline void forward_step(Job *j, Part *p, long t) noexcept nogil:
    """Step t of a part that waits for no other."""
    cdef int phase
    begin_step(j, p, t)
    for phase in range(j.w.phases):
        run_phase(j, p, phase)
    end_step(j, p, t)


cdef void forward_steps(Job *j, Part *p, long t0, long t1) noexcept nogil:
    """Steps t0 to t1, whole chunks, of a part that waits for no other."""
    cdef long t
    for t in range(t0, t1):
        if not j.w.chunked:
            forward_step(j, p, t)
        elif t % j.chunk == 0:
            chunk_forward(j, p, 0, t, min(t + j.chunk, t1))
            chunk_forward(j, p, 1, t, min(t + j.chunk, t1))


cdef void forward_part(void *job, int thread, int most) noexcept nogil:
    """All on one thread."""
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, 0, 1, 1)
    forward_steps(j, &p, j.t0, j.t1)


cdef void forward_block(cs_progress *block, int64_t t0, int64_t t1) noexcept nogil:
    """Some steps of a block of rows, or of units that need no others."""
    cdef Job *j = <Job *> block.job
    cdef int i = block - j.block
    cdef Part p = part_of(j, i, i + 1, j.threads)
    forward_steps(j, &p, t0, t1)


cdef void step_piece(void *job, int piece, int pieces) noexcept nogil:
    """Some units of one phase of a lone step."""
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, piece, piece + 1, pieces)
    if j.phase == 0:
        project(j, &p, 0, 1)
    at_step(j, &p, 0)
    p.turned = CS_LAST_FIRST if j.turned else 0
    add_products(j, &p, j.phase, p.rows, <char *> p.span.z, j.zb)
    j.w.cell.forward[j.phase](&p.span)
    if j.phase == j.w.phases - 1:
        store_outputs(j, &p, 0)


# ---- backward ----


cdef inline void at_step_back(Job *j, Part *p, long t) noexcept nogil:
    """Point a part at the gradients of step t."""
    cdef long h = p.b0 * j.hb
    cdef int k
    at_step(j, p, t)
    p.span.dz = j.dz + (t % j.chunk) * j.zt + p.b0 * j.zb
    for k in range(j.w.states):
        p.span.dstates[k] = j.dstate[k] + h
    p.span.dseen, p.span.dmade = j.dseen + h, j.dmade + h


cdef inline void clear_dropped(Job *j, Part *p) noexcept nogil:
    """With recurrent dropout the gradient of h as products see it adds up apart."""
    cdef char *into = j.dseen + p.b0 * j.hb + p.u0 * j.w.esize
    cdef long b
    for b in range(p.rows if j.drop != NULL else 0):
        memset(into + b * j.hb, 0, padded(j.w, p.n[0]) * j.w.esize)


cdef inline void load_gradients(Job *j, Part *p, long t) noexcept nogil:
    """dh += dy at step t, also for rows that ended before: their last h is what y repeats."""
    cdef long n = p.n[0], b
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
    cdef long u0 = p.u0 * j.w.esize, row = j.w.size[k] * j.w.esize, b
    for b in range(b0, b1):
        memcpy(j.trace[k] + (caller_row(j, b) * j.T + t) * row + u0, j.dstate[k] + b * j.hb + u0, p.n[k] * j.w.esize)


cdef inline void store_traces(Job *j, Part *p, long t, int first, int end) noexcept nogil:
    """Copy what has reached this part's units of some states after step t to where the caller wants it."""
    cdef int k
    for k in range(first, end):
        if j.trace[k] != NULL and p.u1 > p.u0:
            store_trace_rows(j, p, k, t, p.b0, p.b1)
            store_trace_rows(j, p, k, t, p.e0, p.e1)


cdef inline void products_back(Job *j, Part *p, int phase, long rows, char *dz, long ldz) noexcept nogil:
    """dz U^T of a phase: added to the gradient of h as products see it, or that of the operand that the step made."""
    cdef long ld
    cdef long u0 = p.span.j0 * j.w.tiles.VL, n = padded(j.w, p.n[0])
    cdef const Region *r
    cdef char *into
    cdef int i, start
    for i in range(j.w.phase_end[phase + 1] - 1, j.w.phase_end[phase] - 1, -1):
        r = &j.w.region[i]
        if r.operand == NOTHING:
            continue
        into, ld, start = <char *> p.span.dseen, j.hb, CS_FROM_C
        if r.operand == MADE:
            if i == j.w.phase_end[phase + 1] - 1 or r.made != (r + 1).made:
                start = CS_FROM_ZERO
            into = <char *> p.span.dmade
            if j.w.chunked:
                into, ld = dz + r.made * j.w.esize, ldz
        j.w.tiles.gemm(rows, r.columns, dz + r.to * j.w.esize, ldz, &j.w.UT, r.first, u0, n,
                       into + u0 * j.w.esize, ld, start | p.turned, NULL)


cdef inline void leave_step(Job *j, Part *p, long t) noexcept nogil:
    """dh += drop times what added up apart; and zeros where a row began anew, across which no gradient goes."""
    cdef long at = p.b0 * j.hb + p.u0 * j.w.esize, n = p.n[0], b
    cdef int k
    if j.drop != NULL and n > 0:
        j.w.tiles.multiply_rows(p.rows, n, j.dstate[0] + at, j.hb, j.dseen + at, j.hb, j.drop + at, j.hb, True)
    if j.resets != NULL and n > 0:
        for b in range(p.rows):
            # a late output's is not that of this step, and has been cleared
            for k in range(1 if j.w.chunked else 0, j.w.states if j.resets[t * j.B + p.b0 + b] else 0):
                memset(j.dstate[k] + at + b * j.hb, 0, p.n[k] * j.w.esize)


cdef inline void begin_back(Job *j, Part *p, long t) noexcept nogil:
    """Point a part at the gradients of step t."""
    share_running(j, p, t // j.chunk * j.chunk)
    at_step_back(j, p, t)


cdef inline void run_phase_back(Job *j, Part *p, long t, int phase) noexcept nogil:
    """What lies between two places where others have to be through: the elementwise part of a phase of step t, behind
    the products of the one after it; from the last one down to -1, with the products of the first one."""
    if phase == j.w.phases - 1:
        load_gradients(j, p, t)
        store_traces(j, p, t, 0, j.w.states)
        clear_dropped(j, p)
        if j.w.projects:
            project_back(j, p, t)
    else:
        products_back(j, p, phase + 1, p.rows, <char *> p.span.dz, j.zb)
    if phase >= 0:
        j.w.cell.backward[phase](&p.span)
    else:
        leave_step(j, p, t)


cdef inline void enter_step(Job *j, Part *p, long t) noexcept nogil:
    """Step t of a part that waits for no other, but for the first phase's products."""
    cdef int phase
    begin_back(j, p, t)
    for phase in range(j.w.phases - 1, -1, -1):
        run_phase_back(j, p, t, phase)


cdef inline void chunk_gradients(Job *j, Part *p, long t0) noexcept nogil:
    """Of weights, for the chunk that begins at t0, and of inputs, as far as it is in this slice."""
    cdef Rows rows = running_rows(j, p, t0, min(t0 + j.chunk, j.T))
    weight_gradients(j, p, &rows)
    recurrent_gradients(j, p, &rows)
    input_gradients(j, p, t0, min(t0 + j.chunk, j.t1))


cdef void backward_part(void *job, int thread, int most) noexcept nogil:
    """All on one thread."""
    cdef Job *j = <Job *> job
    cdef Part p = part_of(j, 0, 1, 1)
    cdef Job again
    cdef long t, t1 = j.t1
    for t in range(j.t1 - 1, j.t0 - 1, -1):
        if ends_recomputed(j, t + 1):
            again = recomputed(j, t + 1)
            forward_part(&again, 0, 1)
        if not j.w.chunked:
            enter_step(j, &p, t)
            run_phase_back(j, &p, t, -1)
        elif t == j.t0 or t % j.chunk == 0:
            chunk_backward(j, &p, 1, t, t1)
            chunk_backward(j, &p, 0, t, t1)
            t1 = t
        if t % j.chunk == 0:
            chunk_gradients(j, &p, t)
