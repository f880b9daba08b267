# Calls over sequences made together: two directions, or layers of which each reads what the one before writes.
#
# A thread runs a stretch of a job's steps as a call on one thread does, which leaves the bits as they are;
# tiles/progress.h says which stretch is next. A layer's steps wait for the same ones of the layer that it reads.

cdef enum:
    STRETCH = 16       # steps, at least
    STRETCH_BACK = 32  # and at most backward


cdef struct Together:
    Job *job
    cs_progress *progress
    int n
    double alone  # as of a job, for all
    bint backward


cdef bint overlap(const View *v, long B, long T, long row, const View *w, long rows, long steps, long other) noexcept:
    """Whether v (B, T, `row` bytes) may share memory with w (rows, steps, `other` bytes), which is C-contiguous."""
    cdef char *first = v.p + min(0, (B - 1) * v.sb) + min(0, (T - 1) * v.st)
    cdef char *end = v.p + max(0, (B - 1) * v.sb) + max(0, (T - 1) * v.st) + row
    return v.p != NULL and w.p != NULL and first < w.p + rows * steps * other and w.p < end


cdef bint follow(Together *g, int i) noexcept:
    """Let job i wait for the one before it whose outputs it reads; False if there is more than one."""
    cdef Job *j = g.job + i
    cdef Job *before
    cdef View *v = &j.dy if g.backward else &j.x
    cdef View *w
    cdef cs_progress *p = g.progress + i
    cdef long row = (j.w.size[0] if g.backward else j.w.inputs) * j.w.esize, other
    cdef int k
    p.after = -1
    for k in range(i):
        before = g.job + k
        w = &before.dx if g.backward else &before.y
        other = before.w.inputs if g.backward else before.w.size[0]
        if overlap(v, j.B, j.T, row, w, before.B, before.T, other * before.w.esize):
            if p.after >= 0:
                return False
            p.after = k
            p.whole = v.p != w.p or v.st != w.st or (j.B > 1 and v.sb != w.sb) or j.T != before.T
    return True


cdef long stretch_of(Job *j, bint backward) noexcept:
    """Steps of a stretch: whole chunks forward; backward, where a chunk may be long, an equal part of one."""
    cdef long n = min(STRETCH_BACK, j.chunk)
    if not backward:
        return max(1, STRETCH // j.chunk) * j.chunk
    while j.chunk < j.T and j.chunk % n:
        n -= 1
    return n


cdef bint ready(Together *g) noexcept:
    """Whether jobs may run at the same time and gain by it; then with what `cs_advance` needs to know of each."""
    cdef Job *j
    cdef cs_progress *p
    cdef int i
    memset(g.progress, 0, g.n * sizeof(cs_progress))
    g.alone = 0
    for i in range(g.n):
        j, p = g.job + i, g.progress + i
        p.job, p.stretch = j, stretch_of(j, g.backward)
        p.end = (j.T + p.stretch - 1) // p.stretch * p.stretch if g.backward else j.T
        p.done = p.end - j.T
        g.alone += j.alone
        if not follow(g, i):
            return False
    return gains(g)


cdef bint gains(Together *g) noexcept:
    """Whether jobs on a thread each end before jobs one after another, on all threads each."""
    cdef Job *j
    cdef int n = min(cs_threads(), g.n), i
    cdef double longest = 0, shared = 0, behind = 0
    for i in range(g.n):
        j = g.job + i
        longest = max(longest, j.alone)
        shared += j.shared
        if g.progress[i].after >= 0:
            behind += j.alone if g.progress[i].whole else j.alone * g.progress[i].stretch / max(1, j.T)
    return n > 1 and g.alone >= 2 * CALL_NS and max(longest, g.alone / n) + behind < shared


cdef void forward_stretch(cs_progress *p, int64_t begin, int64_t end) noexcept nogil:
    cdef Job *j = <Job *> p.job
    j.t0, j.t1 = begin, end
    forward_part(j, 0, 1)
    fill_padding(j, begin, end)


cdef void backward_stretch(cs_progress *p, int64_t begin, int64_t end) noexcept nogil:
    """Steps counted from the last one, or so far behind it that chunks begin with stretches. Each gives its dx, and the
    last of a chunk the gradients of weights."""
    cdef Job *j = <Job *> p.job
    cdef Part whole
    j.t0, j.t1 = p.end - end, min(j.T, p.end - begin)
    backward_part(j, 0, 1)
    if j.t0 % j.chunk:
        whole = part_of(j, 0, 1, 1)
        input_gradients(j, &whole, j.t0, j.t1)
    fill_padding(j, j.t0, j.t1)


cdef int run_all(Together *g) except -1:
    """All jobs, without the GIL, in slices."""
    cdef cs_advance_part *stretch = backward_stretch if g.backward else forward_stretch
    cdef int i
    cdef int64_t until
    if not ready(g):
        for i in range(g.n):
            run(g.job + i, g.backward)
            fill_padding(g.job + i, 0, g.job[i].T)
        return 0
    i = 0
    while i < g.n:
        until = now() + SLICE
        with nogil:
            cs_advance(cs_threads(), g.alone, g.n, g.progress, stretch, until)
        i = 0
        while i < g.n and g.progress[i].done == g.progress[i].end:
            i += 1
        if i < g.n:
            PyErr_CheckSignals()
    return 0


cdef int begin_together(Together *g, calls, bint backward, list keep) except -1:
    g.n, g.backward = len(calls), backward
    g.job = <Job *> room(keep, g.n * sizeof(Job))
    g.progress = <cs_progress *> room(keep, g.n * sizeof(cs_progress))
    return 0


def forward_all(calls):
    """Calls of `forward`, by their arguments; see the reference."""
    cdef Together g
    keep = []
    begin_together(&g, calls, False, keep)
    for i, (packed, x, first, mask, lengths, resets, drop, y, last, tape) in enumerate(calls):
        own = []
        keep.append(own)
        prepare_forward(g.job + <int> i, packed, x, first, mask, lengths, resets, drop, y, tape, own)
    run_all(&g)
    for i, call in enumerate(calls):
        finish_forward(g.job + <int> i, call[8])


def backward_all(calls):
    """Calls of `backward`, by their arguments; see the reference."""
    cdef Together g
    keep = []
    begin_together(&g, calls, True, keep)
    for i, (packed, tape, dy, dlast, dx, dweights, dfirst, traces) in enumerate(calls):
        prepare_backward(g.job + <int> i, packed, tape, dy, dlast, dx, dweights, traces, keep)
    run_all(&g)
    for i, (packed, tape, dy, dlast, dx, dweights, dfirst, traces) in enumerate(calls):
        finish_backward(g.job + <int> i, packed, dweights, dfirst)
