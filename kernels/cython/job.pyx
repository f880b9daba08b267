# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""A job: all that the threads of one call need to know, and the split of the work between them.

By rows, each thread runs all steps of its rows and never meets another. By units, for few rows, each thread owns blocks
of units, keeps its share of the weights in its own cache, and meets the others once a step. Either way a sum is made by
one thread in one order, so the split leaves no trace in the result.

Ragged batches run longest row first, so that the rows of a step are the first ones, and padding costs nothing.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from .packed cimport aligned
from .slices cimport Slices, begin_slices, next_slice
from .tiles cimport cs_float_mode_restore, cs_float_mode_set, meeting_cost, parallel, threads as threads_now

cnp.import_array()

cdef enum:
    ROWS_EACH = 4
    ROW_NS = 50  # nanoseconds that a step of a row takes at least, whatever its size
    # bytes of weights, more than a core's L2 holds, from which threads share them and meet each step: 100 steps of
    # 8 rows and 512 units take 16.7 ms against 21.9 by rows, of 64 rows 94 against 97
    SHARED_WEIGHTS = 3_000_000
    # rows of one input projection, and of one block of weight gradients
    PROJECT_ROWS = 32
    GRADIENT_ROWS = 256


cdef void size(Job *j, Packed p, long B, long T) noexcept:
    """Begin a job with what its plan follows from."""
    memset(j, 0, sizeof(Job))
    j.tiles = p.tiles
    j.B, j.T, j.inputs, j.H = B, T, p.inputs, p.H
    j.Hp, j.columns, j.width, j.esize = p.Hp, p.columns, p.width, p.esize


cdef int begin(Job *j, Packed p, object x, list keep) except -1:
    """The part of a job that both directions need: sizes, weights, x."""
    cdef cnp.ndarray xs = x
    size(j, p, xs.shape[0], xs.shape[1])
    j.regions, j.gates = p.regions, p.gates
    j.W, j.U, j.UT, j.WT = p.W, p.U, p.UT, p.WT
    j.bias, j.recurrent_bias = p.bias, p.recurrent_bias
    j.reset_after, j.act, j.rec = p.reset_after, p.act, p.rec
    j.x, j.xb, j.xt = <const char *> cnp.PyArray_DATA(xs), xs.strides[0], xs.strides[1]
    j.zb, j.hb = p.width * p.esize, p.Hp * p.esize
    j.zt, j.ht = j.B * j.zb, j.B * j.hb
    keep.append(x)
    return 0


cdef double nanoseconds(const cs_tiles *tiles, long rows, double work, double weights, long esize) noexcept nogil:
    """What multiply-adds take on one good core, roughly: three vectors of them a nanosecond, and for few rows no less
    than the reading of the weights (bytes) at 130 GB/s from L2 or 32 from beyond."""
    cdef double arithmetic = work / (3 * tiles.VL)
    if rows >= ROWS_EACH:
        return arithmetic
    return max(arithmetic, work * esize / max(1, rows) / (130 if weights < 1e6 else 32))


cdef bint worth_meeting(Job *j, int n) noexcept nogil:
    """Whether n threads that share the units gain more in a step than their meeting costs. A row's weights come from L2
    at 200 GB/s, or from beyond it at 60."""
    cdef double U = <double> j.columns * j.H
    cdef double step = max(U * j.B / (5 * j.tiles.VL), U * j.esize / (200 if U * j.esize < 1e6 else 60))
    return n > 1 and meeting_cost(n, j.alone) < 0.7 * (1 - 1. / n) * step


