# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""Layer normalization, forward and backward, by rows. Rules and shapes: kernels/reference/norms.py."""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint64_t

from .job cimport CALL_NS
from .slices cimport Slices, begin_slices, next_slice
from .tiles cimport cs_float_mode_restore, cs_float_mode_set, cs_tiles, cs_work, parallel, threads, tiles_for

cnp.import_array()

cdef enum:
    NORM_WORK = 3  # nanoseconds of one vector, there or back


cdef struct Rows:
    const cs_tiles *tiles
    long r0, r1  # the rows of this slice
    long n, esize
    double epsilon
    char *x  # dy on the way back
    char *y  # dx on the way back
    char *normal
    char *inverse
    const void *gamma
    const void *beta


cdef char *data(cnp.ndarray a) noexcept:
    return NULL if a is None else <char *> cnp.PyArray_DATA(a)


cdef char *moved(char *p, long bytes_) noexcept nogil:
    return NULL if p == NULL else p + bytes_


cdef void forward_part(void *rows, int thread, int threads_) noexcept nogil:
    cdef Rows *w = <Rows *> rows
    cdef long n = w.r1 - w.r0, r = w.r0 + n * thread // threads_
    cdef long count = w.r0 + n * (thread + 1) // threads_ - r, at = r * w.n * w.esize
    w.tiles.normalize(count, w.n, w.x + at, w.epsilon, w.gamma, w.beta, w.y + at, moved(w.normal, at),
                      moved(w.inverse, r * w.esize))


cdef void backward_part(void *rows, int thread, int threads_) noexcept nogil:
    cdef Rows *w = <Rows *> rows
    cdef long n = w.r1 - w.r0, r = w.r0 + n * thread // threads_
    cdef long count = w.r0 + n * (thread + 1) // threads_ - r, at = r * w.n * w.esize
    w.tiles.normalize_back(count, w.n, w.x + at, w.normal + at, w.inverse + r * w.esize, w.gamma, w.y + at)


cdef int run(Rows *w, cs_work *part) except -1:
    cdef double alone = <double> w.r1 * w.n * NORM_WORK / w.tiles.VL
    cdef Slices s
    cdef uint64_t mode
    begin_slices(&s, w.r1, alone + <double> w.r1 * w.n)  # memory may cost more than arithmetic
    while next_slice(&s):
        w.r0, w.r1 = s.first, s.last
        with nogil:
            if alone < CALL_NS:
                mode = cs_float_mode_set(True)
                part(w, 0, 1)
                cs_float_mode_restore(mode)
            else:
                parallel(threads(), alone, part, w)
    return 0


cdef Rows rows_of(cnp.ndarray x):
    cdef Rows w
    w.tiles = tiles_for(x.dtype == np.float64)
    w.r0, w.r1, w.n, w.esize, w.x = 0, x.shape[0], x.shape[1], x.itemsize, data(x)
    return w


def normalized(cnp.ndarray x, double epsilon, gamma, beta, y, normal, inverse):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, row by row of x (N, F)."""
    cdef Rows w = rows_of(x)
    w.epsilon, w.gamma, w.beta = epsilon, data(gamma), data(beta)
    w.y, w.normal, w.inverse = data(y), data(normal), data(inverse)
    run(&w, forward_part)


def normalized_back(cnp.ndarray dy, normal, inverse, gamma, dx, dgamma, dbeta):
    """dx (N, F), overwritten; dgamma and dbeta (F,), added to."""
    cdef Rows w = rows_of(dy)
    w.gamma, w.y, w.normal, w.inverse = data(gamma), data(dx), data(normal), data(inverse)
    cdef uint64_t mode
    if dgamma is not None or dbeta is not None:
        mode = cs_float_mode_set(True)
        w.tiles.normalize_sums(w.r1, w.n, w.x, w.normal, data(dgamma), data(dbeta))
        cs_float_mode_restore(mode)
    if dx is not None:
        run(&w, backward_part)
