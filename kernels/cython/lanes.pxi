# Many models at once: blocks of as many as a vector has lanes, each model a lane (tiles/lanes.h).
#
# A block runs as one job on one thread, by the loop over time that all cells have: its units are vectors of VL
# numbers, so sizes and offsets are VL times those of a model, and H needs no padding. Products come from `lane_gemm`
# in the place of `gemm`; the elementwise tiles are the same. Each model's sums are those of its own run, in order.
#
# Arrays begin with the blocks and end with the lanes: weights and gradients (blocks, P, VL), the P numbers of a model
# as its layers have them; x (blocks, T, B, I, VL), with any strides before the last two; runs (blocks, T, B, VL),
# whether a row runs at a step. What a masked step holds must be finite.

cdef struct LaneCall:
    const Weights *w
    const long *columns   # where each vector of a gate row, and of sums of its own, lies in the caller's order
    const long *place     # of W, U, the bias and the vectors among the P numbers; -1 where there is none
    long blocks, B, T, P
    char *weights
    char *grads           # NULL in a forward pass
    const uint8_t *runs   # NULL where all do
    View x, dx, dy        # of the first block; dx and dy NULL where there are none
    long x_block, dx_block, dy_block  # bytes from block to block
    bint sequences        # whether dy is of all steps, or of the last states alone
    char *z
    char *state[14]        # CS_STATES
    char *work            # each piece's
    long work_size


cdef class Lanes:
    """What runs a layer of many models: sizes, and where its weights lie among the P numbers of a model.

    packed: of one of the models, for backward. places: of W, U, the bias and the vectors, -1 for one that is not there.
    """

    cdef Weights w
    cdef cs_tiles tiles
    cdef Packed packed
    cdef list keep
    cdef const long *columns
    cdef const long *place

    def __cinit__(self, Packed packed, places):
        cdef Weights *w = &self.w
        cdef long H = packed.w.H, VL = packed.w.tiles.VL
        cdef int i
        self.packed, self.keep = packed, []
        if packed.w.whole_rows or packed.w.projects:
            raise NotImplementedError(f"{packed.cell.name} needs whole rows of units, which many models have not")
        self.tiles = packed.w.tiles[0]
        self.tiles.gemm, self.tiles.gemm_tn = self.tiles.lane_gemm, self.tiles.lane_gemm_tn
        self.w = packed.layout.w
        w.tiles, w.cell, w.esize = &self.tiles, packed.w.cell, packed.w.esize
        w.inputs, w.H = packed.w.inputs * VL, H * VL
        w.Hp = w.stride = w.H
        for i in range(w.states):
            w.size[i] = w.H
        w.whole_rows = True  # a row alone has no tile of its own here
        scale(w)
        columns = [g * H + u for begin, n in packed.layout.stretches for u in range(H) for g in range(begin, begin + n)]
        self.columns = <const long *> held(self.keep, np.array(columns, np.dtype("l")))
        self.place = <const long *> held(self.keep, np.array(places, np.dtype("l")))

    @property
    def width(self):
        """Vectors of a gate row."""
        return self.w.width // self.tiles.VL


def lanes_of(dtype):
    """How many models a block has."""
    return tiles_for(dtype.itemsize).VL


cdef long packed_size(const Weights *w, bint backward) noexcept nogil:
    """Bytes of a block's weights in the order in which products read them."""
    cdef long VL = w.tiles.VL, rows = (w.inputs + w.H) // VL * (2 if backward else 1)
    return (rows * w.columns + 2 * w.width + w.vectors * w.Hp) * w.esize


cdef char *pack_lanes(LaneCall *c, long block, Weights *w, char *at) noexcept nogil:
    """A block's weights, in the memory at `at`; returns what is behind them."""
    cdef long VL = w.tiles.VL, vector = VL * w.esize, n = w.columns // VL, width = w.width // VL, k, v
    cdef long inputs = w.inputs // VL, H = w.H // VL
    cdef const char *mine = c.weights + block * c.P * vector
    cdef const char *W = mine + c.place[0] * vector
    cdef const char *U = mine + c.place[1] * vector
    cdef const Region *r
    cdef char *sums
    cdef int i
    w.W, w.U = cs_panels(at, w.inputs, w.columns), cs_panels(at + inputs * n * vector, w.H, w.columns)
    for v in range(n):
        for k in range(inputs):
            memcpy(at + (k * n + v) * vector, W + (k * n + c.columns[v]) * vector, vector)
        for k in range(H if c.place[1] >= 0 else 0):
            memcpy(at + ((inputs + k) * n + v) * vector, U + (k * n + c.columns[v]) * vector, vector)
    at += (inputs + H) * n * vector
    w.bias, sums, at = at, at + width * vector, at + 2 * width * vector
    memset(sums, 0, width * vector)
    if c.place[2] >= 0:
        memcpy(sums, mine + c.place[2] * vector, n * vector)
        for i in range(w.regions):
            r = &w.region[i]
            if r.bias_row > 0:
                w.tiles.add_rows(1, r.columns, sums + r.to * w.esize, 0,
                                 mine + c.place[2] * vector + (r.bias_row * w.columns + r.first) * w.esize, 0)
    for v in range(width):
        memcpy(w.bias + v * vector, sums + c.columns[v] * vector, vector)
    w.vector = at
    for i in range(w.vectors):
        memcpy(at, mine + c.place[3 + i] * vector, H * vector)
        at += H * vector
    if c.grads == NULL:
        return at
    w.UT, w.WT = cs_panels(at, n, w.H), cs_panels(at + n * H * vector, n, w.inputs)
    for v in range(n):
        for k in range(H if c.place[1] >= 0 else 0):
            memcpy(at + (v * H + k) * vector, U + (k * n + v) * vector, vector)
        for k in range(inputs):
            memcpy(at + (n * H + v * inputs + k) * vector, W + (k * n + v) * vector, vector)
    return at + n * (H + inputs) * vector


