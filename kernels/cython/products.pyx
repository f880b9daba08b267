# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""Products for everything that is not a cell: dense layers and their gradients, convolutions, attention.

The tiles of the cells, and their order of summation: one accumulator an element, from the bias on, k in order. So a
dense layer gives a row the same bits alone, in a batch, in a stream and on any number of threads. Rules and shapes:
kernels/README.md and kernels/reference/products.py.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from .job cimport CALL_NS, nanoseconds
from .packed cimport aligned
from .panels cimport SOFTMAX, Panels, Product, View, code, describe, run_product, run_slice
from .slices cimport Slices, begin_slices, next_slice
from .tiles cimport (
    CS_FROM_ZERO, cs_float_mode_restore, cs_float_mode_set, cs_panels, cs_tiles, parallel, threads, tiles_for,
)

cnp.import_array()

cdef enum:
    LONG_WORK = 250_000  # multiply-adds of a call for which the GIL is released
    ACTIVATION_WORK = 8  # nanoseconds of an activation of one vector
    GRADIENT_ROWS = 1024  # rows whose gradients are padded at a time
    BATCHED_ROWS = 1024  # rows of a matrix that are one piece of work


cdef View view_of(cnp.ndarray a):
    cdef View v
    v.p, v.sb, v.st = <char *> cnp.PyArray_DATA(a), a.strides[0], a.strides[1]
    return v


def product_pack(W, b):
    """W (K, N), and b (N,) or None, in panels."""
    return Panels(W, b)


def product(Panels packed, cnp.ndarray x, str activation, cnp.ndarray y):
    """y (B, T, N) = activation(b + x W) for x (B, T, K)."""
    cdef Product p
    cdef View a = view_of(x), b = view_of(y)
    cdef long B = x.shape[0], T = x.shape[1]
    cdef Slices s
    cdef uint64_t mode
    describe(&p, packed, code(activation))
    if not B * T:
        return
    if <double> B * T * p.K * p.N < LONG_WORK:
        mode = cs_float_mode_set(True)
        run_product(&p, a, b, B, T)
        cs_float_mode_restore(mode)
        return
    p.x, p.y, p.B, p.T = a, b, B, T
    begin_slices(&s, B * T, <double> B * T * (p.K / 16. + ACTIVATION_WORK) * p.N)
    while next_slice(&s):
        with nogil:
            mode = cs_float_mode_set(True)
            run_slice(&p, s.first, s.last)
            cs_float_mode_restore(mode)


# y (rows, N) = activation(x), by rows.
cdef struct Activation:
    const cs_tiles *tiles
    const char *x
    char *y
    long r0, r1  # the rows of this slice
    long N, row
    int act


cdef void activation_part(void *activation, int thread, int threads_) noexcept nogil:
    cdef Activation *a = <Activation *> activation
    cdef long rows = a.r1 - a.r0, r0 = a.r0 + rows * thread // threads_
    cdef long n = a.r0 + rows * (thread + 1) // threads_ - r0
    cdef char *y = a.y + r0 * a.row
    if a.act != SOFTMAX:
        a.tiles.activate(a.act, n * a.N, a.x + r0 * a.row, y)
        return
    if a.x != a.y:
        memcpy(y, a.x + r0 * a.row, n * a.row)
    a.tiles.softmax(n, a.N, y, a.row)


def activated(cnp.ndarray x, str activation, cnp.ndarray y):
    """y (rows, N) = activation(x), both C-contiguous, perhaps one array."""
    cdef Activation a
    cdef Slices s
    cdef uint64_t mode
    cdef double alone
    a.tiles, a.act = tiles_for(x.dtype == np.float64), code(activation)
    a.x, a.y = <const char *> cnp.PyArray_DATA(x), <char *> cnp.PyArray_DATA(y)
    a.r0, a.r1, a.N, a.row = 0, x.shape[0], x.shape[1], x.shape[1] * x.itemsize
    alone = <double> x.size * ACTIVATION_WORK / a.tiles.VL
    if alone < CALL_NS:
        mode = cs_float_mode_set(True)
        activation_part(&a, 0, 1)
        cs_float_mode_restore(mode)
        return
    begin_slices(&s, a.r1, alone + x.size)  # memory may cost more than arithmetic
    while next_slice(&s):
        a.r0, a.r1 = s.first, s.last
        with nogil:
            parallel(threads(), alone, activation_part, &a)


