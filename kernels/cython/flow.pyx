# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""How values flow through the stages of a chain: a block of steps at a time, stage after stage, without Python.

One step is a block of one: a recurrent stage runs it as step.pyx does, without a job, and hands its state on where it
lies. More steps, or one that is worth a team, are the sequence's own loop over a job that is kept from call to call.
Either way sums are made in the sequence's order.
"""
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset

from .job cimport CALL_NS, nanoseconds, plan, team
from .tiles cimport CS_FROM_BIAS, cs_denormals_flush, cs_denormals_restore, threads


cdef void lookup(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    """Rows of the table; numbers were checked before."""
    cdef long t, b, n = s.outputs * s.esize
    cdef int64_t number
    cdef const char *at
    for t in range(T):
        for b in range(s.B):
            at = x.p + b * x.sb + t * x.st
            number = (<const int32_t *> at)[0] if f.id_size == 4 else (<const int64_t *> at)[0]
            memcpy(y.p + b * y.sb + t * y.st, s.table + number * n, n)
            f.flags[t * s.B + b] = number != 0
    f.there = f.flags if s.mask_zero else NULL


cdef void mark(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    cdef long t
    for t in range(T):
        s.tiles.mark_rows(s.B, s.outputs, s.value, x.p + t * x.st, x.sb, y.p + t * y.st, y.sb, f.flags + t * s.B)
    f.there = f.flags


cdef void softmax(Stage *s, View y, long T) noexcept nogil:
    cdef long b
    if T == 1:
        s.tiles.softmax(s.B, s.outputs, y.p, y.sb)
        return
    for b in range(s.B):
        s.tiles.softmax(T, s.outputs, y.p + b * y.sb, y.st)


cdef void activate(Stage *s, View x, View y, long T) noexcept nogil:
    cdef long t, b, n = s.outputs * s.esize
    for b in range(s.B):
        for t in range(T):
            if s.act == SOFTMAX:
                memcpy(y.p + b * y.sb + t * y.st, x.p + b * x.sb + t * x.st, n)
            else:
                s.tiles.activate(s.act, s.outputs, x.p + b * x.sb + t * x.st, y.p + b * y.sb + t * y.st)
    if s.act == SOFTMAX:
        softmax(s, y, T)


cdef void dense_rows(Stage *s, long rows, const char *x, long ldx, char *y, long ldy, long n0, long n1) noexcept nogil:
    """Columns n0 to n1 of activation(b + x W) for rows of x."""
    cdef long r
    s.tiles.gemm(rows, s.inputs, x, ldx, &s.W, 0, n0, n1 - n0, y + n0 * s.esize, ldy, CS_FROM_BIAS,
                 s.bias + n0 * s.esize)
    if s.act > 0:
        for r in range(rows):
            s.tiles.activate(s.act, n1 - n0, y + r * ldy + n0 * s.esize, y + r * ldy + n0 * s.esize)


cdef void dense_part(void *stage, int thread, int threads_) noexcept nogil:
    """A thread's panels of columns, along rows or along steps, whichever gives the product more rows."""
    cdef Stage *s = <Stage *> stage
    cdef long NR = s.tiles.NR, panels = (s.outputs + NR - 1) // NR, i
    cdef long n0 = panels * thread // threads_ * NR, n1 = min(s.outputs, panels * (thread + 1) // threads_ * NR)
    if n0 >= n1:
        return
    if s.B >= s.T:
        for i in range(s.T):
            dense_rows(s, s.B, s.x.p + i * s.x.st, s.x.sb, s.y.p + i * s.y.st, s.y.sb, n0, n1)
    else:
        for i in range(s.B):
            dense_rows(s, s.T, s.x.p + i * s.x.sb, s.x.st, s.y.p + i * s.y.sb, s.y.st, n0, n1)


cdef void dense(Stage *s, View x, View y, long T) noexcept nogil:
    cdef double alone = nanoseconds(s.tiles, s.B * T, s.work * T, s.inputs * s.outputs * s.esize, s.esize)
    s.x, s.y, s.T = x, y, T
    if alone < CALL_NS:
        dense_part(s, 0, 1)
    else:
        team(threads(), alone, dense_part, s)
    if s.act == SOFTMAX:
        softmax(s, y, T)


cdef void hide(Flow *f, Stage *s, View y, long T) noexcept nogil:
    """Zeros for the outputs of rows that are not there."""
    cdef long t, b
    for t in range(T):
        for b in range(s.B):
            if not f.there[t * s.B + b]:
                memset(y.p + b * y.sb + t * y.st, 0, s.outputs * s.esize)


cdef void copy(long B, long T, long n, View x, View y) noexcept nogil:
    cdef long t, b
    for b in range(B):
        for t in range(T):
            memcpy(y.p + b * y.sb + t * y.st, x.p + b * x.sb + t * x.st, n)


cdef void recur_on_a_job(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    cdef Job *j = &s.job
    j.x, j.xb, j.xt = x.p, x.sb, x.st
    j.y, j.yb, j.yt = y.p, y.sb, y.st
    j.active, j.T = f.there, T
    team(j.threads, j.alone, s.part, j)
    if T % 2:  # the last state is in the second of two slots
        memcpy(j.h, j.h + j.ht, j.ht)
        if s.states == 2:
            memcpy(j.c, j.c + j.ht, j.ht)


cdef View recur(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    """The outputs in y, or where the state lies."""
    cdef bint many = T > 1
    cdef View h
    if many or s.alone >= CALL_NS:
        plan(&s.job, <double> s.B * T)
        many = many or s.job.threads > 1
    if many:
        recur_on_a_job(f, s, x, y, T)
    else:
        s.step.x, s.step.xb, s.step.active = x.p, x.sb, f.there
        s.rows(s.step)
        h.p, h.sb, h.st = s.job.h, s.job.hb, 0
        if not s.zero_masked or f.there == NULL:
            return h
        copy(s.B, 1, s.outputs * s.esize, h, y)
    if s.zero_masked and f.there != NULL:
        hide(f, s, y, T)
    return y


cdef void run_block(Flow *f, View x, View y, long T) noexcept nogil:
    cdef View to
    cdef Stage *s
    cdef long i, n
    f.there = NULL
    for i in range(f.count):
        s = f.stages + i
        n = s.outputs * s.esize
        # a sole stage does not write to the caller's array while it reads from the caller's, which may overlap
        if i == f.count - 1 and (i > 0 or s.kind == RECUR):
            to = y
        else:
            to.p, to.sb, to.st = s.room, T * n, n
        if s.kind == RECUR:
            x = recur(f, s, x, to, T)
            continue
        elif s.kind == DENSE:
            dense(s, x, to, T)
        elif s.kind == LOOKUP:
            lookup(f, s, x, to, T)
        elif s.kind == MASK:
            mark(f, s, x, to, T)
        else:
            activate(s, x, to, T)
        x = to
    if x.p != y.p:
        copy(f.B, T, f.stages[f.count - 1].outputs * f.esize, x, y)


cdef void run_flow(Flow *f, View x, View y, long T) noexcept nogil:
    """y (B, T, outputs) from x (B, T, inputs), and the states T steps on."""
    cdef uint64_t mode = cs_denormals_flush()
    cdef long t = 0, n
    while t < T:
        n = min(f.block, T - t)
        run_block(f, x, y, n)
        x.p, y.p = x.p + n * x.st, y.p + n * y.st
        t += n
    cs_denormals_restore(mode)
