# A matrix packed for products, and one product of rows with it, as threads share it.
from .tiles cimport cs_panels, cs_tiles


# (B, T, width) values: row b of step t begins at p + b * sb + t * st.
cdef struct View:
    char *p
    long sb, st


cdef enum:
    SOFTMAX = -1  # beside the codes of activations


# y = activation(bias + x W) for rows of x (B, T, K); y (B, T, N).
cdef struct Product:
    const cs_tiles *tiles
    cs_panels W
    const char *bias  # padded, or NULL for zeros
    long K, N, esize
    int act
    View x, y
    long B, T
    long r0, r1  # the rows of this slice, of B T


cdef class Panels:
    cdef const cs_tiles *tiles
    cdef cs_panels W
    cdef char *bias
    cdef readonly long K, N
    cdef readonly object dtype
    cdef object memory


cdef void describe(Product *p, Panels panels, int act) noexcept
cdef void run_product(Product *p, View x, View y, long B, long T) noexcept nogil
cdef int code(str activation) except? -1
cdef void run_slice(Product *p, long r0, long r1) noexcept nogil