# dW (K, Np) += x^T dz for rows at x_at and dz_at, and db += the sums of dz; each thread has its own rows of dW.
cdef struct Gradient:
    const cs_tiles *tiles
    long K, Np, esize, n
    const char *x
    const long *x_at
    const char *dz
    const long *dz_at
    char *dW
    char *db
    char *work
    long work_size


cdef void gradient_part(void *gradient, int thread, int threads_) noexcept nogil:
    cdef Gradient *g = <Gradient *> gradient
    cdef long k0 = g.K * thread // threads_, k1 = g.K * (thread + 1) // threads_, row = g.Np * g.esize
    if g.dW != NULL:
        g.tiles.gemm_tn(k1 - k0, g.n, g.x + k0 * g.esize, g.x_at, g.dz, g.dz_at, g.Np, g.dW + k0 * row, row,
                        g.work + thread * g.work_size)
    if g.db != NULL and thread == threads_ - 1:
        g.tiles.column_sums(g.n, g.dz, g.dz_at, g.Np, g.db)


cdef void list_rows(Gradient *g, View x, long T, const char *dz, char *padded, long N, long r0,
                    long *at) noexcept nogil:
    """Where g.n rows from r0 on lie in x (B, T, K); and those of dz, padded to whole vectors."""
    cdef long i, r, row = g.Np * g.esize
    g.x_at, g.dz_at = at, at + GRADIENT_ROWS
    for i in range(g.n):
        r = r0 + i
        at[i] = r // T * x.sb + r % T * x.st
        at[GRADIENT_ROWS + i] = i * row
        if padded != NULL:
            memcpy(padded + i * row, dz + r * N * g.esize, N * g.esize)
    g.dz = padded if padded != NULL else dz + r0 * row


