# Memory from the pool of tiles/memory.c: what a call or a tape needs, and large arrays for results.
#
# The C library returns large blocks to the system as soon as they are free, and the system clears each page of a new
# one: for the outputs of a small layer that takes as long as the layer. Arrays for results own their memory like any
# other.

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


cdef class Memory:
    """A block of the memory pool, aligned to 64 bytes; it returns to the pool when the last reference is gone."""

    cdef char *data

    def __cinit__(self, size_t size):
        self.data = <char *> cs_pool_take(size)
        if self.data == NULL:
            raise MemoryError(f"no memory for {size} bytes")

    def __dealloc__(self):
        cs_pool_return(self.data)


cdef char *room(list keep, size_t size, bint zero=False) except NULL:
    """Memory that lives as long as `keep`, cleared where `zero`."""
    cdef Memory memory = Memory(size)
    keep.append(memory)
    if zero:
        memset(memory.data, 0, size)
    return memory.data


cdef inline char *held(list keep, cnp.ndarray a) noexcept:
    """An array's elements, which so live as long as `keep`; NULL for None."""
    keep.append(a)
    return data(a)


cdef void *new(void *ctx, size_t size) noexcept nogil:
    return cs_pool_take(size)


cdef void *cleared(void *ctx, size_t count, size_t size) noexcept nogil:
    cdef void *memory = cs_pool_take(count * size)
    if memory != NULL:
        memset(memory, 0, count * size)
    return memory


cdef void *resized(void *ctx, void *memory, size_t size) noexcept nogil:
    cdef void *other = cs_pool_take(size)
    if other != NULL:
        memcpy(other, memory, min(size, cs_block_size(memory)))
        cs_pool_return(memory)
    return other


cdef void freed(void *ctx, void *memory, size_t size) noexcept nogil:
    cs_pool_return(memory)


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
