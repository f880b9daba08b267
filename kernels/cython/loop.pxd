# The loop over time, for one part of a job.
from .job cimport Job, Part

cdef void forward_part(void *job, int thread, int threads) noexcept nogil
cdef void backward_part(void *job, int thread, int threads) noexcept nogil
cdef void load_states(Job *j, Part *p, long t) noexcept nogil
