# One step for B rows: blocks of rows whose gate rows fit the C stack, so that a step allocates nothing but at large H.
#
# The GIL is kept: releasing it costs more than most steps. A step as long as CALL_NS leaves the second core's cache and
# bandwidth unused if it stays alone (LSTM, H 512, batch 1: 293 us); it runs as a sequence of one step.

cdef enum:
    STACK = 32768  # bytes
    # bytes of weights from which a step reads them group by group and turns about: steps of 256 and 1024 units take 20
    # and 16 % less time (1 MB of L2, 32 of L3); below it, what is saved is less than the calls cost
    TURNING = 1 << 20
    GROUP = 1 << 16  # bytes of a group


# Where the sums of a region lie, of x and of h or what the step made, and what they begin with.
cdef struct Sums:
    char *x
    char *h
    const char *x_bias
    const char *h_bias


cdef struct Step:
    const Weights *w
    long B, block
    int turned
    long group             # columns, 0 for all at once
    const char *x          # (B, inputs)
    long xb
    const uint8_t *active  # (B,) or NULL
    char *state[14]         # CS_STATES: (B, units) each, changed in place
    long hb
    Sums sums[16]          # of each region
    cs_span span
    char stack[STACK + 64]


cdef bint pays_threads(const Weights *w, long B) noexcept nogil:
    """Whether a step is better run by the loop over time, which has threads."""
    cdef double work = <double> w.columns * (w.inputs + w.H)
    if w.projects:  # rows of states that differ in size
        return True
    cdef double alone = nanoseconds(w.tiles, B, work * B, work * w.esize, w.esize)
    return alone >= CALL_NS and cs_threads() > 1


cdef Memory lay_out(Step *s, Packed p, long B):
    """Choose the rows of a block and where its gate rows lie: returns their memory where the stack has no room. The
    caller sets the states."""
    cdef Memory heap = None if p.w.width * p.w.esize <= STACK else Memory(p.w.width * p.w.esize)
    lay_out_at(s, &p.w, B, &s.stack[0] if heap is None else heap.data)
    return heap


