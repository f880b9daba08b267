# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""A forward or a backward pass over sequences: where it reads and writes, its run, and what comes of it.

Shapes and rules: kernels/README.md. Arrays of the caller are kept from release until the call ends by `keep`.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from .job cimport Part, caller_row, end_of, part_of, plan, run, size
from .loop cimport backward_part, forward_part, load_states
from .packed cimport aligned
from .tiles cimport cs_float_mode_restore, cs_float_mode_set

cnp.import_array()

cdef enum:
    # rows of one input projection, and of one block of weight gradients
    PROJECT_ROWS = 32
    GRADIENT_ROWS = 256


cdef int begin(Job *j, Packed packed, object x, list keep) except -1:
    """What both directions need: sizes, weights, x."""
    cdef cnp.ndarray xs = x
    size(j, &packed.w, xs.shape[0], xs.shape[1])
    j.x, j.xb, j.xt = <const char *> cnp.PyArray_DATA(xs), xs.strides[0], xs.strides[1]
    j.zb, j.hb = j.w.width * j.w.esize, j.w.Hp * j.w.esize
    j.zt, j.ht = j.B * j.zb, j.B * j.hb
    keep.append(x)
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


cdef int plan_steps(Job *j, double row_steps, list keep) except -1:
    """Threads, and of ragged batches each thread's room for one step's rows of x or dx."""
    plan(j, row_steps)
    if j.order != NULL:
        j.gather_size = j.B * j.w.inputs * j.w.esize
        keep.append(aligned(j.threads * j.gather_size, False, &j.gather))
    return 0


cdef const uint8_t *by_steps(object flags, list keep) except? NULL:
    """(T, B) bytes."""
    cdef cnp.ndarray array = flags
    keep.append(flags)
    return <const uint8_t *> cnp.PyArray_DATA(array)