cdef void begin_lanes(Job *j, LaneCall *c, long block, const Weights *w) noexcept nogil:
    """A block's job: all of its steps in one slice, on one thread."""
    cdef int k
    size(j, w, c.B, c.T)
    j.threads, j.parts, j.by_rows, j.t1 = 1, 1, True, c.T
    j.x = c.x
    j.x.p += block * c.x_block
    j.zsteps, j.hsteps = max(1, c.T), c.T + 1
    j.z = c.z + block * j.zsteps * j.zt
    for k in range(w.states):
        j.before[k] = j.state[k] = c.state[k] + block * j.hsteps * j.ht
    j.seen = j.before[0]


cdef void keep_states(Job *j, const uint8_t *runs, long t) noexcept nogil:
    """Lanes whose row does not run at step t carry its states."""
    cdef int k
    for k in range(j.w.states):
        j.w.tiles.keep_lanes(j.B, j.w.H, runs + t * j.B * j.w.tiles.VL, j.state[k] + (t + 1) * j.ht, j.hb,
                             j.state[k] + t * j.ht, j.hb)


cdef void forward_lanes(void *call, int piece, int pieces) noexcept nogil:
    cdef LaneCall *c = <LaneCall *> call
    cdef Weights w = c.w[0]
    cdef Job j
    cdef Part p
    cdef const uint8_t *runs
    cdef long block, t
    cdef int k
    for block in range(c.blocks * piece // pieces, c.blocks * (piece + 1) // pieces):
        pack_lanes(c, block, &w, c.work + piece * c.work_size)
        begin_lanes(&j, c, block, &w)
        j.chunk = max(1, min(c.T, PROJECT_ROWS // max(1, c.B)))
        for k in range(w.states):
            memset(j.state[k], 0, j.ht)
        p = part_of(&j, 0, 1, 1)
        runs = NULL if c.runs == NULL else c.runs + block * c.T * c.B * w.tiles.VL
        for t in range(c.T):
            forward_step(&j, &p, t)
            if runs != NULL:
                keep_states(&j, runs, t)


cdef void step_back_lanes(Job *j, Part *p, View *dy, const uint8_t *runs, char *kept, long t) noexcept nogil:
    """Step t backward; lanes whose row does not run give no gradient, and keep those of the states."""
    cdef long VL = j.w.tiles.VL
    cdef int k
    j.dy = dy[0]
    if runs == NULL:
        enter_step(j, p, t)
    else:
        load_gradients(j, p, t)
        j.dy.p = NULL
        memcpy(kept, j.dstate[0], j.w.states * j.ht)
        enter_step(j, p, t)
        runs += t * j.B * VL
        j.w.tiles.keep_lanes(j.B, j.w.width, runs, <char *> p.span.dz, j.zb, NULL, 0)
        for k in range(j.w.states):
            j.w.tiles.keep_lanes(j.B, j.w.H, runs, j.dstate[k], j.hb, kept + k * j.ht, j.hb)
    run_phase_back(j, p, t, -1)


cdef void backward_lanes(void *call, int piece, int pieces) noexcept nogil:
    cdef LaneCall *c = <LaneCall *> call
    cdef Weights w = c.w[0]
    cdef const Region *r
    cdef Job j
    cdef Part p
    cdef View dy
    cdef const uint8_t *runs
    cdef long block, t, place, vector = w.tiles.VL * w.esize
    cdef char *at
    cdef char *kept
    cdef char *grads
    cdef int k
    for block in range(c.blocks * piece // pieces, c.blocks * (piece + 1) // pieces):
        at = pack_lanes(c, block, &w, c.work + piece * c.work_size)
        begin_lanes(&j, c, block, &w)
        j.chunk = max(1, min(c.T, GRADIENT_ROWS // max(1, c.B)))
        grads = c.grads + block * c.P * vector
        j.dz = at
        at += j.chunk * j.zt
        for k in range(w.states):
            j.dstate[k] = at + k * j.ht
        j.dseen, j.dmade, kept = at, at + w.states * j.ht, at + (w.states + 1) * j.ht
        j.db = kept + w.states * j.ht
        j.scratch = j.db + w.width * w.esize
        memset(j.dz, 0, j.scratch - j.dz)
        j.dW = grads + c.place[0] * vector
        memset(j.dW, 0, w.inputs // w.tiles.VL * w.columns * w.esize)
        if c.place[1] >= 0:
            j.dU = grads + c.place[1] * vector
            memset(j.dU, 0, w.H // w.tiles.VL * w.columns * w.esize)
        j.dx, dy = c.dx, c.dy
        if j.dx.p != NULL:
            j.dx.p += block * c.dx_block
        dy.p += block * c.dy_block
        if not c.sequences:
            memcpy(j.dstate[0], dy.p, j.ht)
            dy.p = NULL
        runs = NULL if c.runs == NULL else c.runs + block * c.T * c.B * w.tiles.VL
        p = part_of(&j, 0, 1, 1)
        for t in range(c.T - 1, -1, -1):
            step_back_lanes(&j, &p, &dy, runs, kept, t)
            if t % j.chunk == 0:
                chunk_gradients(&j, &p, t)
        if c.place[2] >= 0:
            at = grads + c.place[2] * vector
            memcpy(at, j.db, w.columns * w.esize)
            for k in range(w.regions):
                r = &w.region[k]
                place = (r.bias_row * w.columns + r.first) * w.esize
                if r.bias_row > 0:
                    memcpy(at + place, j.db + r.to * w.esize, r.columns * w.esize)
        for k in range(w.vectors):
            memcpy(grads + c.place[3 + k] * vector, j.db + (w.dvector + k * w.Hp) * w.esize, w.Hp * w.esize)


cdef View lanes_view(cnp.ndarray a, long *block) noexcept:
    """Of the first block of (blocks, T, B, n, VL); and the bytes from block to block."""
    cdef View v
    v.p, v.sb, v.st = NULL, 0, 0
    if a is not None:
        block[0] = cnp.PyArray_STRIDE(a, 0)
        v.p, v.st, v.sb = data(a), cnp.PyArray_STRIDE(a, 1), cnp.PyArray_STRIDE(a, 2)
    return v


cdef int begin_call(LaneCall *c, Lanes lanes, cnp.ndarray weights, cnp.ndarray x, cnp.ndarray runs, list states,
                    cnp.ndarray z) except -1:
    cdef int k
    memset(c, 0, sizeof(LaneCall))
    c.w, c.columns, c.place = &lanes.w, lanes.columns, lanes.place
    c.blocks, c.T, c.B, c.P = x.shape[0], x.shape[1], x.shape[2], weights.shape[1]
    c.weights, c.runs, c.z = data(weights), <const uint8_t *> data(runs), data(z)
    c.x = lanes_view(x, &c.x_block)
    for k in range(lanes.w.states):
        c.state[k] = data(states[k])
    return 0


cdef int run_lanes(LaneCall *c, cs_work *part, double work) except -1:
    """All blocks, in pieces: `work` operations on vectors a block, about a nanosecond each."""
    cdef double alone = work * c.blocks
    cdef int threads = cs_threads() if alone > CALL_NS else 1
    cdef int pieces = min(pieces_of(threads, alone), c.blocks)
    keep = []
    c.work_size = (c.work_size + 63) // 64 * 64
    c.work = room(keep, pieces * c.work_size)
    with nogil:
        cs_pieces(threads, alone, pieces, False, part, c)
    return 0


cdef double work_of(LaneCall *c) noexcept:
    cdef long VL = c.w.tiles.VL
    return c.B * c.T * (c.w.columns / VL) * ((c.w.inputs + c.w.H) / VL + 20.)


def lanes_forward(Lanes lanes, weights, x, runs, list states, z):
    """Run a layer of every model: states (blocks, T + 1, B, H, VL) each, from zeros on, and gate rows z (blocks, T, B,
    width, VL) are written."""
    cdef LaneCall c
    begin_call(&c, lanes, weights, x, runs, states, z)
    c.work_size = packed_size(&lanes.w, False)
    run_lanes(&c, forward_lanes, work_of(&c))


def lanes_backward(Lanes lanes, weights, x, runs, list states, z, cnp.ndarray dy, bint sequences, cnp.ndarray grads,
                   cnp.ndarray dx):
    """Gradients of a forward pass, whose arguments come first; the layer's part of grads is written, and dx.

    dy: (blocks, T, B, H, VL) of all steps; else (blocks, 1, B, H, VL) of the last, contiguous.
    """
    cdef LaneCall c
    cdef Job j
    cdef long most
    begin_call(&c, lanes, weights, x, runs, states, z)
    c.grads, c.sequences = data(grads), sequences
    c.dy, c.dx = lanes_view(dy, &c.dy_block), lanes_view(dx, &c.dx_block)
    size(&j, &lanes.w, c.B, c.T)
    most = max(1, min(c.T, GRADIENT_ROWS // max(1, c.B)))
    c.work_size = packed_size(&lanes.w, True) + most * (j.zt + 5 * c.B * sizeof(long)) + (2 * lanes.w.states + 1) * j.ht
    c.work_size += lanes.w.width * lanes.w.esize + 64
    run_lanes(&c, backward_lanes, 3 * work_of(&c))
