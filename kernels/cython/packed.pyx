# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
"""Weights in the layout that the tiles stream through, and what loops need to know of the cell: from its row."""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset, strcmp

from cellstep.kernels.cells import ACTIVATIONS

from .tiles cimport (
    CS_FROM_BIAS, CS_FROM_C, cs_cell, cs_float_mode_restore, cs_float_mode_set, cs_panels, cs_tiles, pool_return,
    pool_take, tiles_for,
)

cnp.import_array()


cdef class Memory:
    """A block of the memory pool, aligned to 64 bytes; it returns to the pool when the last reference is gone."""

    def __cinit__(self, size_t size):
        self.data = <char *> pool_take(size)
        if self.data == NULL:
            raise MemoryError(f"no memory for {size} bytes")

    def __dealloc__(self):
        pool_return(self.data)


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


cdef dict layouts = {}


cdef Layout layout_of(cell, tuple options):
    """The layout of a cell with these options, which is worked out once."""
    layout = layouts.get((cell, options))
    if layout is None:
        layout = layouts[cell, options] = Layout(cell, dict(zip(cell.option_names, options)))
    return layout


cdef class Layout:
    """What follows from a cell's row and options: regions of a gate row, with sizes in units of Hp."""

    def __cinit__(self, cell, dict options):
        cdef Weights *w = &self.w
        codes = {name: ACTIVATIONS.index(options[name]) for name in cell.activations}
        for i, gate in enumerate(cell.gates):
            self.codes[i] = codes[gate.activation]
        w.states = len(cell.states)
        w.act = w.rec = codes[cell.activations[0]]
        if len(codes) > 1:
            w.rec = codes[cell.activations[1]]
        self.bias_rows = cell.bias_rows(options)
        self._find_tile("_".join([cell.name, *(name for name in cell.option_names if options[name] is True)]))
        self._list_regions(cell, cell.products_for(options))

    def _find_tile(self, name):
        cdef const cs_cell *cells = tiles_for(False).cells
        wanted = name.encode()
        while cells[self.tile].name != NULL and strcmp(cells[self.tile].name, wanted) != 0:
            self.tile += 1
        if cells[self.tile].name == NULL:
            raise ValueError(f"expected a cell with tiles, got {name!r}")

    def _list_regions(self, cell, products):
        """Gates side by side that have the same product with U make a region; a made operand begins the next phase."""
        cdef Weights *w = &self.w
        cdef Region *r
        recurrent = [product for product in products if product.operand != "x"]
        regions, before = [], ()
        for g, letter in enumerate(cell.letters):
            product = next((p for p in recurrent if letter in p.gates), None)
            if product is not before:
                region = [g, 0, product]
                regions.append(region)
            region[1] += 1
            before = product
        w.regions, w.columns, w.width = len(regions), cell.G, cell.G
        for i, (first, gates, product) in enumerate(regions):
            r = &w.region[i]
            r.gates, r.first, r.columns = gates, first, gates
            r.operand, r.phase, r.to, r.start, r.bias_row = NOTHING, 0, first, CS_FROM_C, 0
            if product is not None:
                r.operand, r.bias_row = SEEN, product.bias or 0
            if product is not None and product.operand not in cell.state_names:
                r.operand, r.phase, w.made = MADE, 1, w.width
                w.width += 1
            if product is not None and product.own:
                r.to, r.start, self.own = w.width, CS_FROM_BIAS, True
                w.width += gates
            w.phases = r.phase + 1
            w.phase_end[w.phases] = i + 1


