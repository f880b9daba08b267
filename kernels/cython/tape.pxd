# What a forward pass keeps for backward, as the loops see it.
from .packed cimport CELL_STATES, Packed


cdef class Tape:
    cdef readonly long B, T
    # the caller's inputs; (T, B) bytes: does the row run at the step, and does it begin anew; how rows are sorted
    cdef object x, active, resets, ragged
    cdef object memory, apart
    cdef char *z
    cdef char *state[4]   # CELL_STATES: (T + 1, B, Hp) each
    # the states as steps see them, and h as products see it: apart from `state` with resets and with dropout
    cdef char *before[4]
    cdef char *seen
    cdef char *drop       # (B, Hp) or NULL

    cdef int read_gates(self, Packed packed, object out) except -1
    cdef int read_states(self, Packed packed, const char *src, object out) except -1
