# The phases of a gang (tiles/gang.h): in lockstep, each part of the units waits for the others in every step; else, and
# so backward alone, parts of the rows, or of units that need no others, wait for each other where gradients are made.

cdef int64_t next_forward(void *job, int64_t phase, int *together) noexcept nogil:
    """A gang's phases are those of all steps, and all units of h are read in each."""
    together[0] = True
    return phase


cdef void forward_phase(void *job, int64_t at, int first, int end) noexcept nogil:
    """A phase of a step, of some parts of the units."""
    cdef Job *j = <Job *> job
    cdef long t = j.t0 + at // j.w.phases
    cdef int phase = at % j.w.phases
    cdef Part p = part_of(j, first, end, j.parts)
    if phase == 0:
        begin_step(j, &p, t)
    else:
        at_step(j, &p, t)
    run_phase(j, &p, phase)
    if phase == j.w.phases - 1:
        end_step(j, &p, t)


cdef inline long chunks_of(Job *j) noexcept nogil:
    return (j.t1 - j.t0 + j.chunk - 1) // j.chunk


cdef inline long stretches_of(Job *j) noexcept nogil:
    """Of a chunk."""
    return (j.chunk + j.stretch - 1) // j.stretch


cdef int64_t next_stretch(void *job, int64_t at, int *together) noexcept nogil:
    """A gang's phases where none waits in a step: a chunk's stretches of steps, from the last one, and its gradients.
    These read all rows and units of dz, which are written anew for the next chunk."""
    cdef Job *j = <Job *> job
    cdef long n = stretches_of(j), steps = (j.t1 - j.t0 - 1) % j.chunk + 1 if at <= n else j.chunk
    cdef long place = at % (n + 1)
    if place * j.stretch >= steps:
        at, place = at + n - place, n
    together[0] = place == 0 or place == n
    return at


cdef void stretch_back(void *job, int64_t at, int first, int end) noexcept nogil:
    """A stretch of some parts of the rows or units, or their share of a chunk's gradients."""
    cdef Job *j = <Job *> job
    cdef long n = stretches_of(j), place = at % (n + 1), t
    cdef long t0 = j.t0 + (chunks_of(j) - 1 - at // (n + 1)) * j.chunk, t1 = min(t0 + j.chunk, j.t1)
    cdef Part p = part_of(j, first, end, j.parts)
    if place == n:
        begin_back(j, &p, t0)
        chunk_gradients(j, &p, t0)
        return
    t1 -= place * j.stretch
    for t in range(t1 - 1, max(t0, t1 - j.stretch) - 1, -1):
        enter_step(j, &p, t)
        run_phase_back(j, &p, t, -1)


cdef int64_t next_back(void *job, int64_t at, int *together) noexcept nogil:
    """A gang's phases in lockstep are those of all steps, from the last one, and behind a chunk's first step its
    gradients. Products read all units of dz. Within a chunk a step begins with the last products of the one
    before."""
    cdef Job *j = <Job *> job
    cdef long n = j.w.phases + 2, t = j.t1 - 1 - at // n
    cdef int place = at % n
    if place == n - 1 and t % j.chunk:
        at, t, place = at + 2, t - 1, 1
    if place == 0:
        together[0] = t < j.t0 or t % j.chunk == j.chunk - 1
    else:
        together[0] = place < n - 1
    return at


cdef void backward_phase(void *job, int64_t at, int first, int end) noexcept nogil:
    """A phase of a step, of some parts of the units, or their share of a chunk's gradients."""
    cdef Job *j = <Job *> job
    cdef long n = j.w.phases + 2, t = j.t1 - 1 - at // n
    cdef int place = at % n
    cdef Part p = part_of(j, first, end, j.parts)
    begin_back(j, &p, t)
    if place == n - 1:
        chunk_gradients(j, &p, t)
    else:
        run_phase_back(j, &p, t, j.w.phases - 1 - place)
        if place == n - 2 and t % j.chunk:
            begin_back(j, &p, t - 1)
            run_phase_back(j, &p, t - 1, j.w.phases - 1)
