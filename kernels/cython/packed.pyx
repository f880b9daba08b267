# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
"""Weights in the layout that the tiles stream through, and tapes: what a forward pass keeps for backward."""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from cellstep.kernels.cells import ACTIVATIONS, OF_INPUT

from .tiles cimport (
    borrow, cs_float_mode_restore, cs_float_mode_set, cs_panels, cs_tiles, give_back, tiles_for,
)

cnp.import_array()

cdef int first_of_input = ACTIVATIONS.index(OF_INPUT[0])


cdef class Memory:
    """Bytes at a multiple of 64, which go to the next call that asks for as many once nobody holds this object."""

    def __cinit__(self, size_t size):
        self.data = <char *> borrow(size)
        if self.data == NULL:
            raise MemoryError(f"no memory for {size} bytes")

    def __dealloc__(self):
        give_back(self.data)


cdef object aligned(size_t size, bint zero, char **data):
    """Memory owned by the object that is returned, cleared where `zero`."""
    cdef Memory memory = Memory(size)
    data[0] = memory.data
    if zero:
        memset(data[0], 0, size)
    return memory


cdef object unpacked(const cs_panels *panels, const cs_tiles *tiles, object dtype):
    """The matrix (K, N) in panels, as a new array."""
    cdef cnp.ndarray flat = np.empty(panels.K * panels.N, dtype)
    memcpy(cnp.PyArray_DATA(flat), panels.data, flat.nbytes)
    whole = np.empty((panels.K, panels.N), dtype)
    for at in range(0, panels.N, tiles.PANEL):
        wide = min(tiles.PANEL, panels.N - at)
        whole[:, at : at + wide] = flat[panels.K * at : panels.K * (at + wide)].reshape(panels.K, wide)
    return whole


