# Long calls in slices: Ctrl-C, and any other signal that Python has a handler for, ends a call in good time.
#
# Without the GIL no signal is handled. So a long call runs in slices of about 100 ms: the loop over them holds the GIL,
# releases it for each slice, and lets Python run handlers in between. If a handler raises, the call ends there,
# its outputs undefined; what must stay as it was, states and sums that are added to, is written after the last slice.
# A slice is a whole call of the pool, so no thread ever waits for one that has left, and threads that came late join
# the next one. A short call is one slice and pays a comparison.

cdef struct Slices:
    long first, last, end  # the units of work of this slice, and of all
    long size
    int64_t began


cdef enum:
    SLICE = 100_000_000  # nanoseconds
    FIRST = 25_000_000   # the same by a rough estimate, before anything is measured
    CALL_NS = 25_000     # what a call takes alone below which a second thread costs more than it brings
    PIECE_NS = 8_000     # what a piece of a call takes at least, so that taking it costs nothing
    PIECES_EACH = 4      # pieces for each thread, so that one that comes late, or loses its core, leaves little undone


cdef int64_t now() noexcept:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t> t.tv_sec * 1_000_000_000 + t.tv_nsec


cdef void begin_slices(Slices *s, long n, double alone) noexcept:
    """n units of work, for all of which one thread takes very roughly `alone` nanoseconds."""
    s.first = s.last = 0
    s.end = n
    s.size = n if alone <= FIRST else max(1, <long> (n * (FIRST / alone)))


cdef bint next_slice(Slices *s) except -1:
    """Go on to the next slice; False after the last. Raises what a signal's handler raised."""
    cdef double took
    if s.last >= s.end:
        return False
    if s.last > 0:
        took = now() - s.began
        s.size = max(1, <long> (s.size * min(4., SLICE / max(1., took))))
        PyErr_CheckSignals()
    s.first = s.last
    s.last = s.end if s.size >= s.end - s.first else s.first + s.size
    if s.last < s.end:
        s.began = now()
    return True


cdef inline int pieces_of(int threads, double alone) noexcept nogil:
    """Pieces of a call that so many threads may share, and that one would take `alone` nanoseconds for."""
    return 1 if threads < 2 else min(min(CS_PIECES, threads * PIECES_EACH), 1 + <int> min(1e6, alone / PIECE_NS))


# The rows of a call, or of a slice or a piece of it. Work over rows begins with one.
cdef struct Share:
    long r0, r1


cdef inline Share share_of(const Share *whole, int piece, int pieces) noexcept nogil:
    """A piece's rows."""
    cdef Share s
    cdef long n = whole.r1 - whole.r0
    s.r0, s.r1 = whole.r0 + n * piece // pieces, whole.r0 + n * (piece + 1) // pieces
    return s


cdef int run_slices(int threads, cs_work *part, void *work, double alone, double estimate) except -1:
    """All rows of `work`, where one thread takes `alone` nanoseconds for the arithmetic, and in all perhaps `estimate`:
    at once if that is short, else without the GIL, in pieces for so many threads, in slices."""
    cdef Share *share = <Share *> work
    cdef Slices s
    if alone < CALL_NS:
        cs_pieces(1, alone, 1, False, part, work)
        return 0
    begin_slices(&s, share.r1, estimate)
    while next_slice(&s):
        share.r0, share.r1 = s.first, s.last
        with nogil:
            cs_pieces(threads, alone, pieces_of(threads, alone), False, part, work)
    return 0