cdef int begin_forward(Job *j, object mask, object lengths, object resets, object y, Tape tape, object x,
                       list keep) except -1:
    """Which rows run, y, and the tape's arrays or a call's own."""
    cdef cnp.ndarray out
    cdef size_t z, h
    cdef long rows
    cdef int k
    active = ragged = fresh = None
    if lengths is not None:
        ragged = sort_rows(j, lengths)
        set_ragged(j, ragged, keep)
    elif mask is not None:
        active = np.ascontiguousarray(mask.T)
        j.active = by_steps(active, keep)
    if resets is not None:
        fresh = resets.T if ragged is None else resets.T[:, ragged[: j.B]]
        fresh = np.ascontiguousarray(fresh if active is None else fresh & active)
        j.resets = by_steps(fresh, keep)
    plan_steps(j, j.B * j.T if lengths is None else lengths.sum(dtype=np.int64), keep)
    if y is not None:
        out = y
        j.y, j.yb, j.yt = <char *> cnp.PyArray_DATA(out), out.strides[0], out.strides[1]
        keep.append(y)
    rows = max(1, j.B // j.threads if j.by_rows else j.B)
    j.chunk = max(1, min(j.T, PROJECT_ROWS // rows))
    if tape is not None:
        tape.x, tape.active, tape.ragged, tape.resets = x, active, ragged, fresh
        j.zsteps, j.hsteps = max(1, j.T), j.T + 1
        j.z = tape.z
        for k in range(j.w.states):
            j.state[k] = tape.state[k]
    else:
        j.zsteps, j.hsteps = j.chunk, 2
        z, h = j.chunk * j.zt, 2 * j.ht
        keep.append(aligned(z + j.w.states * h, False, &j.z))
        for k in range(j.w.states):
            j.state[k] = j.z + z + k * h
    for k in range(j.w.states):
        j.before[k] = j.state[k]
    j.seen = j.before[0]
    return 0


cdef int begin_apart(Job *j, object drop, Tape tape, list keep) except -1:
    """The states as steps see them, where that is not how steps leave them, once the first ones are loaded."""
    cdef size_t h = j.hsteps * j.ht
    cdef char *at = NULL
    cdef uint64_t mode
    cdef Part p
    cdef int k
    apart = None
    if j.resets != NULL or drop is not None:
        j.apart = True
        apart = aligned((j.w.states + 1) * h + j.ht, False, &at)
        keep.append(apart)
        for k in range(j.w.states if j.resets != NULL else 0):
            j.before[k] = at + k * h
        j.seen = j.before[0]
        if drop is not None:
            j.seen, j.drop = at + j.w.states * h, at + (j.w.states + 1) * h
            load_rows(j, j.drop, drop)
        if j.T > 0:
            mode = cs_float_mode_set(True)
            p = part_of(j, 0, 1)
            load_states(j, &p, 0)
            cs_float_mode_restore(mode)
    if tape is not None:
        tape.apart, tape.seen, tape.drop = apart, j.seen, j.drop
        for k in range(j.w.states):
            tape.before[k] = j.before[k]
    return 0


cdef int begin_backward(Job *j, Tape tape, object dy, object dx, object dweights, list keep) except -1:
    """The tape, dy, dx, and sums over packed columns."""
    cdef cnp.ndarray array
    cdef long row = j.w.columns * j.w.esize
    cdef size_t dz
    cdef double row_steps = <double> j.B * j.T
    cdef int k
    j.z, j.seen, j.drop, j.zsteps, j.hsteps = tape.z, tape.seen, tape.drop, max(1, j.T), j.T + 1
    for k in range(j.w.states):
        j.state[k], j.before[k] = tape.state[k], tape.before[k]
    if tape.active is not None:
        j.active = by_steps(tape.active, keep)
    if tape.resets is not None:
        j.resets = by_steps(tape.resets, keep)
    if tape.ragged is not None:
        set_ragged(j, tape.ragged, keep)
        row_steps = tape.ragged[2 * j.B : 3 * j.B].sum()
    plan_steps(j, 2 * row_steps, keep)
    if dy is not None:
        array = dy
        j.dy, j.dyb, j.dyt = <const char *> cnp.PyArray_DATA(array), array.strides[0], array.strides[1]
    if dx is not None:
        array = dx
        j.dx, j.dxb, j.dxt = <char *> cnp.PyArray_DATA(array), array.strides[0], array.strides[1]
    j.chunk = max(1, min(j.T, GRADIENT_ROWS // max(1, j.B)))
    # padding of gate rows takes part in products with U^T and W^T, so it starts as zeros and stays so
    dz = j.chunk * j.zt
    keep.append(aligned(dz + (j.w.states + 2) * j.ht, True, &j.dz))
    for k in range(j.w.states):
        j.dstate[k] = j.dz + dz + k * j.ht
    j.dmade = j.dz + dz + j.w.states * j.ht
    j.dseen = j.dstate[0] if j.drop == NULL else j.dmade + j.ht
    dW, dU, db = dweights
    if dW is not None:
        keep.append(aligned(j.w.inputs * row, True, &j.dW))
    if dU is not None:
        keep.append(aligned(j.w.H * row, True, &j.dU))
    if db is not None:
        keep.append(aligned(j.w.width * j.w.esize, True, &j.db))
    # each thread's: where the chunk's rows lie in x, h, z and dz, and copies for gemm_tn
    j.scratch_size = 4 * j.chunk * j.B * sizeof(long) + j.w.tiles.gemm_tn_work(max(j.w.inputs, j.w.H))
    j.scratch_size = (j.scratch_size + 63) // 64 * 64
    keep.append(aligned(j.threads * j.scratch_size, False, &j.scratch))
    return 0


cdef int begin_traces(Job *j, object traces, list keep) except -1:
    """Where the gradients of the states after each step go: (B, T, H) each, or None."""
    cdef cnp.ndarray array
    cdef int k
    j.trace_t = j.w.H * j.w.esize
    j.trace_b = j.T * j.trace_t
    for k in range(j.w.states):
        if traces[k] is not None:
            array = traces[k]
            j.trace[k] = <char *> cnp.PyArray_DATA(array)
            keep.append(array)
    return 0


cdef int load_rows(Job *j, char *dst, object src) except -1:
    """(B, H) rows into padded ones, in the order in which they run; zeros for None."""
    cdef cnp.ndarray array
    cdef long b, n = j.w.H * j.w.esize
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
    cdef long b, n = j.w.H * j.w.esize
    if dst is None:
        return 0
    array = dst
    for b in range(j.B):
        memcpy(<char *> cnp.PyArray_DATA(array) + caller_row(j, b) * n, src + b * j.hb, n)
    return 0


cdef int store_last(Job *j, const char *slots, object dst) except -1:
    """Each row's state after its last step."""
    cdef cnp.ndarray array = dst
    cdef long b, n = j.w.H * j.w.esize
    for b in range(j.B):
        memcpy(<char *> cnp.PyArray_DATA(array) + caller_row(j, b) * n,
               slots + (end_of(j, b) % j.hsteps) * j.ht + b * j.hb, n)
    return 0


def forward(Packed packed, x, first, mask, lengths, resets, drop, y, last, Tape tape):
    """Run B sequences of T steps; see the reference."""
    cdef Job j
    cdef int k
    keep = []
    begin(&j, packed, x, keep)
    begin_forward(&j, mask, lengths, resets, y, tape, x, keep)
    for k in range(j.w.states):
        load_rows(&j, j.state[k], first[k])
    begin_apart(&j, drop, tape, keep)
    run(&j, forward_part, False)
    for k in range(j.w.states):
        store_last(&j, j.state[k], last[k])


def backward(Packed packed, Tape tape, dy, dlast, dx, dweights, dfirst, traces):
    """Gradients from a tape; see the reference."""
    cdef Job j
    cdef int k
    keep = []
    begin(&j, packed, tape.x, keep)
    begin_backward(&j, tape, dy, dx, dweights, keep)
    begin_traces(&j, traces, keep)
    for k in range(j.w.states):
        load_rows(&j, j.dstate[k], dlast[k])
    run(&j, backward_part, True)
    for k in range(j.w.states):
        store_rows(&j, j.dstate[k], dfirst[k])
    dW, dU, db = dweights
    if dW is not None:
        packed.unpack_add(j.w.inputs, j.dW, dW)
    if dU is not None:
        packed.unpack_add(j.w.H, j.dU, dU)
    if db is not None:
        packed.unpack_bias(j.db, db)
