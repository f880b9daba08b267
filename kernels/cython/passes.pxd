# Setting up a pass, for chains too, which keep one forward pass ready.
from .job cimport Job
from .packed cimport Packed
from .tape cimport Tape

cdef int begin(Job *j, Packed packed, object x, list keep) except -1
cdef int begin_forward(Job *j, object mask, object lengths, object resets, object y, Tape tape, object x,
                       list keep) except -1