cdef void plan(Job *j, double row_steps) noexcept nogil:
    """How many threads, and what they share."""
    cdef double work = <double> j.columns * (j.inputs + j.H)
    cdef int n = threads_now()
    j.alone = nanoseconds(j.tiles, j.B, work * row_steps, work * j.esize, j.esize)
    j.by_rows = j.B >= n * ROWS_EACH and work * j.esize < SHARED_WEIGHTS
    if j.alone < CALL_NS:
        n = 1
    elif not j.by_rows:
        n = min(n, j.Hp // j.tiles.NR)
        if not worth_meeting(j, n):
            n, j.by_rows = min(threads_now(), j.B), True
    j.threads = max(1, n)


def split_of(Packed packed, shape, bint backward=False):
    """How a call for x of this shape (B, T, I), all of whose steps run, would be shared now: threads, "rows" or
    "units", how many of them each thread has, and why."""
    cdef long B = shape[0], T = shape[1]
    cdef Job j
    cdef Part p
    cdef int i, limit = threads_now()
    size(&j, packed, B, T)
    plan(&j, (2. if backward else 1.) * B * T)
    rows = j.by_rows or j.threads == 1
    shares = []
    for i in range(j.threads):
        p = part_of(&j, i, j.threads)
        units = min(j.H, p.span.j1 * j.tiles.VL) - min(j.H, p.span.j0 * j.tiles.VL)
        shares.append(p.b1 - p.b0 if rows else units)
    if limit == 1:
        why = "a call may use one thread"
    elif j.alone < CALL_NS:
        why = f"about {j.alone / 1e3:.0f} us of work, and a second thread pays from {CALL_NS // 1000}"
    elif not j.by_rows:
        why = "threads that keep their share of the weights in their own caches gain more than meeting each step costs"
    elif j.B >= limit * ROWS_EACH:
        why = "threads with rows of their own never meet"
    else:
        why = "threads with units of their own would meet each step, which costs more than it saves"
    return j.threads, "rows" if rows else "units", shares, why


cdef int plan_ragged(Job *j, list keep) except -1:
    """Each thread's room for one step's rows of x or dx, in the order in which they run."""
    j.gather_size = j.B * j.inputs * j.esize
    keep.append(aligned(j.threads * j.gather_size, False, &j.gather))
    return 0


cdef object sort_rows(Job *j, object lengths):
    """Longest row first, equal ones as the caller has them. Returns order, place, ends, running in one."""
    order = np.argsort(-lengths, kind="stable")
    ends = lengths[order]
    # rows that run at step t: those that end after it
    running = j.B - np.searchsorted(ends[::-1], np.arange(j.T), side="right")
    return np.concatenate([order, np.argsort(order), ends, running]).astype(np.dtype("l"))


cdef int set_ragged(Job *j, object ragged, list keep) except -1:
    cdef cnp.ndarray lists = ragged
    j.order = <const long *> cnp.PyArray_DATA(lists)
    j.place = j.order + j.B
    j.ends = j.place + j.B
    j.running = j.ends + j.B
    keep.append(ragged)
    return 0


cdef int begin_forward(Job *j, object mask, object lengths, object y, Tape tape, int states, object x,
                       list keep) except -1:
    """Where a forward pass reads and writes: which rows run, y, and the tape's arrays or a call's own."""
    cdef cnp.ndarray flags, out
    cdef size_t z, h
    cdef long rows
    active = ragged = None
    if lengths is not None:
        ragged = sort_rows(j, lengths)
        set_ragged(j, ragged, keep)
    elif mask is not None:
        active = flags = np.ascontiguousarray(mask.T)
        j.active = <const uint8_t *> cnp.PyArray_DATA(flags)
        keep.append(active)
    plan(j, j.B * j.T if lengths is None else lengths.sum(dtype=np.int64))
    if lengths is not None:
        plan_ragged(j, keep)
    if y is not None:
        out = y
        j.y, j.yb, j.yt = <char *> cnp.PyArray_DATA(out), out.strides[0], out.strides[1]
        keep.append(y)
    rows = max(1, j.B // j.threads if j.by_rows else j.B)
    j.chunk = max(1, min(j.T, PROJECT_ROWS // rows))
    if tape is not None:
        tape.x, tape.active, tape.ragged = x, active, ragged
        j.z, j.h, j.c = tape.z, tape.h, tape.c
        j.zsteps, j.hsteps = max(1, j.T), j.T + 1
    else:
        j.zsteps, j.hsteps = j.chunk, 2
        z, h = j.chunk * j.zt, 2 * j.ht
        keep.append(aligned(z + states * h, False, &j.z))
        j.h, j.c = j.z + z, j.z + z + h
    j.hd = j.h
    return 0


cdef int begin_dropout(Job *j, object drop, Tape tape, list keep) except -1:
    """Recurrent dropout, once h holds the first states."""
    cdef size_t h = j.hsteps * j.ht
    cdef uint64_t mode
    if tape is not None:
        tape.dropped, tape.hd = None, NULL
    if drop is None:
        return 0
    memory = aligned(h + j.ht, False, &j.hd)
    keep.append(memory)
    if tape is not None:
        tape.dropped, tape.hd = memory, j.hd
    j.drop = j.hd + h
    load_rows(j, j.drop, drop)
    mode = cs_float_mode_set(True)
    j.tiles.multiply_rows(j.B, j.H, j.hd, j.hb, j.h, j.hb, j.drop, j.hb, False)
    cs_float_mode_restore(mode)
    return 0


cdef int begin_backward(Job *j, Tape tape, object dy, object dx, bint dW, bint dU, bint db, list keep) except -1:
    """Where a backward pass reads and writes: the tape, dy, dx, and sums over packed columns."""
    cdef cnp.ndarray array
    cdef size_t state = j.ht, dz
    cdef long row = j.columns * j.esize
    cdef double row_steps = <double> j.B * j.T
    j.z, j.h, j.c, j.zsteps, j.hsteps = tape.z, tape.h, tape.c, max(1, j.T), j.T + 1
    j.hd = j.h
    if tape.hd != NULL:
        j.hd, j.drop = tape.hd, tape.hd + j.hsteps * j.ht
    if tape.active is not None:
        array = tape.active
        j.active = <const uint8_t *> cnp.PyArray_DATA(array)
    if tape.ragged is not None:
        set_ragged(j, tape.ragged, keep)
        row_steps = tape.ragged[2 * j.B : 3 * j.B].sum()
    plan(j, 2 * row_steps)
    if tape.ragged is not None:
        plan_ragged(j, keep)
    if dy is not None:
        array = dy
        j.dy, j.dyb, j.dyt = <const char *> cnp.PyArray_DATA(array), array.strides[0], array.strides[1]
    if dx is not None:
        array = dx
        j.dx, j.dxb, j.dxt = <char *> cnp.PyArray_DATA(array), array.strides[0], array.strides[1]
    j.chunk = max(1, min(j.T, GRADIENT_ROWS // max(1, j.B)))
    # padding of gate rows takes part in products with U^T and W^T, so it starts as zeros and stays so
    dz = j.chunk * j.zt
    keep.append(aligned(dz + 4 * state, True, &j.dz))
    j.dh, j.dc, j.drh, j.dhd = j.dz + dz, j.dz + dz + state, j.dz + dz + 2 * state, j.dz + dz + 3 * state
    if dW:
        keep.append(aligned(j.inputs * row, True, &j.dW))
    if dU:
        keep.append(aligned(j.H * row, True, &j.dU))
    if db:
        keep.append(aligned(j.width * j.esize, True, &j.db))
    # each thread's: where the chunk's rows lie in x, h, z and dz, and copies for gemm_tn
    j.scratch_size = 4 * j.chunk * j.B * sizeof(long)
    j.scratch_size += j.tiles.gemm_tn_work(max(j.inputs, j.H)) + 64  # a team may come out smaller than planned
    j.scratch_size = j.scratch_size // 64 * 64
    keep.append(aligned(j.threads * j.scratch_size, False, &j.scratch))
    return 0


cdef int begin_trace(Job *j, object dhs, object dcs, list keep) except -1:
    """Where the gradients of h and c after each step go: (B, T, H) each, or None."""
    cdef cnp.ndarray array
    j.dhst = j.H * j.esize
    j.dhsb = j.T * j.dhst
    if dhs is not None:
        array = dhs
        j.dhs = <char *> cnp.PyArray_DATA(array)
        keep.append(dhs)
    if dcs is not None:
        array = dcs
        j.dcs = <char *> cnp.PyArray_DATA(array)
        keep.append(dcs)
    return 0


cdef int load_rows(Job *j, char *dst, object src) except -1:
    """(B, H) rows into padded ones, in the order in which they run; zeros for None."""
    cdef cnp.ndarray array
    cdef long b, n = j.H * j.esize
    if src is None:
        memset(dst, 0, j.ht)
        return 0
    array = src
    for b in range(j.B):
        memcpy(dst + b * j.hb, <char *> cnp.PyArray_DATA(array) + caller_row(j, b) * n, n)
    return 0


cdef int store_rows(Job *j, const char *src, object dst) except -1:
    """Padded rows into (B, H) ones, in the caller's order; nothing for None."""
    cdef cnp.ndarray array
    cdef long b, n = j.H * j.esize
    if dst is None:
        return 0
    array = dst
    for b in range(j.B):
        memcpy(<char *> cnp.PyArray_DATA(array) + caller_row(j, b) * n, src + b * j.hb, n)
    return 0


cdef int store_last(Job *j, const char *slots, object dst) except -1:
    """Each row's state after its last step."""
    cdef cnp.ndarray array = dst
    cdef long b, n = j.H * j.esize
    for b in range(j.B):
        memcpy(<char *> cnp.PyArray_DATA(array) + caller_row(j, b) * n,
               slots + (end_of(j, b) % j.hsteps) * j.ht + b * j.hb, n)
    return 0


cdef void team(int wanted, double alone, cs_work *part, void *job) noexcept nogil:
    """`part` on a team, where one thread would take `alone` nanoseconds."""
    parallel(wanted, <int64_t> alone, part, job)


cdef int run(Job *j, cs_work *work, bint backward) except -1:
    """The loop on a team, without the GIL, in slices of whole chunks of steps, backward from the last one."""
    cdef Slices s
    cdef long chunks = (j.T + j.chunk - 1) // j.chunk
    begin_slices(&s, chunks, j.alone + <double> j.B * j.T * (ROW_NS + j.H))
    while next_slice(&s):
        j.t0, j.t1 = s.first * j.chunk, min(j.T, s.last * j.chunk)
        if backward:
            j.t0, j.t1 = (chunks - s.last) * j.chunk, min(j.T, (chunks - s.first) * j.chunk)
        with nogil:
            team(j.threads, j.alone, work, j)
    return 0


cdef inline long steps_of(Job *j, long b) noexcept nogil:
    """Steps that row b runs in this slice."""
    return max(0, min(j.ends[b], j.t1) - j.t0)


cdef long row_after(Job *j, int thread, int threads) noexcept nogil:
    """The first row of a thread, so that all threads have the same number of steps to run in this slice."""
    cdef long b = 0, steps = 0, share
    if j.ends == NULL:
        return j.B * thread // threads
    for b in range(j.B):
        steps += steps_of(j, b)
    share, steps, b = steps * thread // threads, 0, 0
    while b < j.B and steps < share:
        steps += steps_of(j, b)
        b += 1
    return j.B if thread == threads else b


cdef Part part_of(Job *j, int thread, int threads) noexcept nogil:
    """A thread's rows or units; also where the team came out smaller than it was planned."""
    cdef Part p
    cdef long pairs = j.Hp // j.tiles.NR
    memset(&p, 0, sizeof(Part))
    p.thread, p.threads = thread, threads
    p.b0, p.b1 = 0, j.B
    p.span.j0, p.span.j1 = 0, 2 * pairs
    if j.by_rows:
        p.b0, p.b1 = row_after(j, thread, threads), row_after(j, thread + 1, threads)
    else:
        p.span.j0, p.span.j1 = 2 * (pairs * thread // threads), 2 * (pairs * (thread + 1) // threads)
    p.rows = p.span.rows = p.b1 - p.b0
    p.span.H, p.span.Hp = j.H, j.Hp
    p.span.ldz, p.span.ldh = j.zb, j.hb
    p.span.act, p.span.rec = j.act, j.rec
    return p


cdef void share_running(Job *j, Part *p, long t) noexcept nogil:
    """Where threads meet after each chunk of steps: let each have its share of the rows that run at step t, and of
    those that ended before, instead of a fixed share of all, whose rows may all have ended."""
    cdef long n = p.threads, i = p.thread, running
    if not j.by_rows or j.running == NULL:
        return
    running = j.running[t]
    p.b0, p.b1 = running * i // n, running * (i + 1) // n
    p.e0, p.e1 = running + (j.B - running) * i // n, running + (j.B - running) * (i + 1) // n
