# A forward or a backward pass over sequences: where it reads and writes, its run, and what comes of it.
#
# Shapes and rules: kernels/README.md. `keep` holds what a job points to; of the caller's arrays those a tape needs.

cdef object sort_rows(Job *j, lengths, list keep):
    """Longest row first, equal ones as the caller has them. Returns the order."""
    order = np.argsort(-lengths, kind="stable")
    ends = lengths[order]
    # rows that run at step t: those that end after it
    running = j.B - np.searchsorted(ends[::-1], np.arange(j.T), side="right")
    lists = np.concatenate([order, np.argsort(order), ends, running]).astype(np.dtype("l"))
    j.order = <const long *> held(keep, lists)
    j.place = j.order + j.B
    j.ends = j.place + j.B
    j.running = j.ends + j.B
    return order


cdef int plan_pass(Job *j, int passes, bint taped, list keep) except -1:
    """Threads, and of ragged batches each thread's room for one step's rows of x or dx."""
    plan(j, passes, taped)
    if j.order != NULL:
        j.gather_size = j.B * j.w.inputs * j.w.esize
        j.gather = room(keep, j.parts * j.gather_size)
    return 0


cdef int begin_forward(Job *j, Packed packed, cnp.ndarray x, mask, lengths, resets, y, Tape tape, list keep) except -1:
    """Sizes, weights, which rows run, x, y, and gate rows and states: in a tape's memory, or for a chunk of steps."""
    cdef int k
    active = order = None
    size(j, &packed.w, x.shape[0], x.shape[1])
    j.x, j.y = view_of(x), view_of(y)
    keep.append(x)
    if lengths is not None:
        order = sort_rows(j, lengths, keep)
    elif mask is not None:
        active = np.ascontiguousarray(mask.T)
        j.active = <const uint8_t *> held(keep, active)
    if resets is not None:
        resets = resets.T if order is None else resets.T[:, order]
        resets = np.ascontiguousarray(resets if active is None else resets & active)
        j.resets = <const uint8_t *> held(keep, resets)
    plan_pass(j, 1, tape is not None, keep)
    j.chunk = max(1, min(j.T, PROJECT_ROWS // max(1, j.B // j.threads if j.by_rows else j.B)))
    if tape is None:
        j.zsteps, j.hsteps = j.chunk, j.chunk + 1 if j.w.chunked else 2
        j.z = room(keep, j.zsteps * j.zt + j.w.states * j.hsteps * j.ht)
    else:
        j.z, j.zsteps, j.hsteps, tape.spent = tape.memory, tape.job.zsteps, tape.job.hsteps, False
        j.every, j.kept = tape.job.every, tape.job.kept
        while j.kept != NULL and j.zsteps % j.chunk:  # gate rows of a chunk lie in order
            j.chunk -= 1
    for k in range(j.w.states):
        j.before[k] = j.state[k] = j.z + j.zsteps * j.zt + k * j.hsteps * j.ht
    j.seen = j.before[0]
    return 0


cdef int begin_apart(Job *j, drop, list keep) except -1:
    """The states as steps see them, where that is not how steps leave them, once the first ones are loaded."""
    cdef size_t h = j.hsteps * j.ht
    cdef char *at
    cdef uint64_t mode
    cdef Part p
    cdef int k
    j.apart = j.resets != NULL or drop is not None
    if not j.apart:
        return 0
    at = room(keep, (j.w.states + 1) * h + j.ht)
    for k in range(j.w.states if j.resets != NULL else 0):
        j.before[k] = at + k * h
    j.seen = j.before[0]
    if drop is not None:
        j.seen, j.drop = at + j.w.states * h, at + (j.w.states + 1) * h
        load_rows(j, j.drop, 0, drop)
    if j.T > 0:
        mode = cs_float_mode_set(True)
        p = part_of(j, 0, 1, 1)
        load_states(j, &p, 0)
        cs_float_mode_restore(mode)
    return 0


cdef int begin_backward(Job *j, Packed packed, Tape tape, dy, dx, dweights, traces, list keep) except -1:
    """A tape's job goes backward: with dy, dx, traces, and sums over packed columns."""
    cdef long row = packed.w.columns * packed.w.esize
    cdef size_t dz
    cdef int k
    j.w = &packed.w
    plan_pass(j, 2, True, keep)
    j.y, j.dy, j.dx = view_of(None), view_of(dy), view_of(dx)
    j.chunk = chunk_back(j.B, j.T)
    if j.kept != NULL:
        j.recomputed = j.T if tape.spent else j.T - j.zsteps
        tape.spent = True
    # padding of gate rows takes part in products with U^T and W^T, so it starts as zeros and stays so
    dz = j.chunk * j.zt
    j.dz = room(keep, dz + (j.w.states + 2) * j.ht, True)
    for k in range(j.w.states):
        j.dstate[k] = j.dz + dz + k * j.ht
        j.trace[k] = data(traces[k])
    j.dmade = j.dz + dz + j.w.states * j.ht
    j.dseen = j.dstate[0] if j.drop == NULL else j.dmade + j.ht
    dW, dU, db, dR, dvectors = by_kind(packed.cell, dweights)
    if dW is not None:
        j.dW = room(keep, j.w.inputs * row, True)
    if dU is not None:
        j.dU = room(keep, j.w.size[0] * row, True)
    if dR is not None:
        j.dR = room(keep, j.w.H * padded(j.w, j.w.size[0]) * j.w.esize, True)
    if j.w.projects:
        j.doutput = room(keep, j.chunk * j.ht, True)
    if db is not None or any([d is not None for d in dvectors]):
        j.db = room(keep, j.w.width * j.w.esize, True)
    # each thread's: where the chunk's rows lie in x, h, z and dz, and copies for gemm_tn
    j.scratch_size = 5 * j.chunk * j.B * sizeof(long) + j.w.tiles.gemm_tn_work(max(j.w.inputs, j.w.stride))
    j.scratch_size = (j.scratch_size + 63) // 64 * 64
    j.scratch = room(keep, j.parts * j.scratch_size)
    return 0


cdef int load_rows(Job *j, char *dst, int k, cnp.ndarray src) except -1:
    """(B, units of state k) rows into padded ones, in the order in which they run; zeros for None."""
    cdef long b, n = j.w.size[k] * j.w.esize
    if src is None:
        memset(dst, 0, j.ht)
        return 0
    for b in range(j.B):
        memcpy(dst + b * j.hb, data(src) + caller_row(j, b) * n, n)
    return 0


cdef int store_rows(Job *j, const char *src, int k, bint last, cnp.ndarray dst) except -1:
    """Padded rows into (B, units of state k) ones, in the caller's order: of one step, or the `last` of each row's;
    nothing for None."""
    cdef long b, n = j.w.size[k] * j.w.esize
    for b in range(j.B if dst is not None else 0):
        memcpy(data(dst) + caller_row(j, b) * n, src + (h_at(j, end_of(j, b)) if last else 0) + b * j.hb, n)
    return 0


cdef void fill_padding(Job *j, long t0, long t1) noexcept nogil:
    """Of steps t0 to t1, past a row's last one, y is its last h again, and dx zero."""
    cdef long b, t
    for b in range(j.B if j.ends != NULL else 0):
        for t in range(max(t0, j.ends[b]), t1):
            if j.y.p != NULL:
                memcpy(row_in(&j.y, j.order[b], t), j.state[0] + h_at(j, j.ends[b]) + b * j.hb,
                       j.w.size[0] * j.w.esize)
            if j.dx.p != NULL:
                memset(row_in(&j.dx, j.order[b], t), 0, j.w.inputs * j.w.esize)


cdef int prepare_forward(Job *j, Packed packed, x, first, mask, lengths, resets, drop, y, Tape tape,
                         list keep) except -1:
    cdef int k
    begin_forward(j, packed, x, mask, lengths, resets, y, tape, keep)
    for k in range(j.w.states):
        load_rows(j, j.state[k], k, first[k])
    begin_apart(j, drop, keep)
    if tape is not None:
        tape.job, tape.inputs = j[0], keep
    return 0


cdef int finish_forward(Job *j, last) except -1:
    cdef int k
    for k in range(j.w.states):
        store_rows(j, j.state[k], k, True, last[k])
    return 0


def forward(Packed packed, x, first, mask, lengths, resets, drop, y, last, Tape tape):
    """Run B sequences of T steps; see the reference."""
    cdef Job j
    keep = []
    prepare_forward(&j, packed, x, first, mask, lengths, resets, drop, y, tape, keep)
    run(&j, False)
    fill_padding(&j, 0, j.T)
    finish_forward(&j, last)


cdef int prepare_backward(Job *j, Packed packed, Tape tape, dy, dlast, dx, dweights, traces, list keep) except -1:
    cdef int k
    j[0] = tape.job
    begin_backward(j, packed, tape, dy, dx, dweights, traces, keep)
    for k in range(j.w.states):
        load_rows(j, j.dstate[k], k, dlast[k])
    return 0


cdef int finish_backward(Job *j, Packed packed, dweights, dfirst) except -1:
    cdef int k
    for k in range(j.w.states):
        store_rows(j, j.dstate[k], k, False, dfirst[k])
    dW, dU, db, dR, dvectors = by_kind(packed.cell, dweights)
    packed.add_gradient(j.w.inputs, j.dW, dW)
    packed.add_gradient(j.w.size[0], j.dU, dU)
    packed.add_projection_gradient(j.dR, dR)
    packed.add_bias_gradient(j.db, db)
    packed.add_vector_gradients(j.db + j.w.dvector * j.w.esize, dvectors)
    return 0


def backward(Packed packed, Tape tape, dy, dlast, dx, dweights, dfirst, traces):
    """Gradients from a tape; see the reference."""
    cdef Job j
    keep = []
    prepare_backward(&j, packed, tape, dy, dlast, dx, dweights, traces, keep)
    run(&j, True)
    fill_padding(&j, 0, j.T)
    finish_backward(&j, packed, dweights, dfirst)
