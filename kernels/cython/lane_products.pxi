# Many models at once: dense layers, and the rows of a batch taken into lanes; see lanes.pxi.

# A product of every model's rows with its own matrix: y = b + x W, (blocks, T, B, N, VL); place: of W and b.
cdef struct LaneProduct:
    LaneCall call
    const cs_tiles *tiles
    long K, N, esize
    char *y               # or dz, contiguous
    bint softmax


cdef void product_lanes(void *product, int piece, int pieces) noexcept nogil:
    cdef LaneProduct *p = <LaneProduct *> product
    cdef LaneCall *c = &p.call
    cdef long vector = p.tiles.VL * p.esize, row = p.N * vector, block, t
    cdef int start = CS_FROM_ZERO if c.place[1] < 0 else CS_FROM_BIAS
    cdef char *mine
    cdef cs_panels W
    for block in range(c.blocks * piece // pieces, c.blocks * (piece + 1) // pieces):
        mine = c.weights + block * c.P * vector
        W = cs_panels(mine + c.place[0] * vector, p.K, p.N * p.tiles.VL)
        for t in range(c.T):
            p.tiles.lane_gemm(c.B, p.K * p.tiles.VL, c.x.p + block * c.x_block + t * c.x.st, c.x.sb, &W, 0, 0, W.N,
                              p.y + (block * c.T + t) * c.B * row, row, start, mine + c.place[1] * vector)
        if p.softmax:
            p.tiles.lane_softmax(c.T * c.B, p.N, p.y + block * c.T * c.B * row)


cdef void product_back_lanes(void *product, int piece, int pieces) noexcept nogil:
    """Sums over rows go through a row's steps first, as those of a dense layer do."""
    cdef LaneProduct *p = <LaneProduct *> product
    cdef LaneCall *c = &p.call
    cdef long VL = p.tiles.VL, vector = VL * p.esize, row = p.N * vector, n = c.T * c.B, block, t, b, k, v
    cdef long *x_at = <long *> (c.work + piece * c.work_size)
    cdef long *dz_at = x_at + n
    cdef char *WT = <char *> (dz_at + n)
    cdef char *grads
    cdef char *dz
    cdef const char *W
    cdef cs_panels turned = cs_panels(WT, p.N, p.K * VL)
    for b in range(c.B):
        for t in range(c.T):
            x_at[b * c.T + t], dz_at[b * c.T + t] = t * c.x.st + b * c.x.sb, (t * c.B + b) * row
    for block in range(c.blocks * piece // pieces, c.blocks * (piece + 1) // pieces):
        grads, dz = c.grads + block * c.P * vector, p.y + block * n * row
        memset(grads + c.place[0] * vector, 0, p.K * row)
        p.tiles.lane_gemm_tn(p.K * VL, n, c.x.p + block * c.x_block, x_at, dz, dz_at, p.N * VL,
                             grads + c.place[0] * vector, row, NULL)
        if c.place[1] >= 0:
            memset(grads + c.place[1] * vector, 0, row)
            p.tiles.column_sums(n, dz, dz_at, p.N * VL, grads + c.place[1] * vector)
        if c.dx.p == NULL:
            continue
        W = c.weights + (block * c.P + c.place[0]) * vector
        for k in range(p.K):
            for v in range(p.N):
                memcpy(WT + (v * p.K + k) * vector, W + (k * p.N + v) * vector, vector)
        for t in range(c.T):
            p.tiles.lane_gemm(c.B, p.N * VL, dz + t * c.B * row, row, &turned, 0, 0, p.K * VL,
                              c.dx.p + block * c.dx_block + t * c.dx.st, c.dx.sb, CS_FROM_ZERO, NULL)


cdef int begin_product(LaneProduct *p, cnp.ndarray weights, cnp.ndarray place, cnp.ndarray x, cnp.ndarray y) except -1:
    cdef LaneCall *c = &p.call
    memset(p, 0, sizeof(LaneProduct))
    p.tiles, p.esize, p.K, p.N, p.y = tiles_for(x.itemsize), x.itemsize, x.shape[3], y.shape[3], data(y)
    c.place, c.weights, c.P = <const long *> data(place), data(weights), weights.shape[1]
    c.blocks, c.T, c.B = x.shape[0], x.shape[1], x.shape[2]
    c.x = lanes_view(x, &c.x_block)
    return 0


def lanes_product(weights, place, x, y, bint softmax):
    """y (blocks, T, B, N, VL) = b + x W, or the softmax of that. place: longs, where W (K, N) and b lie among a model's
    numbers; -1 for no b."""
    cdef LaneProduct p
    begin_product(&p, weights, place, x, y)
    p.softmax = softmax
    run_lanes(&p.call, product_lanes, <double> p.call.T * p.call.B * p.K * p.N)


def lanes_product_back(weights, place, x, dz, cnp.ndarray grads, cnp.ndarray dx):
    """The gradients of W and b, from dz (blocks, T, B, N, VL); and dx, where that is not None."""
    cdef LaneProduct p
    begin_product(&p, weights, place, x, dz)
    p.call.grads, p.call.dx = data(grads), lanes_view(dx, &p.call.dx_block)
    p.call.work_size = 2 * p.call.T * p.call.B * sizeof(long) + p.K * p.N * p.tiles.VL * p.esize
    run_lanes(&p.call, product_back_lanes, 2. * p.call.T * p.call.B * p.K * p.N)


# out (blocks, T, B, n, VL) from rows of the source (R, steps, n).
cdef struct Taking:
    LaneCall call
    const cs_tiles *tiles
    const char *source
    const int64_t *rows
    char *out
    long n, steps, esize


cdef void take_lanes(void *taking, int piece, int pieces) noexcept nogil:
    cdef Taking *s = <Taking *> taking
    cdef LaneCall *c = &s.call
    cdef long VL = s.tiles.VL, block
    for block in range(c.blocks * piece // pieces, c.blocks * (piece + 1) // pieces):
        s.tiles.lane_take(c.B, c.T, s.n, s.source, s.steps * s.n * s.esize, s.rows + block * c.B * VL,
                          s.out + block * c.T * c.B * s.n * VL * s.esize)


def lanes_take(cnp.ndarray source, cnp.ndarray rows, cnp.ndarray out):
    """out (blocks, T, B, n, VL): the first T steps of the rows (blocks, B, VL), int64, of source (R, steps, n); zeros
    for negative ones."""
    cdef Taking s
    memset(&s, 0, sizeof(Taking))
    s.tiles, s.esize = tiles_for(source.itemsize), source.itemsize
    s.source, s.rows, s.out, s.n = data(source), <const int64_t *> data(rows), data(out), source.shape[2]
    s.steps = source.shape[1]
    s.call.blocks, s.call.T, s.call.B = rows.shape[0], out.shape[1], rows.shape[1]
    run_lanes(&s.call, take_lanes, <double> s.call.T * s.call.B * s.n * s.tiles.VL)
