# Products for everything that is not a cell: dense layers and their gradients, convolutions, attention.
#
# The tiles of the cells, and their order of summation: one accumulator an element, from the bias on, k in order. So a
# dense layer gives a row the same bits alone, in a batch, in a stream and on any number of threads. Rules and shapes:
# kernels/README.md and kernels/reference/products.py.

cdef enum:
    ACTIVATION_WORK = 8  # nanoseconds of an activation of one vector
    PADDED_ROWS = 1024  # rows whose gradients are padded at a time
    GRADIENT_WIDTH = 48  # rows of dW that a piece has at least, where there are as many: it copies all of dz
    BATCHED_ROWS = 1024  # rows of a matrix that are one piece of work


def product_pack(W, b):
    """W (K, N), and b (N,) or None, in panels."""
    return Panels(W, b)


def product(Panels packed, cnp.ndarray x, str activation, cnp.ndarray y):
    """y (B, T, N) = activation(b + x W) for x (B, T, K)."""
    cdef Product p = packed.product
    p.act = code(activation)
    set_rows(&p, view_of(x), view_of(y), x.shape[0], x.shape[1])
    run_slices(cs_threads(), product_part, &p, p.alone, <double> p.share.r1 * (p.K / 16. + ACTIVATION_WORK) * p.N)


# y (rows, N) = activation(x), by rows.
cdef struct Activation:
    Share share
    const cs_tiles *tiles
    const char *x
    char *y
    long N, esize
    int act


cdef void activation_part(void *activation, int piece, int pieces) noexcept nogil:
    cdef Activation *a = <Activation *> activation
    cdef Share mine = share_of(&a.share, piece, pieces)
    cdef long row = a.N * a.esize
    activate_rows(a.tiles, a.act, mine.r1 - mine.r0, a.N, a.esize, a.x + mine.r0 * row, row, a.y + mine.r0 * row, row)


def activated(cnp.ndarray x, str activation, cnp.ndarray y):
    """y (rows, N) = activation(x), both C-contiguous, perhaps one array."""
    cdef Activation a
    cdef double alone
    a.tiles, a.act, a.x, a.y = tiles_for(x.itemsize), code(activation), data(x), data(y)
    a.share.r0, a.share.r1, a.N, a.esize = 0, x.shape[0], x.shape[1], x.itemsize
    alone = <double> x.size * ACTIVATION_WORK / a.tiles.VL
    run_slices(cs_threads(), activation_part, &a, alone, alone + x.size)  # memory may cost more than arithmetic


# dW (K, Np) += x^T dz for n rows at x_at and dz_at, and db += the sums of dz; each piece has its own rows of dW.
cdef struct Gradient:
    const cs_tiles *tiles
    long K, N, Np, esize, n, T
    View x
    long *at      # where rows lie in x, and behind them in dz
    const char *dz
    char *padded  # rows of dz, padded to whole vectors; NULL where they are
    char *dW
    char *db
    char *work
    long work_size


cdef void gradient_part(void *gradient, int piece, int pieces) noexcept nogil:
    cdef Gradient *g = <Gradient *> gradient
    cdef long k0 = g.K * piece // pieces, k1 = g.K * (piece + 1) // pieces, row = g.Np * g.esize
    cdef const char *dz = g.dz if g.padded == NULL else g.padded
    if g.dW != NULL:
        g.tiles.gemm_tn(k1 - k0, g.n, g.x.p + k0 * g.esize, g.at, dz, g.at + PADDED_ROWS, g.Np, g.dW + k0 * row, row,
                        g.work + piece * g.work_size)
    if g.db != NULL and piece == pieces - 1:
        g.tiles.column_sums(g.n, dz, g.at + PADDED_ROWS, g.Np, g.db)


cdef void list_rows(Gradient *g, long r0) noexcept nogil:
    """Where the g.n rows from r0 on lie in x (B, T, K) and dz."""
    cdef long i, r, row = g.Np * g.esize
    for i in range(g.n):
        r = r0 + i
        g.at[i] = r // g.T * g.x.sb + r % g.T * g.x.st
        g.at[PADDED_ROWS + i] = r * row
        if g.padded != NULL:
            g.at[PADDED_ROWS + i] = i * row
            memcpy(g.padded + i * row, g.dz + r * g.N * g.esize, g.N * g.esize)


