# A stage of a chain as the loops see it, and what all stages of a call share.
from libc.stdint cimport uint8_t

from .job cimport Job
from .panels cimport Product, View
from .step cimport Step
from .tiles cimport cs_tiles


cdef enum Kind:
    LOOKUP, MASK, RECUR, DENSE, ACTIVATE

cdef struct Stage:
    Kind kind
    long B, inputs, outputs, esize
    const cs_tiles *tiles
    double work   # multiply-adds of a step
    double alone  # RECUR: nanoseconds that a step may take on one thread
    char *room    # for a block of outputs, where they do not go straight to the caller
    # LOOKUP: (entries, outputs) numbers; MASK: the value
    const char *table
    long entries
    bint mask_zero
    double value
    Product product  # DENSE
    int act          # ACTIVATE
    # RECUR: `step` runs one step alone, `job` many, or one on threads. Both keep the states in the job's first slot
    Step *step
    Job job
    bint zero_masked


cdef struct Flow:
    long B, esize, count
    long block       # steps that run through all stages at a time
    int id_size      # bytes of an integer in x
    Stage *stages
    uint8_t *flags   # room for (block, B) bytes: is the row there at the step?
    const uint8_t *there  # those of this block, NULL where all are


cdef void run_flow(Flow *f, View x, View y, long T) noexcept nogil
