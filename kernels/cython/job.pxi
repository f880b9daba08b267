# A job: all that the threads of one call need to know, and the split of the work between them.
#
# By rows, each block of rows runs all steps and never waits for another. By units, for few rows, each thread owns
# blocks of units, keeps its share of the weights in its own cache, and waits for the others once a step; where a cell
# has no products with U, only for gradients. Either way a sum is made by one thread in one order, so the split leaves
# no trace in the result.
#
# Ragged batches run longest row first, so that the rows of a step are the first ones, and padding costs nothing.

cdef enum:
    BLOCKS = 64          # of rows or units at most
    STRETCHES = 12       # of steps of each, for which one thread takes it
    LINE = 64            # bytes of a cache line
    LINES = 8            # that are under way at once from another core, each for as long as a barrier takes
    LINE_NS = 15         # nanoseconds for each at most, whatever barriers cost
    STRETCH_NS = 20_000  # nanoseconds of a thread's steps backward, at least, after which others may take some over
    PROJECT_ROWS = 32    # of one input projection
    # threads by units up to which all may be used, then half: each step waits for the slowest, and a core that
    # something else needs for a moment holds up all (LSTM, 100 steps of 1 row and 512 units: 1.9 ms on 8 of 16 cores,
    # 10.4 on 16)
    SMALL_GANG = 4
    LONG_STEP = 50_000   # nanoseconds of a thread's share of a step, by units, for which that loss no longer counts
    FULL_RATE = 2        # threads that may read beyond L2 at once, each at the rate of one alone
    ROW_NS = 50          # nanoseconds that a step of a row takes at least, whatever its size
    LARGE_WORK = 60_000  # vectors of multiply-adds of a call, about 25 us, for which the machine is measured
    GRADIENT_ROWS = 256  # of one block of weight gradients


