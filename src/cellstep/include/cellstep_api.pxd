# cellstep.h for Cython: `from cellstep_api cimport cellstep_array, cellstep_import` and so on, with cellstep.get_include()
# among the folders that Cython and the C compiler search.

from libc.stdint cimport int64_t


cdef extern from "cellstep.h" nogil:
    enum:
        CELLSTEP_VERSION

    ctypedef struct cellstep_array:
        void *data
        int64_t itemsize
        int64_t shape[3]

    cellstep_array cellstep_describe(const void *data, int64_t itemsize, int64_t n0, int64_t n1, int64_t n2)

    ctypedef struct cellstep_api:
        int64_t version
        const char *(*error)() noexcept nogil
        void *(*pack)(const char *cell, const char *options, const cellstep_array *weights, int64_t count,
                      int64_t backward) noexcept nogil
        int64_t (*step)(void *weights, const cellstep_array *x, const cellstep_array *states,
                        int64_t count) noexcept nogil
        int64_t (*forward)(void *weights, const cellstep_array *x, const cellstep_array *mask,
                           const cellstep_array *first, const cellstep_array *y, const cellstep_array *last,
                           int64_t count, void **tape) noexcept nogil
        int64_t (*backward)(void *tape, const cellstep_array *dy, const cellstep_array *dlast,
                            const cellstep_array *dx, const cellstep_array *dfirst, int64_t count,
                            const cellstep_array *dweights, int64_t weights) noexcept nogil
        void (*release)(void *weights_or_tape) noexcept nogil


cdef extern from "cellstep.h":
    const cellstep_api *cellstep_import() except NULL
