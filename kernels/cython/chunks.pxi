# A cell whose products serve its output alone, which no step sees of the one before (`has_late_output` of
# equations/program.py), runs a phase for a whole chunk of steps and then the other: so products with U are as large as
# those with W. Its states but the output are of the first phase, the output of the last; what both write lies in the
# chunk's gate rows, and sums are made in the order in which steps one by one make them.

cdef void chunk_forward(Job *j, Part *p, int phase, long t0, long t1) noexcept nogil:
    """A phase of steps t0 to t1, which are a chunk."""
    cdef bint along_steps = p.b1 - p.b0 < t1 - t0
    cdef long t, b
    if phase == 0:
        project(j, p, t0, t1)
    for b in range(p.b0, p.b1 if phase and along_steps else p.b0):
        add_products(j, p, phase, max(0, min(t1, end_of(j, b)) - t0), j.z + z_at(j, t0) + b * j.zb, j.zt)
    for t in range(t0, t1):
        at_step(j, p, t)
        if phase:
            if j.kept != NULL and t % j.every == 0:
                store_kept(j, p, t, False)
            if not along_steps:
                add_products(j, p, phase, p.rows, <char *> p.span.z, j.zb)
        j.w.cell.forward[phase](&p.span)
        if phase:
            store_outputs(j, p, t)
        if j.apart and t + 1 < j.T:
            load_states(j, p, t + 1)


cdef void chunk_phase(void *job, int64_t at, int first, int end) noexcept nogil:
    """A gang's phase of a chunk, of some parts of the units."""
    cdef Job *j = <Job *> job
    cdef long t0 = j.t0 + at // 2 * j.chunk
    cdef Part p = part_of(j, first, end, j.parts)
    chunk_forward(j, &p, at % 2, t0, min(t0 + j.chunk, j.t1))


cdef void chunk_backward(Job *j, Part *p, int phase, long t0, long t1) noexcept nogil:
    """A phase of steps t1 - 1 to t0, all that are left of a chunk or its last ones."""
    cdef bint along_steps = p.b1 - p.b0 < t1 - t0
    cdef long t, b
    share_running(j, p, t0)
    for b in range(p.b0, p.b1 if phase == 0 and along_steps else p.b0):
        products_back(j, p, 1, max(0, min(t1, end_of(j, b)) - t0), j.dz + (t0 % j.chunk) * j.zt + b * j.zb, j.zt)
    for t in range(t1 - 1, t0 - 1, -1):
        begin_back(j, p, t)
        if phase:
            load_gradients(j, p, t)
            store_traces(j, p, t, 0, 1)
        else:
            store_traces(j, p, t, 1, j.w.states)
            if not along_steps:
                products_back(j, p, 1, p.rows, <char *> p.span.dz, j.zb)
        j.w.cell.backward[phase](&p.span)
        if phase == 0:
            leave_step(j, p, t)


cdef int64_t next_chunk(void *job, int64_t at, int *together) noexcept nogil:
    """A gang's phases where each runs for a chunk of steps: the last one, the first one, and the chunk's gradients."""
    together[0] = True
    return at


cdef void chunk_phase_back(void *job, int64_t at, int first, int end) noexcept nogil:
    cdef Job *j = <Job *> job
    cdef long t0 = j.t0 + (chunks_of(j) - 1 - at // 3) * j.chunk
    cdef Part p = part_of(j, first, end, j.parts)
    if at % 3 < 2:
        chunk_backward(j, &p, 1 - at % 3, t0, min(t0 + j.chunk, j.t1))
        return
    begin_back(j, &p, t0)
    chunk_gradients(j, &p, t0)