def product_gradients(cnp.ndarray x, cnp.ndarray dz, cnp.ndarray dW, cnp.ndarray db):
    """dW (K, N) += x^T dz and db (N,) += the sums of dz, over rows in order; x (B, T, K), dz (B, T, N)."""
    cdef Gradient g
    cdef long rows = x.shape[0] * x.shape[1], i
    cdef Slices s
    cdef double work = <double> x.shape[2] * dz.shape[2], alone = 0
    cdef char *to_W = data(dW)
    cdef char *to_b = data(db)
    cdef uint64_t mode
    cdef int threads = cs_threads(), pieces
    keep = []
    memset(&g, 0, sizeof(Gradient))
    g.tiles, g.K, g.N, g.esize, g.T = tiles_for(x.itemsize), x.shape[2], dz.shape[2], x.itemsize, x.shape[1]
    g.Np = (g.N + g.tiles.VL - 1) // g.tiles.VL * g.tiles.VL
    g.x, g.dz = view_of(x), data(dz)
    if to_W != NULL:
        g.dW = room(keep, g.K * g.Np * g.esize, True)
    if to_b != NULL:
        g.db = room(keep, g.Np * g.esize, True)
    if g.N != g.Np:
        g.padded = room(keep, min(rows, PADDED_ROWS) * g.Np * g.esize, True)
    g.at = <long *> room(keep, 2 * PADDED_ROWS * sizeof(long))
    g.work_size = (g.tiles.gemm_tn_work(g.K) + 64) // 64 * 64
    alone = nanoseconds(g.tiles, PADDED_ROWS, work * min(rows, PADDED_ROWS), 0, g.esize)
    if alone < CALL_NS:
        threads = 1
    pieces = min(pieces_of(threads, alone), max(threads, g.K // GRADIENT_WIDTH))
    g.work = room(keep, pieces * g.work_size)
    begin_slices(&s, (rows + PADDED_ROWS - 1) // PADDED_ROWS, work * rows / 16)
    while next_slice(&s):
        with nogil:
            mode = cs_float_mode_set(True)
            for i in range(s.first, s.last):
                g.n = min(rows - i * PADDED_ROWS, PADDED_ROWS)
                list_rows(&g, i * PADDED_ROWS)
                cs_pieces(threads, alone, pieces, False, gradient_part, &g)
            cs_float_mode_restore(mode)
    mode = cs_float_mode_set(True)
    if to_W != NULL:
        g.tiles.unpack_add(g.K, 1, g.N, g.Np, g.dW, to_W)
    if to_b != NULL:
        g.tiles.unpack_add(1, 1, g.N, g.Np, g.db, to_b)
    cs_float_mode_restore(mode)


# out (B, M, N) = a (B, M, K) b (B, K, N), the matrices of b packed by the piece that multiplies with them.
cdef struct Batched:
    Share share  # of the blocks of rows, `blocks` of each matrix
    const cs_tiles *tiles
    long M, K, N, Np, blocks
    View a, b, out
    bint plain  # or b lies transposed
    char *room
    long room_size


cdef void batched_part(void *batched, int piece, int pieces) noexcept nogil:
    cdef Batched *s = <Batched *> batched
    cdef Share mine = share_of(&s.share, piece, pieces)
    cdef char *room_ = s.room + piece * s.room_size
    cdef cs_panels W
    cdef long i, m, r, packed = -1
    W.data, W.K, W.N = room_, s.K, s.Np
    for i in range(mine.r0, mine.r1):
        m, r = i // s.blocks, i % s.blocks * BATCHED_ROWS
        if m != packed:
            pack_matrix(s.tiles, s.K, s.N, row_in(&s.b, m, 0), s.plain, room_)
        packed = m
        s.tiles.gemm(min(BATCHED_ROWS, s.M - r), s.K, row_in(&s.a, m, r), s.a.st, &W, 0, 0, s.N, row_in(&s.out, m, r),
                     s.out.st, CS_FROM_ZERO, NULL)


def product_batched(cnp.ndarray a, cnp.ndarray b, cnp.ndarray out):
    """out (B, M, N) = a (B, M, K) b (B, K, N), matrix by matrix; b or its transpose C-contiguous."""
    cdef Batched s
    cdef long B = a.shape[0]
    cdef double alone
    cdef int threads = cs_threads()
    keep = []
    s.tiles, s.M, s.K, s.N = tiles_for(a.itemsize), a.shape[1], a.shape[2], b.shape[2]
    if not B * s.M * s.N:
        return
    s.Np = (s.N + s.tiles.VL - 1) // s.tiles.VL * s.tiles.VL
    s.a, s.b, s.out = view_of(a), view_of(b), view_of(out)
    s.b.sb = s.K * s.N * a.itemsize  # an axis of one entry may have any stride
    s.plain = cnp.PyArray_IS_C_CONTIGUOUS(b)
    s.room_size = (s.K * s.Np * a.itemsize + 64) // 64 * 64
    s.blocks = (s.M + BATCHED_ROWS - 1) // BATCHED_ROWS
    s.share.r0, s.share.r1 = 0, B * s.blocks
    alone = nanoseconds(s.tiles, s.M, <double> B * s.M * s.K * s.N, 0, a.itemsize)
    if s.share.r1 == 1:
        threads = 1
    s.room = room(keep, pieces_of(threads, alone) * s.room_size)
    run_slices(threads, batched_part, &s, alone, alone)
