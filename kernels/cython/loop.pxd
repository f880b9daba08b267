# The products and copies that the cells' loops over time are made of.
from .job cimport Job, Part

cdef void project(Job *j, Part *p, long t0, long t1) noexcept nogil
cdef void recur(Job *j, Part *p, int region, const char *a, long lda, char *z, long column, int start) noexcept nogil
cdef void emit(Job *j, Part *p, long t) noexcept nogil
cdef void emit_rest(Job *j, Part *p) noexcept nogil
cdef void absorb(Job *j, Part *p, long t) noexcept nogil
cdef void trace(Job *j, Part *p, long t) noexcept nogil
cdef void recur_back(Job *j, Part *p, const char *dz, long column, long K, long packed, char *dst,
                     int start) noexcept nogil
cdef void drop_states(Job *j, Part *p, long t) noexcept nogil
cdef char *before_drop(Job *j, Part *p) noexcept nogil
cdef void drop_back(Job *j, Part *p) noexcept nogil
cdef void meet_by_units(Job *j, Part *p) noexcept nogil
cdef void meet_all(Job *j, Part *p) noexcept nogil
