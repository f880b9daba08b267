# Layer normalization, forward and backward, by rows. Rules and shapes: kernels/reference/norms.py.

cdef enum:
    NORM_WORK = 3  # nanoseconds of one vector, there or back


cdef struct Norm:
    Share share
    const cs_tiles *tiles
    long n, esize
    double epsilon
    char *x  # dy on the way back
    char *y  # dx on the way back
    char *normal
    char *inverse
    const void *gamma
    const void *beta


cdef inline char *moved(char *p, long bytes_) noexcept nogil:
    return NULL if p == NULL else p + bytes_


cdef void normalize_part(void *rows, int piece, int pieces) noexcept nogil:
    cdef Norm *w = <Norm *> rows
    cdef Share mine = share_of(&w.share, piece, pieces)
    cdef long at = mine.r0 * w.n * w.esize
    w.tiles.normalize(mine.r1 - mine.r0, w.n, w.x + at, w.epsilon, w.gamma, w.beta, w.y + at, moved(w.normal, at),
                      moved(w.inverse, mine.r0 * w.esize))


cdef void normalize_back_part(void *rows, int piece, int pieces) noexcept nogil:
    cdef Norm *w = <Norm *> rows
    cdef Share mine = share_of(&w.share, piece, pieces)
    cdef long at = mine.r0 * w.n * w.esize
    w.tiles.normalize_back(mine.r1 - mine.r0, w.n, w.x + at, w.normal + at, w.inverse + mine.r0 * w.esize, w.gamma,
                           w.y + at)


cdef int run_norm(Norm *w, cs_work *part) except -1:
    cdef double numbers = <double> w.share.r1 * w.n, alone = numbers * NORM_WORK / w.tiles.VL
    return run_slices(cs_threads(), part, w, alone, alone + numbers)  # memory may cost more than arithmetic


cdef Norm norm_of(cnp.ndarray x):
    cdef Norm w
    w.tiles = tiles_for(x.itemsize)
    w.share.r0, w.share.r1, w.n, w.esize, w.x = 0, x.shape[0], x.shape[1], x.itemsize, data(x)
    return w


def normalized(cnp.ndarray x, double epsilon, gamma, beta, y, normal, inverse):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, row by row of x (N, F)."""
    cdef Norm w = norm_of(x)
    w.epsilon, w.gamma, w.beta = epsilon, data(gamma), data(beta)
    w.y, w.normal, w.inverse = data(y), data(normal), data(inverse)
    run_norm(&w, normalize_part)


def normalized_back(cnp.ndarray dy, normal, inverse, gamma, dx, dgamma, dbeta):
    """dx (N, F), overwritten; dgamma and dbeta (F,), added to."""
    cdef Norm w = norm_of(dy)
    w.gamma, w.y, w.normal, w.inverse = data(gamma), data(dx), data(normal), data(inverse)
    cdef uint64_t mode
    if dgamma is not None or dbeta is not None:
        mode = cs_float_mode_set(True)
        w.tiles.normalize_sums(w.share.r1, w.n, w.x, w.normal, data(dgamma), data(dbeta))
        cs_float_mode_restore(mode)
    if dx is not None:
        run_norm(&w, normalize_back_part)
