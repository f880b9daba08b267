# How values flow through the stages of a chain: a block of steps at a time, stage after stage, without Python.
#
# One step is a block of one: a recurrent stage runs it as step.pxi does, without a job, and hands its state on where it
# lies. More steps, or one that is worth threads, are the sequence's own loop over a job that is kept from call to call.
# Either way sums are made in the sequence's order.

cdef enum Kind:
    LOOKUP, MASK, RECUR, DENSE, ACTIVATE

cdef struct Stage:
    Kind kind
    long B, inputs, outputs, esize
    const cs_tiles *tiles
    double work   # multiply-adds of a step
    double alone  # RECUR: nanoseconds that a step may take on one thread
    char *room    # for a block of outputs, where they do not go straight to the caller
    # LOOKUP: (entries, outputs) numbers; MASK: the value
    const char *table
    long entries
    bint mask_zero
    double value
    Product product  # DENSE
    int act          # ACTIVATE
    # RECUR: `step` runs one step alone, `job` many, or one on threads. Both keep the states in the job's first slot
    Step *step
    Job job
    bint zero_masked


cdef struct Flow:
    long B, esize, count
    long block       # steps that run through all stages at a time
    int id_size      # bytes of an integer in x
    Stage *stages
    uint8_t *flags   # room for (block, B) bytes: is the row there at the step?
    const uint8_t *there  # those of this block, NULL where all are


cdef void lookup(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    """Rows of the table; numbers were checked before."""
    cdef long t, b, n = s.outputs * s.esize
    cdef int64_t number
    cdef const char *at
    for t in range(T):
        for b in range(s.B):
            at = row_in(&x, b, t)
            number = (<const int32_t *> at)[0] if f.id_size == 4 else (<const int64_t *> at)[0]
            memcpy(row_in(&y, b, t), s.table + number * n, n)
            f.flags[t * s.B + b] = number != 0
    f.there = f.flags if s.mask_zero else NULL


cdef void mark(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    cdef long t
    for t in range(T):
        s.tiles.mark_rows(s.B, s.outputs, s.value, row_in(&x, 0, t), x.sb, row_in(&y, 0, t), y.sb, f.flags + t * s.B)
    f.there = f.flags


cdef void hide(Flow *f, Stage *s, View y, long T) noexcept nogil:
    """Zeros for the outputs of rows that are not there."""
    cdef long t, b
    for t in range(T):
        for b in range(s.B):
            if not f.there[t * s.B + b]:
                memset(row_in(&y, b, t), 0, s.outputs * s.esize)


cdef void copy(long B, long T, long n, View x, View y) noexcept nogil:
    cdef long t, b
    for b in range(B):
        for t in range(T):
            memcpy(row_in(&y, b, t), row_in(&x, b, t), n)


cdef void recur_on_a_job(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    cdef Job *j = &s.job
    cdef int k
    j.x, j.y = x, y
    # one step's outputs are its state: y may overlap x, which other threads may still read
    if T == 1:
        j.y.p = NULL
    j.active, j.t0, j.t1 = f.there, 0, T
    run_part(j, False)
    j.turned = not j.turned
    for k in range(j.w.states if h_at(j, T) else 0):  # the last state is in another slot than the first
        memcpy(j.state[k], j.state[k] + h_at(j, T), j.ht)


cdef View recur(Flow *f, Stage *s, View x, View y, long T) noexcept nogil:
    """The outputs in y, or where the state lies."""
    cdef bint many = T > 1
    cdef View h
    if many or s.alone >= CALL_NS:
        s.job.T = T
        plan(&s.job, 1, False)
        many = many or s.job.threads > 1
    if many:
        recur_on_a_job(f, s, x, y, T)
    else:
        s.step.x, s.step.xb, s.step.active = x.p, x.sb, f.there
        step_rows(s.step)
    if T == 1:
        h.p, h.sb, h.st = s.job.state[0], s.job.hb, 0
        if not s.zero_masked or f.there == NULL:
            return h
        copy(s.B, 1, s.outputs * s.esize, h, y)
    if s.zero_masked and f.there != NULL:
        hide(f, s, y, T)
    return y


cdef void run_block(Flow *f, View x, View y, long T) noexcept nogil:
    cdef View to
    cdef Stage *s
    cdef long i, n, t
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
            run_product(&s.product, x, to, s.B, T)
        elif s.kind == LOOKUP:
            lookup(f, s, x, to, T)
        elif s.kind == MASK:
            mark(f, s, x, to, T)
        else:
            for t in range(T):
                activate_rows(s.tiles, s.act, s.B, s.outputs, s.esize, row_in(&x, 0, t), x.sb, row_in(&to, 0, t), to.sb)
        x = to
    if x.p != y.p:
        copy(f.B, T, f.stages[f.count - 1].outputs * f.esize, x, y)


cdef void run_flow(Flow *f, View x, View y, long T) noexcept nogil:
    """y (B, T, outputs) from x (B, T, inputs), and the states T steps on."""
    cdef uint64_t mode = cs_float_mode_set(True)
    cdef long t = 0, n
    while t < T:
        n = min(f.block, T - t)
        run_block(f, x, y, n)
        x.p, y.p = x.p + n * x.st, y.p + n * y.st
        t += n
    cs_float_mode_restore(mode)