cdef inline long chunk_back(long B, long T) noexcept nogil:
    """Steps of a block of weight gradients."""
    return max(1, min(T, GRADIENT_ROWS // max(1, B)))


cdef double EFFICIENCY = 0.85  # of multiply-adds in a product
cdef double ELEMENTWISE = 4    # nanoseconds of the elementwise part of a step, for a vector of a gate row
cdef double WORTH = 0.95       # of the time of a simpler way, that another has to be below
cdef double PAYS = 0.7         # threads are not always in step: a barrier counts for more than it takes


# Strides in bytes: zb from row to row of z, zt from step to step, and so on.
cdef struct Job:
    const Weights *w
    long B, T
    # ragged batches run longest row first. order: the caller's row of each, place: the inverse; ends: a row's steps;
    # running: rows at a step
    const long *order
    const long *place
    const long *ends
    const long *running
    const uint8_t *active  # (T, B): does the row run at the step? NULL where all do
    const uint8_t *resets  # (T, B): does it run, from states of zeros? NULL where none does
    char *gather           # each part's: a step's rows of x or dx (B, inputs), in the order in which they run
    long gather_size
    long chunk
    long t0, t1            # the steps of this slice, from a multiple of `chunk` on
    double alone           # nanoseconds that the call may take on one thread
    double shared          # and on `threads`
    double step            # a step alone, forward
    int threads            # at most
    int parts              # of what a gang does: the same, or more, so that any number of threads have equal shares
    bint by_rows
    bint lockstep          # whether threads wait for each other in every step
    cs_progress *block     # of rows or units, while a call without lockstep runs
    int phase              # of a lone step
    bint turned            # its direction through the weights
    View x                 # (B, T, inputs)
    View y                 # (B, T, H) or NULL
    char *z                # gate rows (zsteps, B, width): of a chunk of steps or, on a tape, of all, or the last ones
    long zb, zt, zsteps
    char *state[14]        # CS_STATES: (hsteps, B, stride) after each step, the first ones first
    char *before[14]       # the same as steps see them: apart where there are resets
    char *seen             # h as products see it: before[0], or apart with recurrent dropout
    char *drop             # (B, stride): what h is multiplied with before products; NULL where with nothing
    long hb, ht, hsteps    # steps: one more than zsteps, or two
    long every             # steps from one kept state to the next, where not all are on the tape
    char *kept             # (T / every rounded up, states, B, stride), or NULL
    bint apart             # whether anything of `before` and `seen` is
    # backward alone
    View dy                # (B, T, H) or NULL
    long recomputed        # steps that run again, the first ones
    long stretch           # steps of a gang's phase, without lockstep
    char *dz               # gradients of gate rows (chunk, B, width)
    char *dstate[14]       # (B, stride), of one step at a time, as are the next two
    char *dseen            # dstate[0], or apart with recurrent dropout
    char *dmade
    View dx                # (B, T, inputs) or NULL
    char *doutput          # (chunk, B, stride): of an output that is a projection
    char *trace[14]        # (B, T, units) or NULL: what reaches each state after each step
    char *dW               # (inputs, columns), (units of h, columns) and (width,), or NULL: sums over packed columns
    char *dU
    char *db
    char *dR               # (H, units of h padded), or NULL
    char *scratch          # each thread's: where the rows of a chunk lie, and copies for gemm_tn
    long scratch_size


# Some parts of a job, one behind the other: rows b0 to b1 of the batch, `rows` of them at this step, for the units of
# the span.
cdef struct Part:
    int first, end, parts
    long b0, b1, rows
    long e0, e1      # rows that ended before these steps
    long u0, u1      # its units
    long n[14]       # CS_STATES: how many of each state, from u0 on
    int turned       # CS_LAST_FIRST in every second step
    cs_span span


cdef inline long caller_row(Job *j, long b) noexcept nogil:
    return b if j.order == NULL else j.order[b]


cdef inline long end_of(Job *j, long b) noexcept nogil:
    """Steps that row b runs, masked ones among them."""
    return j.T if j.ends == NULL else j.ends[b]


cdef inline long rows_at(Job *j, Part *p, long t) noexcept nogil:
    """How many of a part's rows run at step t: they are its first ones."""
    return p.b1 - p.b0 if j.running == NULL else max(0, min(j.running[t], p.b1) - p.b0)


cdef inline long z_at(Job *j, long t) noexcept nogil:
    """Where the gate rows of step t begin."""
    return (t % j.zsteps) * j.zt


cdef inline long h_at(Job *j, long t) noexcept nogil:
    """Where the states before step t begin."""
    return (t % j.hsteps) * j.ht


cdef void size(Job *j, const Weights *w, long B, long T) noexcept nogil:
    """Begin a job with its sizes."""
    memset(j, 0, sizeof(Job))
    j.w, j.B, j.T = w, B, T
    j.zb, j.hb = w.width * w.esize, w.stride * w.esize
    j.zt, j.ht = B * j.zb, B * j.hb


cdef double reading(const cs_machine *m, double size, int threads) noexcept nogil:
    """Nanoseconds to read so many bytes of weights once more, while other threads read as many: what fits stays in L2,
    also of larger ones, as steps take turns in direction; the rest comes from a cache that all share."""
    cdef double near = min(size, m.l2 * 0.75)
    return near / m.near + (size - near) / m.far * max(1., <double> threads / FULL_RATE)


cdef double nanoseconds(const cs_tiles *tiles, long rows, double work, double weights, long esize) noexcept nogil:
    """What so many multiply-adds take on one core: for few rows, no less than the reading of the weights (bytes)."""
    cdef const cs_machine *m = cs_this_machine(tiles, work > LARGE_WORK * tiles.VL)
    cdef double arithmetic = work / (EFFICIENCY * m.fma * tiles.VL)
    if rows >= TALLEST or weights == 0:
        return arithmetic
    return max(arithmetic, work * esize / max(1, rows) / weights * reading(m, weights, 1))


cdef double step_time(Job *j, double rows, double share, int threads) noexcept nogil:
    """Nanoseconds that a step takes each of so many cores, for so many rows and a share of the units: arithmetic and
    the reading of weights, which hide behind each other for the most part. Products with W are made for many rows at a
    time."""
    cdef const Weights *w = j.w
    cdef long of_h = w.H if w.recurs else 0
    cdef double work = rows * w.columns * (w.inputs + of_h) * share
    cdef double elementwise = rows * w.columns * share * ELEMENTWISE
    cdef const cs_machine *m = cs_this_machine(w.tiles, work * j.T > LARGE_WORK * w.tiles.VL)
    cdef double arithmetic = (work / (EFFICIENCY * m.fma) + elementwise) / w.tiles.VL
    cdef double together = max(1, min(j.T, PROJECT_ROWS / max(1, rows)))
    cdef double reread = of_h + w.inputs / together if not w.chunked else (of_h + w.inputs) / together
    cdef double reads = reading(m, w.columns * share * w.esize * reread, threads)
    return max(arithmetic, reads) + min(arithmetic, reads) / 4


cdef double exchange(Job *j, int threads) noexcept nogil:
    """Nanoseconds of a step backward in which threads with rows of their own read the others' gradients of gate rows,
    for a share of the weights', and take them back to write them anew."""
    cdef double lines = 2. * j.B * (threads - 1) / threads * j.zb / threads / LINE
    return lines * min(LINE_NS, cs_barrier_cost(2) / LINES)


cdef void plan(Job *j, int passes, bint taped) noexcept nogil:
    """How many threads, and what they share, for a call that goes through all products so many times: what takes the
    least time. Calls that keep a tape are shared as backward, so that each core has what it reads."""
    cdef double steps = j.T if j.B > 0 else 0, best, by_rows, by_units
    cdef int n = cs_threads()
    cdef long rows = min(min(n, BLOCKS), j.B), b
    cdef long units
    if j.ends != NULL:
        steps = 0
        for b in range(j.B):
            steps += <double> j.ends[b] / j.B
    j.step = best = step_time(j, j.B, 1, 1)
    j.alone = passes * steps * best
    j.shared = j.alone
    j.threads, j.parts, j.by_rows, j.lockstep = 1, 1, True, False
    if n == 1 or j.alone < CALL_NS:
        return
    units = n
    if j.w.recurs and n > SMALL_GANG and best < <double> n * LONG_STEP:
        units = max(SMALL_GANG, n // 2)
    units = min(min(units, BLOCKS), j.w.Hp // j.w.tiles.VL)
    by_rows = step_time(j, (j.B + rows - 1) // rows, 1, rows)
    by_units = step_time(j, j.B, 1. / units, units)
    if j.T > 1 and j.w.recurs:
        by_units += j.w.phases * cs_barrier_cost(units) / PAYS / (max(1, PROJECT_ROWS // j.B) if j.w.chunked else 1)
    if by_rows < WORTH * best:
        j.threads, best = rows, by_rows
    if by_units < WORTH * best and not j.w.whole_rows:
        j.threads, best, j.by_rows, j.lockstep = units, by_units, False, j.w.recurs
    if taped and j.threads > 1 and j.by_rows and best + exchange(j, rows) / 2 > WORTH * j.step:
        j.threads, best = 1, j.step
    j.parts = j.threads
    if j.lockstep and units > 2:
        j.parts = min(min(2 * units, CS_PARTS), j.w.Hp // j.w.tiles.VL)
    j.shared = passes * steps * best


def split_of(Packed packed, shape, bint backward=False):
    """How a call for x of this shape (B, T, I), all of whose steps run, would be shared now: threads, "rows" or
    "units", how many of them each thread has, and why."""
    cdef long B = shape[0], T = shape[1]
    cdef Job j
    cdef Part p
    cdef int i, limit = cs_threads()
    size(&j, &packed.w, B, T)
    plan(&j, 2 if backward else 1, backward)
    shares = []
    for i in range(j.threads):
        p = part_of(&j, i, i + 1, j.threads)
        shares.append(p.b1 - p.b0 if j.by_rows else max(0, p.u1 - p.u0))
    if limit == 1:
        why = "a call may use one thread"
    elif j.alone < CALL_NS:
        why = f"about {j.alone / 1e3:.0f} us of work, and a second thread pays from {CALL_NS // 1000}"
    elif j.lockstep:
        why = "threads that keep their share of the weights in their own caches gain more than their barriers cost"
    elif j.threads > 1:
        why = f"threads with {'rows' if j.by_rows else 'units'} of their own need no barrier"
    else:
        why = "threads with units of their own would need a barrier each step, which costs more than it saves"
    return Split(j.threads, "rows" if j.by_rows else "units", shares, why)


cdef void run_back(Job *j) noexcept nogil:
    """The way back through the steps t0 to t1, by a gang."""
    cdef cs_phases phases
    if j.w.chunked:
        phases = cs_phases(j, chunk_phase_back, next_chunk, chunks_of(j) * 3, j.parts, j.step * j.chunk / 2)
    elif j.lockstep:
        phases = cs_phases(j, backward_phase, next_back, (j.t1 - j.t0) * (j.w.phases + 2), j.parts,
                           j.step / j.w.phases)
    else:
        j.stretch = max(1, min(j.chunk, <long> (STRETCH_NS * j.parts / (2 * max(1., j.step)))))
        phases = cs_phases(j, stretch_back, next_stretch, chunks_of(j) * (stretches_of(j) + 1), j.parts,
                           j.step * j.chunk)
    cs_gang(j.threads, j.alone, &phases)


cdef void run_part(Job *j, bint backward) noexcept nogil:
    """The steps t0 to t1, whole chunks: by who is there, and by those who come meanwhile."""
    cdef cs_progress block[BLOCKS]
    cdef cs_phases phases
    cdef int phase, pieces, i
    if j.threads == 1:
        cs_call(1, j.alone, backward_part if backward else forward_part, j)
    elif backward and j.recomputed > 0:
        backward_stretches(j)
    elif backward:
        run_back(j)
    elif not j.lockstep and (j.by_rows or j.T > 1):
        for i in range(j.threads):
            block[i] = cs_progress(j, j.t0, j.t1, max(1, (j.t1 - j.t0) // STRETCHES // j.chunk) * j.chunk, -1, False, 0)
        j.block = block
        cs_advance(j.threads, j.alone, j.threads, block, forward_block, LLONG_MAX)
    elif j.T == 1 and j.order == NULL:
        pieces = min(pieces_of(j.threads, j.alone), j.w.Hp // j.w.tiles.VL)
        for phase in range(j.w.phases):
            j.phase = phase
            cs_pieces(j.threads, j.alone, pieces, j.turned, step_piece, j)
    else:
        phases = cs_phases(j, forward_phase, next_forward, (j.t1 - j.t0) * j.w.phases, j.parts, j.step / j.w.phases)
        if j.w.chunked:
            phases = cs_phases(j, chunk_phase, next_forward, chunks_of(j) * 2, j.parts, j.step * j.chunk / 2)
        cs_gang(j.threads, j.alone, &phases)


cdef int run(Job *j, bint backward) except -1:
    """All steps, without the GIL, in slices of whole chunks of steps, backward from the last one."""
    cdef Slices s
    cdef long chunks = (j.T + j.chunk - 1) // j.chunk
    begin_slices(&s, chunks, j.alone + <double> j.B * j.T * (ROW_NS + j.w.H))
    while next_slice(&s):
        j.t0, j.t1 = s.first * j.chunk, min(j.T, s.last * j.chunk)
        if backward:
            j.t0, j.t1 = (chunks - s.last) * j.chunk, min(j.T, (chunks - s.first) * j.chunk)
        with nogil:
            run_part(j, backward)
    return 0


cdef inline long steps_of(Job *j, long b) noexcept nogil:
    """Steps that row b runs in this slice."""
    return max(0, min(j.ends[b], j.t1) - j.t0)


cdef long row_after(Job *j, int part, int parts) noexcept nogil:
    """The first row of a part, so that all have the same number of steps to run in this slice."""
    cdef long b = 0, steps = 0, share
    if j.ends == NULL:
        return j.B * part // parts
    for b in range(j.B):
        steps += steps_of(j, b)
    share, steps, b = steps * part // parts, 0, 0
    while b < j.B and steps < share:
        steps += steps_of(j, b)
        b += 1
    return j.B if part == parts else b


cdef Part part_of(Job *j, int first, int end, int parts) noexcept nogil:
    """Parts first to end - 1 of so many: their rows or units."""
    cdef Part p
    cdef long VL = j.w.tiles.VL, blocks = j.w.Hp // VL
    cdef int k
    memset(&p, 0, sizeof(Part))
    p.first, p.end, p.parts = first, end, parts
    p.b0, p.b1 = 0, j.B
    p.span.j0, p.span.j1 = 0, blocks
    if j.by_rows:
        p.b0, p.b1 = row_after(j, first, parts), row_after(j, end, parts)
    else:
        p.span.j0, p.span.j1 = blocks * first // parts, blocks * end // parts
    p.rows = p.span.rows = p.b1 - p.b0
    p.u0, p.u1 = p.span.j0 * VL, min(p.span.j1 * VL, j.w.H)
    for k in range(j.w.states):
        p.n[k] = j.w.size[k] if j.w.projects else p.u1 - p.u0
    p.span.H, p.span.Hp = j.w.H, j.w.Hp
    p.span.ldz, p.span.ldh = j.zb, j.hb
    p.span.act, p.span.rec, p.span.vectors = j.w.act, j.w.rec, j.w.vector
    return p


cdef void share_running(Job *j, Part *p, long t) noexcept nogil:
    """Where all wait after each chunk of steps: let each part have its share of the rows that run at step t, and of
    those that ended before, instead of a fixed share of all, whose rows may all have ended."""
    cdef long n = p.parts, i = p.first, k = p.end, running
    if not j.by_rows or j.running == NULL:
        return
    running = j.running[t]
    p.b0, p.b1 = running * i // n, running * k // n
    p.e0, p.e1 = running + (j.B - running) * i // n, running + (j.B - running) * k // n
