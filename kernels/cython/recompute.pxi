# Gates made again from the states that a tape kept, for a chunk of steps, as backward needs them.
#
# A step's gates follow from the states before it, which are there for all steps: so the products with U are products of
# many rows, and threads share steps. What tiles write besides, the states after, goes where nobody reads it. Products
# are a third more then, so a tape has gate rows for a part of the steps: after forward those of the last ones.

cdef enum:
    KEPT_PART = 7        # of the steps, whose gates are kept
    RECOMPUTE_ROWS = 64  # that are made at once


cdef long kept_steps(long B, long T) noexcept nogil:
    """Steps that a tape has gate rows for: whole chunks."""
    cdef long chunk = chunk_back(B, T)
    return max(1, T // KEPT_PART // chunk) * chunk


cdef int begin_recompute(Job *j, list keep) except -1:
    """Room for the states that steps made again leave."""
    j.spare_rows = max(j.B, RECOMPUTE_ROWS)
    j.spare = room(keep, j.threads * j.w.states * j.spare_rows * j.hb)
    return 0


cdef inline bint begins_recomputed(Job *j, long t) noexcept nogil:
    """Whether a chunk ends at t whose gates are not there."""
    return (t - 1) // j.chunk * j.chunk < j.recomputed and (t == j.T or t % j.chunk == 0)


cdef void recompute_rows(Job *j, Part *p, long t, long rows) noexcept nogil:
    """The gates of so many rows from a part's first one at step t on, row after row and step after step."""
    cdef int k, phase
    at_step(j, p, t)
    p.rows = p.span.rows = rows
    for k in range(j.w.states):
        p.span.after[k] = j.spare + (p.first * j.w.states + k) * j.spare_rows * j.hb
    for phase in range(j.w.phases):
        add_products(j, p, phase)
        j.w.cell.forward[phase](&p.span)


cdef void recompute_gates(Job *j, int me, int size, long t0, long t1) noexcept nogil:
    """One of so many shares of the steps t0 to t1, or of their rows where the steps are too few."""
    cdef Part p = part_of(j, 0, 1, 1)
    cdef long n = t1 - t0, t, steps = 1
    cdef bint by_steps = n >= size
    p.first = me
    if by_steps:
        t0, t1 = t0 + n * me // size, t0 + n * (me + 1) // size
        if j.running == NULL and j.B > 0:
            steps = max(1, RECOMPUTE_ROWS // j.B)
    else:
        p.b0, p.b1 = j.B * me // size, j.B * (me + 1) // size
    project(j, &p, t0, t1)
    t = t0
    while t < t1:
        n = min(steps, t1 - t)
        recompute_rows(j, &p, t, n * j.B if n > 1 else rows_at(j, &p, t))
        t += n


cdef void recompute_piece(void *job, int piece, int pieces) noexcept nogil:
    """A share of the chunk that is the job's now."""
    cdef Job *j = <Job *> job
    recompute_gates(j, piece, pieces, j.t0, j.t1)


cdef void backward_chunks(Job *j) noexcept nogil:
    """The steps t0 to t1, whole chunks, on several threads: each chunk's gates, then the way back through it."""
    cdef long t0 = j.t0, t1 = j.t1
    while j.t1 > t0:
        j.t0 = (j.t1 - 1) // j.chunk * j.chunk
        if begins_recomputed(j, j.t1):
            cs_pieces(j.threads, j.alone, j.threads, False, recompute_piece, j)
        run_back(j)
        j.t1 = j.t0
    j.t0, j.t1 = t0, t1
