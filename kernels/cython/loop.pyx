# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""What the three cells' loops over time are made of: a job for the call, parts for its threads, and products.

A call opens one parallel region. By rows, each thread runs all steps of its rows and never meets another. By units,
for few rows, each thread owns blocks of units, keeps its share of the weights in its own cache, and meets the others
once a step. Either way a sum is made by one thread in one order, so the split leaves no trace in the result.
"""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from .packed cimport aligned
from .tiles cimport CS_FROM_BIAS, CS_FROM_ZERO, meet, parallel, threads as threads_now

cnp.import_array()

# Multiply-adds below which a second thread costs more than it brings: for a call, and between two meetings of a step.
cdef enum:
    CALL_WORK = 2_000_000
    STEP_WORK = 40_000
    ROWS_EACH = 4
    # rows of one input projection, and of one block of weight gradients
    PROJECT_ROWS = 32
    GRADIENT_ROWS = 256


cdef int begin(Job *j, Packed p, object x, list keep) except -1:
    """The part of a job that both directions need: sizes, weights, x, threads."""
    cdef cnp.ndarray xs = x
    memset(j, 0, sizeof(Job))
    j.tiles = p.tiles
    j.B, j.T, j.inputs, j.H = xs.shape[0], xs.shape[1], p.inputs, p.H
    j.Hp, j.columns, j.width, j.esize = p.Hp, p.columns, p.width, p.esize
    j.regions, j.gates = p.regions, p.gates
    j.W, j.U, j.UT, j.WT = p.W, p.U, p.UT, p.WT
    j.bias, j.recurrent_bias = p.bias, p.recurrent_bias
    j.reset_after, j.act, j.rec = p.reset_after, p.act, p.rec
    j.x, j.xb, j.xt = <const char *> cnp.PyArray_DATA(xs), xs.strides[0], xs.strides[1]
    j.zb, j.hb = p.width * p.esize, p.Hp * p.esize
    j.zt, j.ht = j.B * j.zb, j.B * j.hb
    keep.append(x)

    cdef double work = <double> j.B * j.columns * (j.inputs + j.H)
    j.work = work * j.T
    cdef int n = threads_now()
    j.by_rows = j.B >= n * ROWS_EACH
    if j.work < CALL_WORK:
        n = 1
    elif not j.by_rows and work < STEP_WORK:
        n, j.by_rows = min(n, j.B), True
    elif not j.by_rows:
        n = min(n, j.Hp // p.tiles.NR)
    j.threads = max(1, n)
    return 0


cdef int begin_forward(Job *j, object mask, object lengths, object y, Tape tape, int states, object x,
                       list keep) except -1:
    """Where a forward pass reads and writes: row flags, y, and the tape's arrays or a call's own."""
    cdef cnp.ndarray flags, out
    cdef long rows = max(1, j.B // j.threads if j.by_rows else j.B)
    cdef size_t z, h
    active = None
    if lengths is not None:
        active = np.arange(j.T)[:, None] < lengths[None, :]
    elif mask is not None:
        active = np.ascontiguousarray(mask.T)
    if active is not None:
        flags = active
        j.active = <const uint8_t *> cnp.PyArray_DATA(flags)
        keep.append(active)
    if y is not None:
        out = y
        j.y, j.yb, j.yt = <char *> cnp.PyArray_DATA(out), out.strides[0], out.strides[1]
        keep.append(y)
    j.chunk = max(1, min(j.T, PROJECT_ROWS // rows))
    if tape is not None:
        tape.x, tape.active = x, active
        j.z, j.h, j.c = tape.z, tape.h, tape.c
        j.zsteps, j.hsteps = j.T, j.T + 1
    else:
        j.zsteps, j.hsteps = j.chunk, 2
        z, h = j.chunk * j.zt, 2 * j.ht
        keep.append(aligned(z + states * h, False, &j.z))
        j.h, j.c = j.z + z, j.z + z + h
    return 0


cdef int begin_backward(Job *j, Packed p, Tape tape, object dy, object dx, bint dW, bint dU, bint db, int states,
                        list keep) except -1:
    """Where a backward pass reads and writes: the tape, dy, dx, and sums over packed columns."""
    cdef cnp.ndarray array
    cdef size_t state = j.ht, dz
    j.z, j.h, j.c, j.zsteps, j.hsteps = tape.z, tape.h, tape.c, j.T, j.T + 1
    if tape.active is not None:
        array = tape.active
        j.active = <const uint8_t *> cnp.PyArray_DATA(array)
    if dy is not None:
        array = dy
        j.dy, j.dyb, j.dyt = <const char *> cnp.PyArray_DATA(array), array.strides[0], array.strides[1]
    if dx is not None:
        array = dx
        j.dx, j.dxb, j.dxt = <char *> cnp.PyArray_DATA(array), array.strides[0], array.strides[1]
    j.chunk = max(1, min(j.T, GRADIENT_ROWS // max(1, j.B)))
    # padding of gate rows takes part in products with U^T and W^T, so it starts as zeros and stays so
    dz = j.chunk * j.zt
    keep.append(aligned(dz + 3 * state, True, &j.dz))
    j.dh, j.dc, j.drh = j.dz + dz, j.dz + dz + state, j.dz + dz + 2 * state
    cdef long row = j.columns * j.esize
    if dW:
        keep.append(aligned(j.inputs * row, True, &j.dW))
    if dU:
        keep.append(aligned(j.H * row, True, &j.dU))
    if db:
        keep.append(aligned(j.width * j.esize, True, &j.db))
    if dW or dU:
        j.scratch_size = (j.tiles.gemm_tn_work(max(j.inputs, j.H) // j.threads + 1) + 63) // 64 * 64
        keep.append(aligned(j.threads * j.scratch_size, False, &j.scratch))
    return 0


cdef int load_rows(Job *j, char *dst, object src) except -1:
    """(B, H) rows into padded ones; zeros for None."""
    cdef cnp.ndarray array
    cdef long b, n = j.H * j.esize
    if src is None:
        memset(dst, 0, j.ht)
        return 0
    array = src
    for b in range(j.B):
        memcpy(dst + b * j.hb, <char *> cnp.PyArray_DATA(array) + b * n, n)
    return 0


cdef int store_rows(Job *j, const char *src, object dst) except -1:
    """Padded rows into (B, H) ones; nothing for None."""
    cdef cnp.ndarray array
    cdef long b, n = j.H * j.esize
    if dst is None:
        return 0
    array = dst
    for b in range(j.B):
        memcpy(<char *> cnp.PyArray_DATA(array) + b * n, src + b * j.hb, n)
    return 0


cdef int run(Job *j, cs_work *work) except -1:
    """The loop on a team, without the GIL. A quarter of what the call takes alone may go into waiting for workers."""
    cdef int64_t alone = <int64_t> (j.work / 50)  # nanoseconds at 50 multiply-adds each, the pace of one good core
    with nogil:
        parallel(j.threads, min(alone // 4, 100_000), work, j)
    return 0


cdef Part part_of(Job *j, int thread, int threads) noexcept nogil:
    """A thread's rows or units; also where the team came out smaller than it was planned."""
    cdef Part p
    cdef long pairs = j.Hp // j.tiles.NR
    memset(&p, 0, sizeof(Part))
    p.b0, p.b1 = 0, j.B
    p.span.j0, p.span.j1 = 0, 2 * pairs
    if j.by_rows:
        p.b0, p.b1 = j.B * thread // threads, j.B * (thread + 1) // threads
    else:
        p.span.j0, p.span.j1 = 2 * (pairs * thread // threads), 2 * (pairs * (thread + 1) // threads)
    p.span.rows = p.b1 - p.b0
    p.span.H, p.span.Hp = j.H, j.Hp
    p.span.ldz, p.span.ldh = j.zb, j.hb
    p.span.act, p.span.rec = j.act, j.rec
    p.threads = threads
    return p


cdef void project(Job *j, Part *p, long t0, long t1) noexcept nogil:
    """z = b + x W for steps t0 to t1: along rows or along steps, whichever gives the product more rows."""
    cdef long VL = j.tiles.VL, base = 0, n, col, i, rows = p.b1 - p.b0
    cdef int region
    cdef const char *W
    cdef const char *bias
    for region in range(j.regions):
        n = j.gates[region] * (p.span.j1 - p.span.j0) * VL
        col = (base + j.gates[region] * p.span.j0 * VL) * j.esize
        W, bias = j.W + col * j.inputs, j.bias + col
        if rows >= t1 - t0:
            for i in range(t0, t1):
                j.tiles.gemm(rows, j.inputs, j.x + i * j.xt + p.b0 * j.xb, j.xb, W, n, j.inputs,
                             z_at(j, i, p.b0) + col, j.zb, CS_FROM_BIAS, bias)
        else:
            for i in range(p.b0, p.b1):
                j.tiles.gemm(t1 - t0, j.inputs, j.x + t0 * j.xt + i * j.xb, j.xt, W, n, j.inputs,
                             z_at(j, t0, i) + col, j.zt, CS_FROM_BIAS, bias)
        base += j.gates[region] * j.Hp


cdef void recur(Job *j, Part *p, int region, const char *a, long lda, char *z, long column, int start) noexcept nogil:
    """z[:, column:] (+)= a U for one region of columns: a (rows, H), usually h."""
    cdef long VL = j.tiles.VL, mine = j.gates[region] * p.span.j0 * VL
    cdef long packed = (0 if region == 0 else j.gates[0] * j.Hp) + mine
    j.tiles.gemm(p.b1 - p.b0, j.H, a, lda, j.U + packed * j.H * j.esize,
                 j.gates[region] * (p.span.j1 - p.span.j0) * VL, j.H, z + (column + mine) * j.esize, j.zb, start,
                 j.recurrent_bias + mine * j.esize)


cdef void emit(Job *j, Part *p, long t) noexcept nogil:
    """y at step t: this part's units of h after the step."""
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H), b
    if j.y != NULL and u1 > u0:
        for b in range(p.b0, p.b1):
            memcpy(j.y + b * j.yb + t * j.yt + u0 * j.esize, h_at(j, t + 1, b) + u0 * j.esize, (u1 - u0) * j.esize)


