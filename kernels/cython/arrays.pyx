# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
"""Large arrays for results, from the memory that earlier results gave back.

The C library returns large blocks to the system as soon as they are free, and the system clears each page of a new one:
for the outputs of a small layer that takes as long as the layer. These arrays own their memory like any other.
"""
import numpy as np

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from .tiles cimport block_size, pool_take, pool_return

cnp.import_array()

cdef enum:
    LARGE = 1 << 16  # bytes from which an array is worth it

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyDataMemAllocator:
        void *ctx
        void *(*malloc)(void *ctx, size_t size) noexcept nogil
        void *(*calloc)(void *ctx, size_t count, size_t size) noexcept nogil
        void *(*realloc)(void *ctx, void *memory, size_t size) noexcept nogil
        void (*free)(void *ctx, void *memory, size_t size) noexcept nogil
    ctypedef struct PyDataMem_Handler:
        char name[127]
        uint8_t version
        PyDataMemAllocator allocator
    object PyDataMem_SetHandler(object handler)


cdef void *new(void *ctx, size_t size) noexcept nogil:
    return pool_take(size)


cdef void *cleared(void *ctx, size_t count, size_t size) noexcept nogil:
    cdef void *memory = pool_take(count * size)
    if memory != NULL:
        memset(memory, 0, count * size)
    return memory


cdef void *resized(void *ctx, void *memory, size_t size) noexcept nogil:
    cdef void *other = pool_take(size)
    if other != NULL:
        memcpy(other, memory, min(size, block_size(memory)))
        pool_return(memory)
    return other


cdef void freed(void *ctx, void *memory, size_t size) noexcept nogil:
    pool_return(memory)


cdef PyDataMem_Handler handler
memcpy(handler.name, b"cellstep", 9)
handler.version = 1
handler.allocator = PyDataMemAllocator(NULL, new, cleared, resized, freed)
cdef object capsule = PyCapsule_New(&handler, "mem_handler", NULL)


def empty(tuple shape, dtype):
    """A C-contiguous array of this shape and dtype, holding anything."""
    cdef size_t size = dtype.itemsize
    for n in shape:
        size *= n
    if size < LARGE:
        return np.empty(shape, dtype)
    before = PyDataMem_SetHandler(capsule)
    try:
        return np.empty(shape, dtype)
    finally:
        PyDataMem_SetHandler(before)
