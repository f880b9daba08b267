# Steps run again in backward, from states that a tape kept now and then.
#
# The states before every `every`-th step are kept, and of the last `zsteps` steps all that backward needs, in rings:
# backward begins there, and runs so many of the others again in their place each time it gets to a stretch of them.

cdef enum:
    EVERY = 16  # steps, at least, if backward is to say how many


cdef long stretch_steps(long B, long T, long asked) noexcept nogil:
    """Steps from one kept state to the next: whole chunks of backward."""
    cdef long chunk = chunk_back(B, T)
    return (max(asked if asked > 1 else EVERY, 1) + chunk - 1) // chunk * chunk


cdef long again_chunk(long B, long T) noexcept nogil:
    """Steps of an input projection when steps run again: a part of backward's chunks."""
    cdef long n = chunk_back(B, T), chunk = max(1, min(n, PROJECT_ROWS // max(1, B)))
    while n % chunk:
        chunk -= 1
    return chunk


cdef long ring_steps(long B, long T, long asked, long every) noexcept nogil:
    """Steps that gate rows are kept of: two fifths, or one stretch where it is said how long one is."""
    cdef long chunk = again_chunk(B, T)
    return min(T, max(every, 0 if asked > 1 else T * 2 // 5 // chunk * chunk))


cdef inline char *kept_states(Job *j, long t) noexcept nogil:
    return j.kept + t // j.every * j.w.states * j.ht


cdef void store_kept(Job *j, Part *p, long t, bint back) noexcept nogil:
    """This part's units of the states before step t: to where they are kept, or back from there."""
    cdef long rows = rows_at(j, p, t), at = p.b0 * j.hb + p.u0 * j.w.esize, b
    cdef char *kept
    cdef char *state
    cdef int k
    for k in range(j.w.states if p.n[0] > 0 else 0):
        kept, state = kept_states(j, t) + k * j.ht + at, j.state[k] + h_at(j, t) + at
        for b in range(rows):
            if back:
                memcpy(state + b * j.hb, kept + b * j.hb, p.n[k] * j.w.esize)
            else:
                memcpy(kept + b * j.hb, state + b * j.hb, p.n[k] * j.w.esize)


cdef inline bint ends_recomputed(Job *j, long t) noexcept nogil:
    """Whether a stretch ends at t that has to run again."""
    return j.recomputed > 0 and (t - 1) // j.every * j.every < j.recomputed and (t == j.T or t % j.every == 0)


cdef Job recomputed(Job *j, long t1) noexcept nogil:
    """The stretch that ends at t1, as far as it has to run again, from the states that it began with."""
    cdef Job again = j[0]
    cdef Part p = part_of(j, 0, 1, 1)
    cdef uint64_t mode = cs_float_mode_set(True)
    again.kept = NULL
    again.chunk = again_chunk(j.B, j.T)
    again.t0, again.t1 = (t1 - 1) // j.every * j.every, min(t1, j.recomputed)
    store_kept(j, &p, again.t0, True)
    if j.apart:
        load_states(j, &p, again.t0)
    cs_float_mode_restore(mode)
    return again


cdef void backward_stretches(Job *j) noexcept nogil:
    """The steps t0 to t1, whole chunks, on several threads: each stretch again, then the way back through it."""
    cdef long t0 = j.t0, t1 = j.t1
    cdef Job again
    while j.t1 > t0:
        j.t0 = max(t0, (j.t1 - 1) // j.every * j.every)
        if ends_recomputed(j, j.t1):
            again = recomputed(j, j.t1)
            run_part(&again, False)
        run_back(j)
        j.t1 = j.t0
    j.t0, j.t1 = t0, t1


cdef int read_slice(Packed packed, Job *j, gates, states) except -1:
    cdef int k
    if gates is not None:
        read_gates(packed, j, gates)
    for k in range(packed.w.states):
        if states[k] is not None:
            read_states(packed, j, k, states[k])
    return 0


def read(Packed packed, Tape tape, gates, states):
    """What a tape keeps of its first rows: gates after activation, NaN at masked steps, and the states after each step.
    """
    cdef Job j = tape.job
    cdef Job again
    cdef uint64_t mode
    cdef long t
    j.t0, j.t1, j.y, j.recomputed = 0, j.T, view_of(None), j.T
    if j.kept == NULL:
        read_slice(packed, &j, gates, states)
        return
    tape.spent = True
    for t in range(0, j.T, j.every):
        mode = cs_float_mode_set(True)
        again = recomputed(&j, min(t + j.every, j.T))
        forward_part(&again, 0, 1)
        cs_float_mode_restore(mode)
        read_slice(packed, &again, gates, states)
