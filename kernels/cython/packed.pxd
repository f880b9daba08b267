# Packed weights and tapes, as the loops see them.
from .tiles cimport cs_panels, cs_tiles, cs_work

ctypedef void step_rows(void *step) noexcept nogil


cdef class Memory:
    cdef char *data


cdef class Packed:
    cdef const cs_tiles *tiles
    cdef readonly long H
    cdef long inputs  # the letter I is a macro of C's complex.h
    cdef readonly object dtype
    cdef readonly str activation, recurrent_activation
    cdef readonly bint reset_after, backward
    cdef int act, rec
    cdef int turned  # the direction of the next step through the weights
    # A gate row's packed columns are regions of `gates` vectors a block of units: LSTM one of 4; GRU one of 2, then one
    # of 1. columns: those of W and U, G*Hp; width: those of a whole gate row, which for a GRU has h's part on top.
    cdef int regions
    cdef int gates[2]
    cdef long esize, Hp, columns, width
    # vector-columns of W and U: first source column and how many lanes exist (panels.h)
    cdef long vectors
    cdef object lists, memory
    cdef long *first
    cdef long *count
    cdef cs_panels W, U, UT, WT
    cdef char *bias
    cdef char *recurrent_bias
    # the cell's loops, for whoever does not know the cell: over a Step (step.pxd), and over a Job (job.pxd)
    cdef step_rows *step_rows
    cdef cs_work *forward_part
    cdef readonly object maker    # the function that packed it
    cdef tuple options   # what it was given besides the weights

    cdef int unpack_add(self, long rows, const char *src, object dst) except -1


cdef class Tape:
    cdef readonly long B, T
    # the caller's inputs; (T, B) bytes: does the row run at the step; and how rows are sorted (job.pyx)
    cdef object x, active, ragged
    cdef object memory
    cdef char *z
    cdef char *h
    cdef char *c
    # with recurrent dropout: drop h (T + 1, B, Hp), and behind it drop (B, Hp)
    cdef object dropped
    cdef char *hd

    cdef int read_gates(self, Packed packed, object out) except -1
    cdef int read_states(self, Packed packed, const char *src, object out) except -1


cdef object unpacked(const cs_panels *panels, const cs_tiles *tiles, object dtype)
cdef object aligned(size_t size, bint zero, char **data)
