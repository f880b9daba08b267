# A matrix in panels, and the product of rows with it, as layers and chains run it.

cdef enum:
    SOFTMAX = -1  # beside the codes of activations
    BLOCK_NUMBERS = 65536  # of the outputs of a block of rows, so that they are still in cache for the activation


cdef int code(str activation) except? -1:
    return SOFTMAX if activation == "softmax" else ACTIVATIONS.index(activation)


cdef void activate_rows(const cs_tiles *tiles, int act, long rows, long n, long esize, const char *x, long xb, char *y,
                        long yb) noexcept nogil:
    """y = activation(x) for rows of n numbers, xb and yb bytes from row to row; in place too."""
    cdef long row = n * esize, r
    if act != SOFTMAX and xb == row and yb == row:
        tiles.activate(act, rows * n, x, y)
        return
    for r in range(rows):
        if act != SOFTMAX:
            tiles.activate(act, n, x + r * xb, y + r * yb)
        elif x != y:
            memcpy(y + r * yb, x + r * xb, row)
    if act == SOFTMAX:
        tiles.softmax(rows, n, y, yb)


cdef void pack_matrix(const cs_tiles *tiles, long K, long N, const char *W, bint plain, char *at) noexcept nogil:
    """W (K, N) into panels; if not `plain` it lies transposed, as (N, K)."""
    if plain:
        tiles.pack(K, (N + tiles.VL - 1) // tiles.VL, NULL, NULL, W, N, at)
    else:
        tiles.pack_transposed(N, 1, K, K, W, at)


# y = activation(bias + x W) for rows of x (B, T, K); y (B, T, N).
cdef struct Product:
    Share share  # of the B T rows
    const cs_tiles *tiles
    cs_panels W
    char *bias  # padded
    long K, N, esize
    int act
    View x, y
    long B, T
    double alone  # nanoseconds that it may take on one thread


cdef class Panels:
    """W (K, N), and perhaps b (N,), in panels. Immutable once made: any number of threads may use one at a time.

    W is C- or F-contiguous: a transpose costs no copy.
    """

    cdef Product product  # all but the rows and the activation
    cdef readonly long K, N
    cdef readonly object dtype
    cdef list keep

    def __cinit__(self, cnp.ndarray W, b):
        cdef Product *p = &self.product
        self.dtype, self.keep, self.K, self.N = W.dtype, [], W.shape[0], W.shape[1]
        p.K, p.N, p.esize, p.tiles = self.K, self.N, W.itemsize, tiles_for(W.itemsize)
        cdef long Np = (p.N + p.tiles.VL - 1) // p.tiles.VL * p.tiles.VL
        cdef char *at = room(self.keep, (p.K + 1) * Np * p.esize)
        pack_matrix(p.tiles, p.K, p.N, data(W), cnp.PyArray_IS_C_CONTIGUOUS(W), at)
        p.W, p.bias = cs_panels(at, p.K, Np), at + p.K * Np * p.esize
        memset(p.bias, 0, Np * p.esize)
        if b is not None:
            memcpy(p.bias, data(b), p.N * p.esize)

    def plain(self):
        """W and b as they were packed; zeros where there was no b."""
        cdef cs_panels bias = cs_panels(self.product.bias, 1, self.product.W.N)
        W, b = unpacked(&self.product.W, self.dtype), unpacked(&bias, self.dtype)
        return np.ascontiguousarray(W[:, : self.N]), b[0, : self.N]


cdef void set_rows(Product *p, View x, View y, long B, long T) noexcept nogil:
    cdef double work = <double> p.K * p.N
    p.x, p.y, p.B, p.T, p.share.r0, p.share.r1 = x, y, B, T, 0, B * T
    p.alone = nanoseconds(p.tiles, B * T, work * B * T, work * p.esize, p.esize)


cdef void run_rows(Product *p, long r0, long r1, long n0, long n1) noexcept nogil:
    """Columns n0 to n1 for rows r0 to r1, counted along the axis on which rows lie evenly as far as they can."""
    cdef bint along = p.T > 1 and (p.T >= p.B or p.x.sb == p.T * p.x.st)
    cdef long inner = p.T if along else p.B
    cdef long xi = p.x.st if along else p.x.sb, xo = p.x.sb if along else p.x.st
    cdef long yi = p.y.st if along else p.y.sb, yo = p.y.sb if along else p.y.st
    cdef long most = max(TALLEST, BLOCK_NUMBERS // max(1, n1 - n0) // TALLEST * TALLEST), n
    cdef char *y
    if xo == inner * xi and yo == inner * yi:
        inner = p.B * p.T
    while r0 < r1:
        n = min(min(inner - r0 % inner, r1 - r0), most)
        y = p.y.p + r0 // inner * yo + r0 % inner * yi + n0 * p.esize
        p.tiles.gemm(n, p.K, p.x.p + r0 // inner * xo + r0 % inner * xi, xi, &p.W, 0, n0, n1 - n0, y, yi, CS_FROM_BIAS,
                     p.bias + n0 * p.esize)
        if p.act != 0:
            activate_rows(p.tiles, p.act, n, n1 - n0, p.esize, y, yi, y, yi)
        r0 += n


cdef void product_part(void *product, int piece, int pieces) noexcept nogil:
    """A piece's rows, or its vectors of columns where rows are few."""
    cdef Product *p = <Product *> product
    cdef Share mine = share_of(&p.share, piece, pieces)
    cdef long VL = p.tiles.VL, vectors = (p.N + VL - 1) // VL, n0, n1
    if p.share.r1 - p.share.r0 >= 2 * TALLEST * pieces or p.act == SOFTMAX:
        run_rows(p, mine.r0, mine.r1, 0, p.N)
        return
    n0, n1 = vectors * piece // pieces * VL, min(p.N, vectors * (piece + 1) // pieces * VL)
    if n0 < n1:
        run_rows(p, p.share.r0, p.share.r1, n0, n1)


cdef void run_product(Product *p, View x, View y, long B, long T) noexcept nogil:
    """All at once, inside a call that has set the floating-point mode."""
    cdef int threads
    set_rows(p, x, y, B, T)
    if p.alone < CALL_NS:
        product_part(p, 0, 1)
    else:
        threads = cs_threads()
        cs_pieces(threads, p.alone, pieces_of(threads, p.alone), False, product_part, p)
