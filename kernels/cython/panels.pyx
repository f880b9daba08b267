# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""A matrix in panels, and the product of rows with it, as layers and chains run it."""
import numpy as np

cimport numpy as cnp
from libc.string cimport memcpy, memset

from cellstep.kernels.cells import ACTIVATIONS

from .job cimport CALL_NS, nanoseconds
from .packed cimport aligned, unpacked
from .tiles cimport CS_FROM_BIAS, parallel, threads, tiles_for

cnp.import_array()

cdef enum:
    BLOCK_NUMBERS = 65536  # of the outputs of a block of rows, so that they are still in cache for the activation
    TALLEST = 6  # rows of the tallest tile


cdef class Panels:
    """W (K, N), and perhaps b (N,), in panels. Immutable once made: any number of threads may use one at a time.

    W is C- or F-contiguous: a transpose costs no copy.
    """

    def __cinit__(self, cnp.ndarray W, b):
        self.dtype = W.dtype
        self.tiles = tiles_for(self.dtype == np.float64)
        self.K, self.N = W.shape[0], W.shape[1]
        cdef long NR = self.tiles.NR, Np = (self.N + NR - 1) // NR * NR, esize = W.itemsize
        cdef char *at = NULL
        self.memory = aligned((self.K + 1) * Np * esize, False, &at)
        self.W = cs_panels(at, self.K, Np)
        pack_matrix(self.tiles, W, at)
        self.bias = at + self.K * Np * esize
        memset(self.bias, 0, Np * esize)
        cdef cnp.ndarray row
        if b is not None:
            row = b
            memcpy(self.bias, cnp.PyArray_DATA(row), self.N * esize)

    def plain(self):
        """W and b as they were packed; zeros where there was no b."""
        cdef cs_panels bias = cs_panels(self.bias, 1, self.W.N)
        W, b = unpacked(&self.W, self.tiles, self.dtype), unpacked(&bias, self.tiles, self.dtype)
        return np.ascontiguousarray(W[:, : self.N]), b[0, : self.N]


cdef int pack_matrix(const cs_tiles *tiles, cnp.ndarray W, char *at) except -1:
    """W (K, N), C- or F-contiguous, into panels at `at`."""
    cdef long VL = tiles.VL, K = W.shape[0], N = W.shape[1], vectors = (N + tiles.NR - 1) // tiles.NR * 2
    cdef cnp.ndarray lists
    if not cnp.PyArray_IS_C_CONTIGUOUS(W):
        tiles.pack_transposed(N, 1, K, K, cnp.PyArray_DATA(W), at)
        return 0
    first = np.arange(vectors) * VL
    lists = np.array([first, np.minimum(np.maximum(N - first, 0), VL)], np.dtype("l"))
    tiles.pack(K, vectors, <long *> cnp.PyArray_DATA(lists), <long *> cnp.PyArray_DATA(lists) + vectors,
               cnp.PyArray_DATA(W), N, at)
    return 0


cdef void describe(Product *p, Panels panels, int act) noexcept:
    """A product with `panels`, all but the rows."""
    p.tiles, p.W, p.bias, p.K, p.N = panels.tiles, panels.W, panels.bias, panels.K, panels.N
    p.esize, p.act = panels.dtype.itemsize, act


cdef int code(str activation) except? -1:
    return SOFTMAX if activation == "softmax" else ACTIVATIONS.index(activation)


cdef void run_rows(Product *p, long r0, long r1, long n0, long n1) noexcept nogil:
    """Columns n0 to n1 for rows r0 to r1, counted along the axis on which rows lie evenly as far as they can."""
    cdef bint along = p.T > 1 and (p.T >= p.B or p.x.sb == p.T * p.x.st)
    cdef long inner = p.T if along else p.B
    cdef long xi = p.x.st if along else p.x.sb, xo = p.x.sb if along else p.x.st
    cdef long yi = p.y.st if along else p.y.sb, yo = p.y.sb if along else p.y.st
    cdef long most = max(TALLEST, BLOCK_NUMBERS // max(1, n1 - n0) // TALLEST * TALLEST), n, r
    cdef char *y
    if xo == inner * xi and yo == inner * yi:
        inner = p.B * p.T
    while r0 < r1:
        n = min(min(inner - r0 % inner, r1 - r0), most)
        y = p.y.p + r0 // inner * yo + r0 % inner * yi + n0 * p.esize
        p.tiles.gemm(n, p.K, p.x.p + r0 // inner * xo + r0 % inner * xi, xi, &p.W, 0, n0, n1 - n0, y, yi, CS_FROM_BIAS,
                     p.bias + n0 * p.esize)
        if p.act == SOFTMAX:
            p.tiles.softmax(n, p.N, y, yi)
        elif p.act > 0 and yi == (n1 - n0) * p.esize:
            p.tiles.activate(p.act, n * p.N, y, y)
        elif p.act > 0:
            for r in range(n):
                p.tiles.activate(p.act, n1 - n0, y + r * yi, y + r * yi)
        r0 += n


cdef void product_part(void *product, int thread, int threads_) noexcept nogil:
    """A thread's rows, or its panels of columns where rows are few."""
    cdef Product *p = <Product *> product
    cdef long rows = p.r1 - p.r0, NR = p.tiles.NR, panels = (p.N + NR - 1) // NR, n0, n1
    if rows >= 2 * TALLEST * threads_ or p.act == SOFTMAX:
        run_rows(p, p.r0 + rows * thread // threads_, p.r0 + rows * (thread + 1) // threads_, 0, p.N)
        return
    n0, n1 = panels * thread // threads_ * NR, min(p.N, panels * (thread + 1) // threads_ * NR)
    if n0 < n1:
        run_rows(p, p.r0, p.r1, n0, n1)


cdef void run_product(Product *p, View x, View y, long B, long T) noexcept nogil:
    p.x, p.y, p.B, p.T = x, y, B, T
    run_slice(p, 0, B * T)


cdef void run_slice(Product *p, long r0, long r1) noexcept nogil:
    """The rows r0 to r1 of all."""
    cdef double work = <double> p.K * p.N
    cdef double alone = nanoseconds(p.tiles, r1 - r0, work * (r1 - r0), work * p.esize, p.esize)
    p.r0, p.r1 = r0, r1
    if alone < CALL_NS:
        product_part(p, 0, 1)
    else:
        parallel(threads(), alone, product_part, p)
