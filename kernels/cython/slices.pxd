# A long call in slices, between which Python looks for signals.
from libc.stdint cimport int64_t


cdef struct Slices:
    long first, last, end  # the units of work of this slice, and of all
    long size
    int64_t began


cdef void begin_slices(Slices *s, long n, double alone) noexcept
cdef bint next_slice(Slices *s) except -1