cdef class Packed:
    """Immutable once made: any number of threads may use one at the same time.

    W, U in panels (I or H, G*Hp) for the forward pass; for backward their transposes too. Hp is H rounded up to NR.
    """

    def __cinit__(self, cell, weights, options, bint backward):
        cdef Weights *w = &self.w
        cdef int i
        W, U, b = weights
        W, U = np.ascontiguousarray(W), np.ascontiguousarray(U)
        self.cell, self.options, self.backward, self.dtype = cell, tuple(options), backward, W.dtype
        self.layout = layout_of(cell, self.options)
        self.w = self.layout.w
        w.tiles = tiles_for(self.dtype == np.float64)
        w.cell = w.tiles.cells + self.layout.tile
        w.inputs, w.H, w.esize = W.shape[0], U.shape[0], self.dtype.itemsize
        w.Hp = (w.H + w.tiles.NR - 1) // w.tiles.NR * w.tiles.NR
        w.columns, w.width, w.made = w.columns * w.Hp, w.width * w.Hp, w.made * w.Hp
        for i in range(w.regions):
            w.region[i].first *= w.Hp
            w.region[i].columns *= w.Hp
            w.region[i].to *= w.Hp
        self._list_columns()
        self._pack(W, U)
        self._pack_bias(b)

    def plain(self):
        """The weights, in the caller's layout, that give the same when they are packed."""
        cdef Weights *w = &self.w
        cdef cs_panels bias = cs_panels(w.bias, 1, w.columns)
        cdef cnp.ndarray recurrent
        cdef int i
        columns = [unpacked(&w.W, w.tiles, self.dtype), unpacked(&w.U, w.tiles, self.dtype)]
        W, U, b = [self._gather(each) for each in (*columns, unpacked(&bias, w.tiles, self.dtype))]
        if self.layout.bias_rows == 1:
            return W, U, b[0]
        # the first row has the sums, and the others what begins sums of its own; -0 leaves a sum as it is, +0 would not
        # leave -0
        recurrent = np.full((1, w.columns), -0.0, self.dtype)
        for i in range(w.regions):
            if w.region[i].to != w.region[i].first:
                memcpy(<char *> cnp.PyArray_DATA(recurrent) + w.region[i].first * w.esize,
                       w.bias + w.region[i].to * w.esize, w.region[i].columns * w.esize)
        return W, U, np.concatenate([b, self._gather(recurrent)])

    def _gather(self, columns):
        """The caller's columns of packed ones."""
        cdef long VL = self.w.tiles.VL
        matrix = np.empty((len(columns), self.w.columns // self.w.Hp * self.w.H), self.dtype)
        for v in range(self.vectors):
            at, n = self.first[v], self.count[v]
            matrix[:, at : at + n] = columns[:, v * VL : v * VL + n]
        return matrix

    def __reduce__(self):
        """Pickled as plain weights, since the layout depends on the instruction set."""
        return Packed, (self.cell, self.plain(), self.options, self.backward)

    @property
    def I(self):  # no-cython-lint: the contract's letter
        """Inputs a step."""
        return self.w.inputs

    @property
    def H(self):
        return self.w.H

    def _list_columns(self):
        """The source column of each vector of packed columns: region by region, block by block, gate by gate."""
        cdef long VL = self.w.tiles.VL, blocks = self.w.Hp // VL, gate0 = 0
        first, count = [], []
        for region in range(self.w.regions):
            for j in range(blocks):
                for g in range(gate0, gate0 + self.w.region[region].gates):
                    first.append(g * self.w.H + j * VL)
                    count.append(max(0, min(VL, self.w.H - j * VL)))
            gate0 += self.w.region[region].gates
        self.vectors = len(first)
        cdef cnp.ndarray lists = np.array([first, count], np.dtype("l"))
        self.lists = lists
        self.first = <long *> cnp.PyArray_DATA(lists)
        self.count = self.first + self.vectors

    def _pack(self, cnp.ndarray W, cnp.ndarray U):
        cdef Weights *w = &self.w
        cdef long inputs = w.inputs, H = w.H, Hp = w.Hp, n = w.columns, NR = w.tiles.NR
        cdef long Ip = (inputs + NR - 1) // NR * NR, gates = n // Hp, ld = gates * H
        cdef long elements = (inputs + H) * n + w.width + ((Ip + Hp) * n if self.backward else 0)
        cdef const char *from_W = <const char *> cnp.PyArray_DATA(W)
        cdef const char *from_U = <const char *> cnp.PyArray_DATA(U)
        cdef char *at = NULL
        self.memory = aligned(elements * w.esize, False, &at)
        w.W = cs_panels(at, inputs, n)
        w.U = cs_panels(at + inputs * n * w.esize, H, n)
        w.bias = at + (inputs + H) * n * w.esize
        w.UT = cs_panels(w.bias + w.width * w.esize, n, Hp)
        w.WT = cs_panels(<const char *> w.UT.data + Hp * n * w.esize, n, Ip)
        with nogil:
            w.tiles.pack(inputs, self.vectors, self.first, self.count, from_W, ld, <void *> w.W.data)
            w.tiles.pack(H, self.vectors, self.first, self.count, from_U, ld, <void *> w.U.data)
            if self.backward:
                w.tiles.pack_transposed(H, gates, H, Hp, from_U, <void *> w.UT.data)
                w.tiles.pack_transposed(inputs, gates, H, Hp, from_W, <void *> w.WT.data)

    def _pack_bias(self, b):
        """What starts sums: for each gate the rows of the bias that its products begin with; or, of a product with sums
        of its own, the one row there."""
        cdef Weights *w = &self.w
        cdef Region *r
        cdef cnp.ndarray row = np.zeros(w.columns // w.Hp * w.H, self.dtype)
        cdef cnp.ndarray own = np.zeros_like(row) if self.layout.own else row
        cdef cnp.ndarray packed, more
        cdef uint64_t mode = cs_float_mode_set(True)
        cdef long at = 0, n
        cdef int i
        memset(w.bias, 0, w.width * w.esize)
        if b is not None:
            row[:] = b if self.layout.bias_rows == 1 else b[0]
        for i in range(w.regions):
            r = &w.region[i]
            n = r.gates * w.H
            if b is not None and r.bias_row > 0:
                more = b[r.bias_row, at : at + n]
                w.tiles.add_rows(1, n, <char *> cnp.PyArray_DATA(own if r.to != r.first else row) + at * w.esize, 0,
                                 cnp.PyArray_DATA(more), 0)
            at += n
        cs_float_mode_restore(mode)
        w.tiles.pack(1, self.vectors, self.first, self.count, cnp.PyArray_DATA(row), 0, w.bias)
        if self.layout.own:
            packed = np.empty(w.columns, self.dtype)
            w.tiles.pack(1, self.vectors, self.first, self.count, cnp.PyArray_DATA(own), 0, cnp.PyArray_DATA(packed))
            for i in range(w.regions):
                r = &w.region[i]
                if r.to != r.first:
                    memcpy(w.bias + r.to * w.esize, <char *> cnp.PyArray_DATA(packed) + r.first * w.esize,
                           r.columns * w.esize)

    cdef int unpack_add(self, long rows, const char *src, object dst) except -1:
        """dst (rows, G*H) or (G*H,) += src, gradients gate after gate."""
        cdef cnp.ndarray out = dst
        cdef Weights *w = &self.w
        cdef uint64_t mode
        with nogil:
            mode = cs_float_mode_set(True)
            w.tiles.unpack_add(rows, w.columns // w.Hp, w.H, w.Hp, src, cnp.PyArray_DATA(out))
            cs_float_mode_restore(mode)
        return 0

    cdef int unpack_bias(self, char *sums, object db) except -1:
        """db += sums of the gradients of gate rows, each row those of the sums that begin with it."""
        cdef Weights *w = &self.w
        cdef Region *r
        cdef int row, i
        for row in range(self.layout.bias_rows):
            for i in range(w.regions if row > 0 else 0):
                r = &w.region[i]
                if r.bias_row != row:
                    memset(sums + r.first * w.esize, 0, r.columns * w.esize)
                elif r.to != r.first:
                    memcpy(sums + r.first * w.esize, sums + r.to * w.esize, r.columns * w.esize)
            self.unpack_add(1, sums, db if self.layout.bias_rows == 1 else db[row])
        return 0