cdef void lay_out_at(Step *s, const Weights *w, long B, char *memory) noexcept nogil:
    """The same, with gate rows in that memory."""
    cdef long zb = w.width * w.esize, panel = (w.inputs + w.H) * w.tiles.PANEL * w.esize, first, to
    cdef size_t at = <size_t> memory
    cdef int i
    s.w, s.B, s.hb = w, B, w.H * w.esize
    s.active, s.turned = NULL, 0
    s.group = w.tiles.PANEL * max(1, GROUP // panel) if panel * w.columns > TURNING * w.tiles.PANEL else 0
    s.block = max(1, min(min(s.B, TALLEST), STACK // zb))
    memset(&s.span, 0, sizeof(cs_span))
    s.span.z = <void *> ((at + 63) // 64 * 64)
    s.span.j1 = w.Hp // w.tiles.VL
    s.span.H, s.span.Hp = w.H, w.Hp
    s.span.ldz, s.span.ldh = zb, s.hb
    s.span.act, s.span.rec, s.span.vectors = w.act, w.rec, w.vector
    for i in range(w.regions):
        first, to = w.region[i].first * w.esize, w.region[i].to * w.esize
        s.sums[i].x, s.sums[i].x_bias = <char *> s.span.z + first, w.bias + first
        s.sums[i].h, s.sums[i].h_bias = <char *> s.span.z + to, w.bias + to


cdef void at_block(Step *s, long b) noexcept nogil:
    """Point s at the block of rows at b."""
    cdef int k
    s.span.rows = min(s.block, s.B - b)
    for k in range(s.w.states):
        s.span.before[k] = s.span.after[k] = s.state[k] + b * s.hb
    s.span.seen = s.span.before[0]


cdef inline void project_columns(Step *s, const char *x, int region, long skip, long columns,
                                 int turned) noexcept nogil:
    """b + x W for some packed columns of a region."""
    cdef long first = s.w.region[region].first + skip, at = skip * s.w.esize
    s.w.tiles.gemm(s.span.rows, s.w.inputs, x, s.xb, &s.w.W, 0, first, columns, s.sums[region].x + at, s.span.ldz,
                   CS_FROM_BIAS | turned, s.sums[region].x_bias + at)


cdef inline void sum_columns(Step *s, const char *x, int region, long skip, long columns, int turned) noexcept nogil:
    """Some packed columns of a region: b + x W, and the product with U added to that, or to sums of its own. Where the
    step makes the operand, b + x W is there, as the first phase may need it."""
    cdef const Weights *w = s.w
    cdef const Region *r = &w.region[region]
    cdef Sums *sums = &s.sums[region]
    cdef long first = r.first + skip, at = skip * w.esize
    if r.operand != MADE:
        project_columns(s, x, region, skip, columns, turned)
    if r.operand == SEEN:
        w.tiles.gemm(s.span.rows, w.U.K, s.span.seen, s.hb, &w.U, 0, first, columns, sums.h + at, s.span.ldz,
                     r.start | turned, sums.h_bias + at)
    elif r.operand == MADE:
        w.tiles.gemm(s.span.rows, w.U.K, <char *> s.span.z + r.made * w.esize, s.span.ldz, &w.U, 0, first, columns,
                     sums.h + at, s.span.ldz, r.start | turned, sums.h_bias + at)


cdef void sum_groups(Step *s, const char *x, int phase) noexcept nogil:
    """The regions of a phase, a group of panels after the other: what one block of rows read last, of W and of U, is
    what the next reads first."""
    cdef const Weights *w = s.w
    cdef int i, k, begin = w.phase_end[phase], end = w.phase_end[phase + 1]
    cdef long first, last, low, high, n, g, at
    for k in range(begin, end):
        i = begin + end - 1 - k if s.turned else k
        first, last = w.region[i].first, w.region[i].first + w.region[i].columns
        low, high = first // s.group, (last - 1) // s.group
        for n in range(high - low + 1):
            g = high - n if s.turned else low + n
            at = max(first, g * s.group)
            sum_columns(s, x, i, at - first, min(last, (g + 1) * s.group) - at, s.turned)


cdef void step_rows(Step *s) noexcept nogil:
    """The step of all rows, block by block; the states are changed in place. Blocks of large weights take turns in the
    direction in which they read them."""
    cdef const Weights *w = s.w
    cdef const char *x = s.x
    cdef long b = 0
    cdef int phase, i
    s.span.active = s.active
    while b < s.B:
        if s.block < s.B:
            at_block(s, b)
        if s.group != 0:
            s.turned ^= CS_LAST_FIRST
        for i in range(w.phase_end[1], w.regions):
            project_columns(s, x, i, 0, w.region[i].columns, s.turned)
        for phase in range(w.phases):
            if s.group != 0:
                sum_groups(s, x, phase)
            else:
                for i in range(w.phase_end[phase], w.phase_end[phase + 1]):
                    sum_columns(s, x, i, 0, w.region[i].columns, 0)
            w.cell.forward[phase](&s.span)
        if w.projects:
            project_output(w, &s.span, s.turned)
        b += s.block
        x += s.block * s.xb
        if s.active != NULL:
            s.span.active += s.block


def step(Packed packed, cnp.ndarray x, states):
    """One step for B rows: x (B, I) in; the states (B, H) in and out."""
    cdef Step s
    cdef int k
    cdef uint64_t mode
    cdef Memory heap
    if pays_threads(&packed.w, x.shape[0]):
        forward(packed, x[:, None], states, None, None, None, None, None, states, None)
        return
    heap = lay_out(&s, packed, x.shape[0])
    s.x, s.xb = data(x), x.strides[0]
    for k in range(packed.w.states):
        s.state[k] = data(states[k])
    at_block(&s, 0)
    mode = cs_float_mode_set(True)
    # a hint for the cache alone: it does no harm if two threads write it at once
    if s.group != 0:
        s.turned = packed.turned
        packed.turned ^= CS_LAST_FIRST
    step_rows(&s)
    cs_float_mode_restore(mode)