cdef void absorb(Job *j, Part *p, long t) noexcept nogil:
    """dh += dy at step t."""
    cdef long u0 = p.span.j0 * j.tiles.VL, u1 = min(p.span.j1 * j.tiles.VL, j.H)
    if j.dy != NULL and u1 > u0:
        j.tiles.add_rows(p.b1 - p.b0, u1 - u0, j.dh + p.b0 * j.hb + u0 * j.esize, j.hb,
                         j.dy + p.b0 * j.dyb + t * j.dyt + u0 * j.esize, j.dyb)


cdef void recur_back(Job *j, Part *p, const char *dz, long column, long K, long packed, char *dst,
                     int start) noexcept nogil:
    """dst (+)= dz[:, column : column + K] times the rows of U^T from `packed` on; dst (rows, units) at row b0."""
    cdef long u0 = p.span.j0 * j.tiles.VL, n = (p.span.j1 - p.span.j0) * j.tiles.VL
    j.tiles.gemm(p.b1 - p.b0, K, dz + column * j.esize, j.zb, j.UT + (u0 * j.columns + packed * j.tiles.NR) * j.esize,
                 n, j.columns, dst + u0 * j.esize, j.hb, start, NULL)


cdef void input_gradients(Job *j, int thread, int threads, long t0, long t1) noexcept nogil:
    """dx = dz W^T for steps t0 to t1; threads share the rows, or the steps where there are few rows."""
    cdef long b0 = 0, b1 = j.B, i
    if j.dx == NULL:
        return
    if j.B >= 8 * threads:
        b0, b1 = j.B * thread // threads, j.B * (thread + 1) // threads
    else:
        t0, t1 = t0 + (t1 - t0) * thread // threads, t0 + (t1 - t0) * (thread + 1) // threads
    if b1 - b0 >= t1 - t0:
        for i in range(t0, t1):
            j.tiles.gemm(b1 - b0, j.columns, dz_at(j, i, b0), j.zb, j.WT, j.inputs, j.columns,
                         j.dx + b0 * j.dxb + i * j.dxt, j.dxb, CS_FROM_ZERO, NULL)
    elif t1 > t0:
        for i in range(b0, b1):
            j.tiles.gemm(t1 - t0, j.columns, dz_at(j, t0, i), j.zt, j.WT, j.inputs, j.columns,
                         j.dx + i * j.dxb + t0 * j.dxt, j.dxt, CS_FROM_ZERO, NULL)