def product_gradients(cnp.ndarray x, cnp.ndarray dz, cnp.ndarray dW, cnp.ndarray db):
    """dW (K, N) += x^T dz and db (N,) += the sums of dz, over rows in order; x (B, T, K), dz (B, T, N)."""
    cdef Gradient g
    cdef long T = x.shape[1], rows = x.shape[0] * T, N = dz.shape[2], i
    cdef const char *dz_data = <const char *> cnp.PyArray_DATA(dz)
    cdef View places = view_of(x)
    cdef Slices s
    cdef double work = <double> x.shape[2] * N, alone = 0
    cdef char *sums = NULL
    cdef char *padded = NULL
    cdef char *lists = NULL
    cdef void *dW_out = NULL if dW is None else cnp.PyArray_DATA(dW)
    cdef void *db_out = NULL if db is None else cnp.PyArray_DATA(db)
    cdef uint64_t mode
    cdef int limit = threads()
    keep = []
    memset(&g, 0, sizeof(Gradient))
    g.tiles, g.K, g.esize = tiles_for(x.dtype == np.float64), x.shape[2], x.itemsize
    g.Np = (N + g.tiles.NR - 1) // g.tiles.NR * g.tiles.NR
    g.x = <const char *> cnp.PyArray_DATA(x)
    keep.append(aligned((g.K + 1) * g.Np * g.esize, True, &sums))
    g.dW = sums if dW is not None else NULL
    g.db = sums + g.K * g.Np * g.esize if db is not None else NULL
    if N != g.Np:
        keep.append(aligned(min(rows, GRADIENT_ROWS) * g.Np * g.esize, True, &padded))
    keep.append(aligned(2 * GRADIENT_ROWS * sizeof(long), False, &lists))
    g.work_size = (g.tiles.gemm_tn_work(g.K) + 64) // 64 * 64
    keep.append(aligned(limit * g.work_size, False, &g.work))
    begin_slices(&s, (rows + GRADIENT_ROWS - 1) // GRADIENT_ROWS, work * rows / 16)
    while next_slice(&s):
        with nogil:
            mode = cs_float_mode_set(True)
            for i in range(s.first, s.last):
                g.n = min(rows - i * GRADIENT_ROWS, GRADIENT_ROWS)
                list_rows(&g, places, T, dz_data, padded, N, i * GRADIENT_ROWS, <long *> lists)
                alone = nanoseconds(g.tiles, g.n, work * g.n, 0, g.esize)
                if alone < CALL_NS:
                    gradient_part(&g, 0, 1)
                else:
                    parallel(limit, alone, gradient_part, &g)
            cs_float_mode_restore(mode)
    mode = cs_float_mode_set(True)
    if g.dW != NULL:
        g.tiles.unpack_add(g.K, 1, N, g.Np, g.dW, dW_out)
    if g.db != NULL:
        g.tiles.unpack_add(1, 1, N, g.Np, g.db, db_out)
    cs_float_mode_restore(mode)


# out (B, M, N) = a (B, M, K) b (B, K, N), the matrices of b packed by the thread that multiplies with them.
cdef struct Batched:
    const cs_tiles *tiles
    long i0, i1  # the blocks of rows of this slice, `blocks` of each matrix
    long M, K, N, Np, esize, blocks
    View a, out
    const char *b
    long bb  # bytes from matrix to matrix
    bint transposed
    const long *first
    char *room
    long room_size


cdef void batched_part(void *batched, int thread, int threads_) noexcept nogil:
    cdef Batched *s = <Batched *> batched
    cdef long i, m, r, n = s.i1 - s.i0, packed = -1, vectors = s.Np // s.tiles.VL
    cdef cs_panels W
    W.data, W.K, W.N = s.room + thread * s.room_size, s.K, s.Np
    for i in range(s.i0 + n * thread // threads_, s.i0 + n * (thread + 1) // threads_):
        m, r = i // s.blocks, i % s.blocks * BATCHED_ROWS
        if m == packed:
            pass
        elif s.transposed:
            s.tiles.pack_transposed(s.N, 1, s.K, s.K, s.b + m * s.bb, <void *> W.data)
        else:
            s.tiles.pack(s.K, vectors, s.first, s.first + vectors, s.b + m * s.bb, s.N, <void *> W.data)
        packed = m
        s.tiles.gemm(min(BATCHED_ROWS, s.M - r), s.K, s.a.p + m * s.a.sb + r * s.a.st, s.a.st, &W, 0, 0, s.N,
                     s.out.p + m * s.out.sb + r * s.out.st, s.out.st, CS_FROM_ZERO, NULL)


def product_batched(cnp.ndarray a, cnp.ndarray b, cnp.ndarray out):
    """out (B, M, N) = a (B, M, K) b (B, K, N), matrix by matrix; b or its transpose C-contiguous."""
    cdef Batched s
    cdef Slices slices
    cdef long VL, B = a.shape[0]
    cdef double alone
    cdef cnp.ndarray lists
    cdef uint64_t mode
    cdef int limit = threads()
    keep = []
    s.tiles = tiles_for(a.dtype == np.float64)
    s.M, s.K, s.N, s.esize = a.shape[1], a.shape[2], b.shape[2], a.itemsize
    if not B * s.M * s.N:
        return
    VL, s.Np = s.tiles.VL, (s.N + s.tiles.NR - 1) // s.tiles.NR * s.tiles.NR
    s.transposed = not cnp.PyArray_IS_C_CONTIGUOUS(b)
    s.a, s.out = view_of(a), view_of(out)
    s.b, s.bb = <const char *> cnp.PyArray_DATA(b), s.K * s.N * s.esize
    first = np.arange(s.Np // VL) * VL
    lists = np.array([first, np.minimum(np.maximum(s.N - first, 0), VL)], np.dtype("l"))
    s.first = <const long *> cnp.PyArray_DATA(lists)
    s.room_size = (s.K * s.Np * s.esize + 64) // 64 * 64
    keep.append(aligned(limit * s.room_size, False, &s.room))
    alone = nanoseconds(s.tiles, s.M, <double> B * s.M * s.K * s.N, 0, s.esize)
    s.blocks = (s.M + BATCHED_ROWS - 1) // BATCHED_ROWS
    begin_slices(&slices, B * s.blocks, alone)
    while next_slice(&slices):
        s.i0, s.i1 = slices.first, slices.last
        with nogil:
            mode = cs_float_mode_set(True)
            if alone < CALL_NS or s.i1 - s.i0 == 1:
                batched_part(&s, 0, 1)
            else:
                parallel(limit, alone, batched_part, &s)
            cs_float_mode_restore(mode)
