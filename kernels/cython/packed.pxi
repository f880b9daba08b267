# Weights in the layout that the tiles stream through.

cdef object unpacked(const cs_panels *panels, object dtype):
    """The matrix (K, N) in panels, as a new array."""
    cdef long wide = tiles_for(dtype.itemsize).PANEL
    cdef cnp.ndarray flat = np.empty(panels.K * panels.N, dtype)
    memcpy(data(flat), panels.data, flat.nbytes)
    whole = np.empty((panels.K, panels.N), dtype)
    for at in range(0, panels.N, wide):
        n = min(wide, panels.N - at)
        whole[:, at : at + n] = flat[panels.K * at : panels.K * (at + n)].reshape(panels.K, n)
    return whole


cdef class Packed:
    """Immutable once made: any number of threads may use one at the same time.

    W, U in panels (I or H, G*Hp) for the forward pass; for backward their transposes too. Hp is H rounded up to VL.
    """

    cdef Weights w
    cdef cs_cell own     # of equations
    cdef Layout layout
    cdef readonly object cell, dtype
    cdef readonly bint backward
    cdef readonly long H
    cdef readonly tuple options
    cdef int turned      # the direction of the next step through the weights
    cdef list keep
    cdef list given      # vectors as they came, where equations prepare them
    # vectors of packed columns and, behind them, of the rest of a gate row: first source column, lanes (panels.h)
    cdef long vectors
    cdef long *first
    cdef long *count

    def __cinit__(self, cell, weights, options, bint backward):
        cdef Weights *w = &self.w
        cdef int i
        W, U, b, R, vectors = by_kind(cell, weights)
        W, H = np.ascontiguousarray(W), W.shape[1] // cell.G
        of_h = H if R is None else R.shape[1]
        U = np.zeros((0, W.shape[1]), W.dtype) if U is None else np.ascontiguousarray(U)
        self.cell, self.options, self.backward, self.dtype, self.keep = cell, tuple(options), backward, W.dtype, []
        self.layout = layout_of(cell, self.options)
        self.w = self.layout.w
        self.H = H
        w.inputs, w.H, w.esize = W.shape[0], self.H, self.dtype.itemsize
        w.tiles = tiles_for(w.esize)
        w.cell = w.tiles.cells + self.layout.tile
        if cell.equations is not None:
            self._compile()
        w.Hp = padded(w, w.H)
        for i in range(w.states):
            w.size[i] = of_h if i == 0 else w.H
        w.stride = max(w.Hp, padded(w, of_h))
        scale(w)
        self._list_columns()
        if cell.equations is not None:
            self.given = [np.array(v) for v in vectors]
            vectors = cell.equations.prepared.values(self.given)
        self._pack(W, U, self._sums(b), vectors)
        if R is not None:
            self._pack_projection(np.ascontiguousarray(R))

    def _compile(self):
        """The functions of the cell's equations, of LLVM's making."""
        from cellstep.kernels.numba.vector_code import Target, code_of
        cdef const cs_tiles *tiles = self.w.tiles
        cdef int i
        name = isa()
        target = Target(name if name.startswith("x86-64") else "", tiles.VL, self.w.esize, False)
        code = code_of(self.cell.equations.program_by_chunks, target)
        for i in range(self.w.phases):
            self.own.forward[i] = <cs_elementwise *> <size_t> code.forward[i]
            self.own.backward[i] = <cs_elementwise *> <size_t> code.backward[i]
        self.w.cell = &self.own

    def plain(self):
        """The weights, in the caller's layout, that give the same when they are packed."""
        cdef Weights *w = &self.w
        cdef cs_panels bias = cs_panels(w.bias, 1, w.width), vectors = cs_panels(w.vector, 1, w.vectors * w.Hp)
        cdef long G = w.columns // w.Hp, H = w.H
        cdef int i
        columns = unpacked(&w.W, self.dtype), unpacked(&w.U, self.dtype), unpacked(&bias, self.dtype)
        W, U, sums = [self._gather(each) for each in columns]
        # the first row has the sums, and the others what begins sums of its own; -0 leaves a sum as it is, +0 would not
        # leave -0
        b = np.full((self.layout.bias_rows, G * H), -0.0, self.dtype)
        b[0] = sums[0, : G * H]
        for i in range(w.regions):
            if w.region[i].to != w.region[i].first and w.region[i].bias_row > 0:
                at, to, n = w.region[i].first // w.Hp * H, w.region[i].to // w.Hp * H, w.region[i].gates * H
                b[w.region[i].bias_row, at : at + n] = sums[0, to : to + n]
        known = {"W": W, "U": U, self.cell.bias: b[0] if len(b) == 1 else b}
        lines = unpacked(&vectors, self.dtype).reshape(w.vectors, w.Hp)[:, :H] if w.vectors else ()
        known |= dict(zip(vector_names(self.cell), self.given or lines))
        if w.projects:
            known[self.cell.projection] = unpacked(&w.R, self.dtype)[:, : w.size[0]]
        return [np.ascontiguousarray(known[name]) for name in self.cell.weight_names]

    def _gather(self, columns):
        """The caller's columns of packed ones."""
        cdef long VL = self.w.tiles.VL
        matrix = np.empty((len(columns), columns.shape[1] // self.w.Hp * self.w.H), self.dtype)
        for v in range(columns.shape[1] // VL):
            at, n = self.first[v], self.count[v]
            matrix[:, at : at + n] = columns[:, v * VL : v * VL + n]
        return matrix

    def __reduce__(self):
        """Pickled as plain weights, since the layout depends on the instruction set."""
        return Packed, (self.cell, self.plain(), self.options, self.backward)

    @property
    def I(self):
        """Inputs a step."""
        return self.w.inputs

    @property
    def sizes(self):
        """Units of each state."""
        return tuple([self.w.size[i] for i in range(self.w.states)])

    def _list_columns(self):
        """The source column of each vector of packed columns: stretch by stretch, block by block, gate by gate."""
        cdef long VL = self.w.tiles.VL, blocks = self.w.Hp // VL, H = self.w.H
        first, count = [], []
        for begin, vectors in self.layout.stretches:
            for j in range(blocks):
                for g in range(begin, begin + vectors):
                    first.append(g * H + j * VL)
                    count.append(max(0, min(VL, H - j * VL)))
        self.vectors = self.w.columns // VL
        self.first = <long *> held(self.keep, np.array([first, count], np.dtype("l")))
        self.count = self.first + len(first)

    def _sums(self, b):
        """What sums of a gate row begin with, (width,) without padding: of the first row of b, and of the rows that
        products begin with besides."""
        cdef Weights *w = &self.w
        cdef Region *r
        cdef long G = w.columns // w.Hp, row = w.H * w.esize
        cdef cnp.ndarray sums = np.zeros(w.width // w.Hp * w.H, self.dtype)
        cdef uint64_t mode
        cdef int i
        if b is None:
            return sums
        b = np.ascontiguousarray(b)
        memcpy(data(sums), data(b), G * row)
        mode = cs_float_mode_set(True)
        for i in range(w.regions):
            r = &w.region[i]
            if r.bias_row > 0:
                w.tiles.add_rows(1, r.gates * w.H, data(sums) + r.to // w.Hp * row, 0,
                                 data(b) + (r.bias_row * G + r.first // w.Hp) * row, 0)
        cs_float_mode_restore(mode)
        return sums

    def _pack(self, cnp.ndarray W, cnp.ndarray U, cnp.ndarray sums, list vectors):
        cdef Weights *w = &self.w
        cdef long inputs = w.inputs, H = w.H, Hp = w.Hp, n = w.columns, of_h = U.shape[0]
        cdef long Ip = padded(w, inputs), Sp = padded(w, of_h), gates = n // Hp, ld = gates * H
        cdef long elements = (inputs + of_h) * n + w.width + w.vectors * Hp + ((Ip + Sp) * n if self.backward else 0)
        cdef int i
        cdef const char *from_W = data(W)
        cdef const char *from_U = data(U)
        cdef char *at = room(self.keep, elements * w.esize)
        w.W = cs_panels(at, inputs, n)
        w.U = cs_panels(at + inputs * n * w.esize, of_h, n)
        w.bias = at + (inputs + of_h) * n * w.esize
        w.vector = w.bias + w.width * w.esize
        for i in range(w.vectors):
            memcpy(w.vector + i * Hp * w.esize, data(np.ascontiguousarray(vectors[i])), H * w.esize)
            memset(w.vector + (i * Hp + H) * w.esize, 0, (Hp - H) * w.esize)
        w.UT = cs_panels(w.vector + w.vectors * Hp * w.esize, n, Sp)
        w.WT = cs_panels(<const char *> w.UT.data + Sp * n * w.esize, n, Ip)
        w.tiles.pack(1, w.width // w.tiles.VL, self.first, self.count, data(sums), 0, w.bias)
        with nogil:
            w.tiles.pack(inputs, self.vectors, self.first, self.count, from_W, ld, <void *> w.W.data)
            w.tiles.pack(of_h, self.vectors, self.first, self.count, from_U, ld, <void *> w.U.data)
            if self.backward:
                w.tiles.pack_transposed(of_h, gates, H, Hp, from_U, <void *> w.UT.data)
                w.tiles.pack_transposed(inputs, gates, H, Hp, from_W, <void *> w.WT.data)

    def _pack_projection(self, cnp.ndarray R):
        cdef Weights *w = &self.w
        cdef long n = w.size[0], Sp = padded(w, n)
        cdef char *at = room(self.keep, (w.H * Sp + Sp * w.Hp) * w.esize)
        w.R, w.RT = cs_panels(at, w.H, Sp), cs_panels(at + w.H * Sp * w.esize, Sp, w.Hp)
        pack_matrix(w.tiles, w.H, n, data(R), True, at)
        w.tiles.pack_transposed(w.H, 1, n, Sp, data(R), <void *> w.RT.data)

    cdef int add_gradient(self, long rows, const char *src, cnp.ndarray dst) except -1:
        """dst (rows, G*H) += src, gradients gate after gate; nothing for None."""
        cdef Weights *w = &self.w
        cdef uint64_t mode
        cdef char *out = data(dst)
        if out != NULL:
            with nogil:
                mode = cs_float_mode_set(True)
                w.tiles.unpack_add(rows, w.columns // w.Hp, w.H, w.Hp, src, out)
                cs_float_mode_restore(mode)
        return 0

    cdef int add_projection_gradient(self, const char *src, cnp.ndarray dR) except -1:
        """dR (H, units of h) += src (H, those padded); nothing for None."""
        cdef Weights *w = &self.w
        cdef uint64_t mode = cs_float_mode_set(True)
        if dR is not None:
            w.tiles.unpack_add(w.H, 1, w.size[0], padded(w, w.size[0]), src, data(dR))
        cs_float_mode_restore(mode)
        return 0

    cdef int add_bias_gradient(self, const char *sums, cnp.ndarray db) except -1:
        """db += sums of the gradients of gate rows, each row those of the sums that begin with it; nothing for None."""
        cdef Weights *w = &self.w
        cdef long G = w.columns // w.Hp
        cdef uint64_t mode
        cdef Region *r
        cdef int i
        self.add_gradient(1, sums, db)
        mode = cs_float_mode_set(True)
        for i in range(w.regions):
            r = &w.region[i]
            if db is not None and r.bias_row > 0:
                w.tiles.unpack_add(1, r.gates, w.H, w.Hp, sums + r.to * w.esize,
                                   data(db) + (r.bias_row * G + r.first // w.Hp) * w.H * w.esize)
        cs_float_mode_restore(mode)
        return 0

    cdef int add_vector_gradients(self, const char *sums, list dvectors) except -1:
        """dvectors (H,) each += their sums, one behind the other, or what follows from those; nothing for None."""
        cdef long k
        if any([d is not None for d in dvectors]):
            taken = dvectors
            if self.given is not None:
                taken = [np.zeros(self.H, self.dtype) for _ in range(self.w.vectors)]
            for k in range(self.w.vectors):
                self.add_vector_gradient(sums + k * self.w.Hp * self.w.esize, taken[k])
            if self.given is not None:
                for d, gradient in zip(dvectors, self.cell.equations.prepared.gradients(self.given, taken)):
                    if d is not None:
                        d += gradient
        return 0

    cdef int add_vector_gradient(self, const char *sums, cnp.ndarray dv) except -1:
        """dv (H,) += sums of the gradients of a vector; nothing for None."""
        cdef uint64_t mode
        if dv is not None:
            mode = cs_float_mode_set(True)
            self.w.tiles.unpack_add(1, 1, self.w.H, self.w.Hp, sums, data(dv))
            cs_float_mode_restore(mode)
        return 0


def pack(cell, weights, options, backward):
    """The weights in panels, with what the loops need to know of the cell; transposes too where `backward`."""
    return Packed(cell, weights, options, backward)
