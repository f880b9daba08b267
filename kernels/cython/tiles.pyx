# cython: language_level=3, binding=True, freethreading_compatible=True
"""The C tiles: which instruction-set level runs, chosen once at import, and how many threads a call may use."""
import os

import numpy as np

cimport numpy as cnp

from cellstep.kernels.cells import ACTIVATIONS
from cellstep.kernels.threads import limit

cnp.import_array()

cdef const cs_level *level = NULL
cdef str why = ""


def available_isas():
    """The levels compiled in that this CPU runs, best first."""
    cdef int i = 0
    names = []
    while cs_levels[i].name != NULL:
        if cs_level_runs(cs_levels[i].name):
            names.append(cs_levels[i].name.decode())
        i += 1
    return tuple(names)


def _choose():
    """CELLSTEP_ISA if it is set, and then nothing else; otherwise the best level that runs here."""
    global level, why
    cdef int i = 0
    names = available_isas()
    asked = os.environ.get("CELLSTEP_ISA", "")
    if asked and asked not in names:
        raise ImportError(f"CELLSTEP_ISA must be one that runs here ({', '.join(names)}), got {asked!r}")
    if not names:
        raise ImportError("this CPU runs none of the instruction-set levels that cellstep was compiled for")
    chosen = asked or names[0]
    while cs_levels[i].name.decode() != chosen:
        i += 1
    level = &cs_levels[i]
    why = "CELLSTEP_ISA asks for it" if asked else "the best that this CPU and operating system run"


_choose()


def isa():
    """The level that runs."""
    return level.name.decode()


def isa_why():
    """Why it was chosen."""
    return why


cdef const cs_tiles *tiles_for(bint double_) noexcept nogil:
    return level.f64 if double_ else level.f32


cdef void parallel(int threads, double alone, cs_work *work, void *job) noexcept nogil:
    """`work` on up to so many threads, where one would take `alone` nanoseconds."""
    cs_parallel(threads, <int64_t> alone, work, job)


cdef void barrier(int me, int threads) noexcept nogil:
    cs_barrier(me, threads)


cdef int64_t barrier_cost(int threads, double alone) noexcept nogil:
    return cs_barrier_cost(threads, <int64_t> alone)


cdef int threads() noexcept nogil:
    return cs_threads()


cdef void *pool_take(size_t size) noexcept nogil:
    return cs_pool_take(size)


cdef void pool_return(void *memory) noexcept nogil:
    cs_pool_return(memory)


cdef size_t block_size(const void *memory) noexcept nogil:
    return cs_block_size(memory)


cdef object most = limit()
if most is not None:
    cs_limit_threads(most)


def get_num_threads():
    """Threads that a call from this thread may use: OpenMP's limit or ours, whichever is less."""
    return cs_threads()


def set_num_threads(int n):
    """Use at most n threads from now on, in the whole process."""
    cs_limit_threads(n)


def has_openmp():
    """False where the compiler had no OpenMP, so that its limits (threadpoolctl, affinity) are not seen."""
    return bool(cs_has_openmp())


def activate(name, values):
    """One activation of the contract over a contiguous array, as the tiles compute it; for tests of accuracy."""
    cdef cnp.ndarray x = np.ascontiguousarray(values)
    cdef cnp.ndarray y = np.empty_like(x)
    tiles_for(x.dtype == np.float64).activate(ACTIVATIONS.index(name), x.size, cnp.PyArray_DATA(x),
                                              cnp.PyArray_DATA(y))
    return y


def probe_multiply_adds(long n):
    """Run multiply-adds of float32 that stay in registers, `n` rounds of them, without the GIL. Returns how many."""
    cdef double out = 0, done
    with nogil:
        done = tiles_for(False).probe_fma(n, &out)
    return done


def probe_read(cnp.ndarray values, long times):
    """Read a contiguous array, a multiple of 512 bytes, `times` over as one stream, without the GIL."""
    cdef const void *p = cnp.PyArray_DATA(values)
    cdef long size = values.nbytes
    with nogil:
        tiles_for(False).probe_read(p, size, times)