cdef void weight_gradients(Job *j, int thread, int threads, long t0, long t1) noexcept nogil:
    """dW += x^T dz and db += sums of dz over steps t0 to t1; threads share the inputs, and the columns of db."""
    cdef long i0 = j.inputs * thread // threads, i1 = j.inputs * (thread + 1) // threads, VL = j.tiles.VL
    cdef long v0 = j.width // VL * thread // threads * VL, v1 = j.width // VL * (thread + 1) // threads * VL
    if j.dW != NULL:
        j.tiles.gemm_tn(i1 - i0, t1 - t0, j.B, j.x + t0 * j.xt + i0 * j.esize, j.xt, j.xb,
                        j.active + t0 * j.B if j.active != NULL else NULL, dz_at(j, t0, 0), j.zb, j.columns,
                        j.dW + i0 * j.columns * j.esize, j.columns * j.esize, j.scratch + thread * j.scratch_size)
    if j.db != NULL:
        j.tiles.column_sums((t1 - t0) * j.B, dz_at(j, t0, 0) + v0 * j.esize, j.zb, v1 - v0, j.db + v0 * j.esize)


cdef void recurrent_gradients(Job *j, int thread, int threads, long t0, long t1, const char *a, long at, long ab,
                              long column, long columns, long packed) noexcept nogil:
    """dU[:, packed:] += a^T dz[:, column : column + columns] over steps t0 to t1; a usually h before each step."""
    cdef long i0 = j.H * thread // threads, i1 = j.H * (thread + 1) // threads
    if j.dU != NULL:
        j.tiles.gemm_tn(i1 - i0, t1 - t0, j.B, a + i0 * j.esize, at, ab,
                        j.active + t0 * j.B if j.active != NULL else NULL, dz_at(j, t0, 0) + column * j.esize, j.zb,
                        columns, j.dU + (i0 * j.columns + packed) * j.esize, j.columns * j.esize,
                        j.scratch + thread * j.scratch_size)


cdef void meet_by_units(Job *j, Part *p) noexcept nogil:
    """Where threads own units: all have written this step before anyone reads it."""
    if p.threads > 1 and not j.by_rows:
        meet(&j.barrier, p.threads)


cdef void meet_all(Job *j, Part *p) noexcept nogil:
    """Before and after threads read each other's rows."""
    if p.threads > 1:
        meet(&j.barrier, p.threads)
