# Gradients of inputs and weights over a chunk of steps.
from .job cimport Job, Part


# The chunk's running rows, step by step: where each lies, in bytes from j.x, j.seen, j.z and j.dz.
cdef struct Rows:
    long n
    long *x
    long *h
    long *z
    long *dz


cdef Rows running_rows(Job *j, Part *p, long t0, long t1) noexcept nogil
cdef void weight_gradients(Job *j, Part *p, Rows *r) noexcept nogil
cdef void recurrent_gradients(Job *j, Part *p, Rows *r) noexcept nogil
cdef void input_gradients(Job *j, Part *p, long t0, long t1) noexcept nogil
