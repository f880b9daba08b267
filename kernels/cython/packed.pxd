# Packed weights, as the loops see them.
from .tiles cimport cs_cell, cs_panels, cs_tiles

cdef enum:
    CELL_STATES = 4  # CS_STATES, which Cython does not take for the size of an array
    REGIONS = 4

cdef enum Operand:
    NOTHING, SEEN, MADE  # of a product with U: none, h as products see it, a value that the step made


# Some gates that the same product with U is for. Their columns lie together, in W, U and gate rows.
cdef struct Region:
    Operand operand
    int phase     # of the step, in which it is summed
    int gates     # vectors a block of units
    long first    # where its columns begin
    long columns  # gates * Hp
    long to       # where the product with U lies in a gate row: `first`, or in an accumulator of its own
    int start     # what that begins with: CS_FROM_C, or CS_FROM_BIAS
    int bias_row  # of the caller's bias, that it begins with besides row 0


# All that loops need to know of a cell and its weights. A gate row has `columns` gates, by regions, and behind them
# accumulators of their own and the values that a step makes. Gradients of gate rows lie gate after gate, each Hp wide.
cdef struct Weights:
    const cs_tiles *tiles
    const cs_cell *cell
    long inputs, H, Hp, columns, width, esize
    int states, phases, regions
    Region region[4]     # REGIONS
    int phase_end[3]     # the regions of phase k are those from phase_end[k] to phase_end[k + 1]
    int act, rec         # codes of activations
    long made            # where the value that a step makes lies in a gate row
    cs_panels W          # (inputs, columns)
    cs_panels U          # (H, columns)
    cs_panels UT         # (columns, Hp), for backward alone
    cs_panels WT         # (columns, inputs padded), for backward alone
    char *bias           # (width,)


cdef class Memory:
    cdef char *data


cdef class Layout:
    cdef Weights w       # sizes in units of Hp, and no weights
    cdef int tile        # which of the tiles' cells
    cdef bint own        # whether a product has sums of its own
    cdef int bias_rows   # of the caller's bias
    cdef int codes[16]   # of each gate's activation


cdef class Packed:
    cdef Weights w
    cdef Layout layout
    cdef readonly object cell, dtype
    cdef readonly bint backward
    cdef readonly tuple options
    cdef int turned      # the direction of the next step through the weights
    # vector-columns of W and U: first source column and how many lanes exist (panels.h)
    cdef long vectors
    cdef object lists, memory
    cdef long *first
    cdef long *count

    cdef int unpack_add(self, long rows, const char *src, object dst) except -1
    cdef int unpack_bias(self, char *sums, object db) except -1


cdef object unpacked(const cs_panels *panels, const cs_tiles *tiles, object dtype)
cdef object aligned(size_t size, bint zero, char **data)