cdef class Packed:
    """Immutable once made: any number of threads may use one at the same time.

    W, U in panels (I or H, G*Hp) for the forward pass; for backward their transposes too. Hp is H rounded up to NR.
    """

    def __cinit__(self, W, U, b, str activation, str recurrent_activation, bint reset_after, bint backward, gates):
        W, U = np.ascontiguousarray(W), np.ascontiguousarray(U)
        self.dtype = W.dtype
        self.inputs, self.H = W.shape[0], U.shape[0]
        self.activation, self.recurrent_activation = activation, recurrent_activation
        self.reset_after, self.backward = reset_after, backward
        self.act = ACTIVATIONS.index(activation)
        self.rec = ACTIVATIONS.index(recurrent_activation) if recurrent_activation else self.act
        self.tiles = tiles_for(self.dtype == np.float64)
        self.esize = self.dtype.itemsize
        cdef long NR = self.tiles.NR
        self.Hp = (self.H + NR - 1) // NR * NR
        self.regions = len(gates)
        for i, n in enumerate(gates):
            self.gates[i] = n
        self.columns = sum(gates) * self.Hp
        self.width = self.columns + (self.Hp if self.regions == 2 else 0)
        self._list_columns()
        self._pack(W, U)
        self._pack_bias(b)

    def plain(self):
        """W, U and b, in the caller's layout, that give the same when they are packed."""
        cdef cs_panels bias = cs_panels(self.bias, 1, self.columns)
        cdef long VL = self.tiles.VL, H = self.H
        cdef cnp.ndarray recurrent
        made = []
        for columns in (unpacked(&self.W, self.tiles, self.dtype), unpacked(&self.U, self.tiles, self.dtype),
                        unpacked(&bias, self.tiles, self.dtype)):
            matrix = np.empty((len(columns), self.columns // self.Hp * H), self.dtype)
            for v in range(self.vectors):
                at, n = self.first[v], self.count[v]
                matrix[:, at : at + n] = columns[:, v * VL : v * VL + n]
            made.append(matrix)
        W, U, b = made
        if not self.reset_after:
            return W, U, b[0]
        # the first row has the sum of both but for the candidate; -0 leaves a sum as it is, +0 would not leave -0
        recurrent = np.full(3 * H, -0.0, self.dtype)
        memcpy(<char *> cnp.PyArray_DATA(recurrent) + 2 * H * self.esize, self.recurrent_bias, H * self.esize)
        return W, U, np.stack([b[0], recurrent])

    def __reduce__(self):
        """Pickled as plain weights, since the layout depends on the instruction set."""
        return self.maker, (*self.plain(), *self.options, self.backward)

    @property
    def I(self):  # no-cython-lint: the contract's letter
        """Inputs a step."""
        return self.inputs

    def _list_columns(self):
        """The source column of each vector of packed columns: region by region, block by block, gate by gate."""
        cdef long VL = self.tiles.VL, blocks = self.Hp // VL, gate0 = 0
        first, count = [], []
        for region in range(self.regions):
            for j in range(blocks):
                for g in range(gate0, gate0 + self.gates[region]):
                    first.append(g * self.H + j * VL)
                    count.append(max(0, min(VL, self.H - j * VL)))
            gate0 += self.gates[region]
        self.vectors = len(first)
        cdef cnp.ndarray lists = np.array([first, count], np.dtype("l"))
        self.lists = lists
        self.first = <long *> cnp.PyArray_DATA(lists)
        self.count = self.first + self.vectors

    def _pack(self, cnp.ndarray W, cnp.ndarray U):
        cdef long inputs = self.inputs, H = self.H, Hp = self.Hp, n = self.columns, NR = self.tiles.NR
        cdef long Ip = (inputs + NR - 1) // NR * NR, gates = n // Hp, ld = gates * H
        cdef long elements = (inputs + H) * n + 2 * self.width + ((Ip + Hp) * n if self.backward else 0)
        cdef const char *w = <const char *> cnp.PyArray_DATA(W)
        cdef const char *u = <const char *> cnp.PyArray_DATA(U)
        cdef char *at = NULL
        self.memory = aligned(elements * self.esize, False, &at)
        self.W = cs_panels(at, inputs, n)
        self.U = cs_panels(at + inputs * n * self.esize, H, n)
        self.bias = at + (inputs + H) * n * self.esize
        self.recurrent_bias = self.bias + self.width * self.esize
        self.UT = cs_panels(self.recurrent_bias + self.width * self.esize, n, Hp)
        self.WT = cs_panels(<const char *> self.UT.data + Hp * n * self.esize, n, Ip)
        with nogil:
            self.tiles.pack(inputs, self.vectors, self.first, self.count, w, ld, <void *> self.W.data)
            self.tiles.pack(H, self.vectors, self.first, self.count, u, ld, <void *> self.U.data)
            if self.backward:
                self.tiles.pack_transposed(H, gates, H, Hp, u, <void *> self.UT.data)
                self.tiles.pack_transposed(inputs, gates, H, Hp, w, <void *> self.WT.data)

    def _pack_bias(self, b):
        """bias starts x's sums. A bias of two rows is added up, but for the candidate: there the second starts h's."""
        cdef cnp.ndarray row = np.zeros(self.columns // self.Hp * self.H, self.dtype)
        cdef cnp.ndarray recurrent = np.zeros_like(row)
        cdef uint64_t mode
        if b is not None and b.ndim == 1:
            row[:] = b
        elif b is not None:
            row[:] = b[0]
            recurrent[:] = b[1]
            mode = cs_float_mode_set(True)
            self.tiles.add_rows(1, 2 * self.H, cnp.PyArray_DATA(row), 0, cnp.PyArray_DATA(recurrent), 0)
            cs_float_mode_restore(mode)
        memset(self.bias, 0, 2 * self.width * self.esize)
        self.tiles.pack(1, self.vectors, self.first, self.count, cnp.PyArray_DATA(row), 0, self.bias)
        cdef cnp.ndarray packed
        if self.regions == 2:
            packed = np.empty(self.columns, self.dtype)
            self.tiles.pack(1, self.vectors, self.first, self.count, cnp.PyArray_DATA(recurrent), 0,
                            cnp.PyArray_DATA(packed))
            memcpy(self.recurrent_bias, <char *> cnp.PyArray_DATA(packed) + 2 * self.Hp * self.esize,
                   self.Hp * self.esize)

    cdef int unpack_add(self, long rows, const char *src, object dst) except -1:
        """dst (rows, G*H) or (G*H,) += src, gradients gate after gate."""
        cdef cnp.ndarray out = dst
        cdef uint64_t mode
        with nogil:
            mode = cs_float_mode_set(True)
            self.tiles.unpack_add(rows, self.columns // self.Hp, self.H, self.Hp, src, cnp.PyArray_DATA(out))
            cs_float_mode_restore(mode)
        return 0


cdef class Tape:
    """Gate rows z (T, B, width), after activation but where its derivative asks for the argument (`OF_INPUT`); h and c
    (T + 1, B, Hp) with row 0 the initial states.

    x is the caller's array, not a copy. Forward may fill a tape again, backward may read it more than once.
    """

    def __cinit__(self, Packed packed, long B, long T, int states):
        self.B, self.T = B, T
        if (T + 1.) * B * (packed.width + states * packed.Hp) * packed.esize > 1e18:
            raise MemoryError(f"no memory for what a backward pass over {T} steps of {B} rows needs")
        cdef size_t z = T * B * packed.width * packed.esize, h = (T + 1) * B * packed.Hp * packed.esize
        self.memory = aligned(z + states * h, False, &self.z)
        self.h = self.z + z
        self.c = self.h + h if states == 2 else NULL

    cdef int read_gates(self, Packed packed, object out) except -1:
        """out (n, T, G, H) = the caller's first n rows, gate after gate; NaN at masked steps. Nothing for None."""
        cdef cnp.ndarray array
        cdef long n, T = self.T, H = packed.H, VL = packed.tiles.VL, esize = packed.esize
        cdef long b, t, j, g, g0, row, base, gates = packed.columns // packed.Hp
        cdef int region, code, candidate = 2 if gates > 1 else 0
        cdef uint64_t mode
        cdef const char *src
        cdef char *dst
        if out is None:
            return 0
        array = out
        n, dst = array.shape[0], <char *> cnp.PyArray_DATA(array)
        for b in range(n):
            row = b if self.ragged is None else self.ragged[self.B + b]
            mode = cs_float_mode_set(True)
            for t in range(T):
                g0 = base = 0
                for region in range(packed.regions):
                    for j in range(0, H, VL):
                        src = self.z + ((t * self.B + row) * packed.width + base + j * packed.gates[region]) * esize
                        for g in range(packed.gates[region]):
                            memcpy(dst + ((g0 + g) * H + j) * esize, src + g * VL * esize, min(VL, H - j) * esize)
                    g0 += packed.gates[region]
                    base += packed.gates[region] * packed.Hp
                for g in range(gates):
                    code = packed.act if g == candidate else packed.rec
                    if code >= first_of_input:
                        packed.tiles.activate(code, H, dst + g * H * esize, dst + g * H * esize)
                dst += gates * H * esize
            cs_float_mode_restore(mode)
        if self.ragged is not None:
            ends = self.ragged[2 * self.B : 3 * self.B][self.ragged[self.B : self.B + n]]
            out[np.arange(T) >= ends[:, None]] = np.nan
        elif self.active is not None:
            out[~self.active[:, :n].T] = np.nan
        return 0

    cdef int read_states(self, Packed packed, const char *src, object out) except -1:
        """out (n, T, H) = the caller's first n rows after each step, also where carried; nothing for None."""
        cdef cnp.ndarray array
        cdef long n, b, t, row, end, H = packed.H * packed.esize, Hp = packed.Hp * packed.esize
        cdef char *dst
        if out is None:
            return 0
        array = out
        n, dst = array.shape[0], <char *> cnp.PyArray_DATA(array)
        for b in range(n):
            row = b if self.ragged is None else self.ragged[self.B + b]
            end = self.T if self.ragged is None else self.ragged[2 * self.B + row]
            for t in range(self.T):
                memcpy(dst + (b * self.T + t) * H, src + (min(t + 1, end) * self.B + row) * Hp, H)
        return 0
