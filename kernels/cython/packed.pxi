# Weights in the layout that the tiles stream through, and what loops need to know of the cell: from its row.

cdef enum Operand:
    NOTHING, SEEN, MADE  # of a product with U: none, h as products see it, a value that the step made


# Some gates that the same product with U is for. Their columns lie together, in W, U and gate rows.
cdef struct Region:
    Operand operand
    int gates     # vectors a block of units
    long first    # where its columns begin
    long columns  # gates * Hp
    long to       # where the product with U lies in a gate row: `first`, or in an accumulator of its own
    int start     # what that begins with: CS_FROM_C, or CS_FROM_BIAS
    int bias_row  # of the caller's bias, that it begins with besides row 0
    long made     # where an operand that the step makes lies in a gate row


# All that loops need to know of a cell and its weights. A gate row has `columns` gates, by regions, and behind them
# accumulators of their own and the values that a step makes. Gradients of gate rows lie gate after gate, each Hp wide.
cdef struct Weights:
    const cs_tiles *tiles
    const cs_cell *cell
    long inputs, H, Hp, columns, width, esize
    int states, phases, regions
    Region region[16]    # at most
    int phase_end[5]     # the regions of phase k are those from phase_end[k] to phase_end[k + 1]
    int act, rec         # codes of activations
    bint whole_rows      # whether a step needs all units of a row at once
    bint recurs          # whether it has products with U; without, a unit needs no other
    int vectors          # how many weights of one number a unit there are
    char *vector         # (vectors, Hp)
    long dvector         # where their gradients lie in the gradients of a gate row, one behind the other
    cs_panels W          # (inputs, columns)
    cs_panels U          # (H, columns)
    cs_panels UT         # (columns, Hp), for backward alone
    cs_panels WT         # (columns, inputs padded), for backward alone
    char *bias           # (width,)


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


def _names_of_tiles():
    cdef const cs_cell *cell = level.f32.cells
    names = []
    while cell.name != NULL:
        names.append(cell.name.decode())
        cell += 1
    return names


# What tiles are called: as their cell, then `_` and the name of an option for each option that is on.
cdef list TILES = _names_of_tiles()
CELLS = {name: name for name in ROWS if name in TILES}

cdef dict layouts = {}


cdef Layout layout_of(cell, tuple options):
    """The layout of a cell with these options, which is worked out once."""
    layout = layouts.get((cell, options))
    if layout is None:
        layout = layouts[cell, options] = Layout(cell, dict(zip(cell.option_names, options)))
    return layout


cdef class Layout:
    """What follows from a cell's row and options: regions of a gate row, with sizes in units of Hp."""

    cdef Weights w       # and no weights
    cdef int tile        # which of the tiles' cells
    cdef int bias_rows   # of the caller's bias
    cdef int codes[16]   # of each gate's activation
    cdef list stretches  # of a gate row, in order: where each begins, and how many vectors a block of units has there

    def __cinit__(self, cell, dict options):
        cdef Weights *w = &self.w
        codes = {name: ACTIVATIONS.index(options[name]) for name in cell.activations}
        for i, gate in enumerate(cell.gates):
            self.codes[i] = codes.get(gate.activation, 0)  # none of gates that equations activate
        w.states = len(cell.states)
        self.bias_rows = cell.bias_rows(options)
        w.recurs = any([product.operand != "x" for product in cell.products_for(options)])
        if cell.equations is not None:
            self._list_program(cell.equations)
            return
        w.act = w.rec = codes[cell.activations[0]]
        if len(codes) > 1:
            w.rec = codes[cell.activations[1]]
        self.tile = TILES.index("_".join([cell.name, *(name for name in cell.option_names if options[name] is True)]))
        self._list_regions(cell, cell.products_for(options))

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
        w.regions, w.columns, w.width, w.phases = len(regions), cell.G, cell.G, 1
        self.stretches = [(first, gates) for first, gates, _ in regions]
        for i, (first, gates, product) in enumerate(regions):
            r = &w.region[i]
            r.gates, r.first, r.columns = gates, first, gates
            r.operand, r.to, r.start, r.bias_row = NOTHING, first, CS_FROM_C, 0
            if product is not None:
                r.operand, r.bias_row = SEEN, product.bias or 0
            if product is not None and product.operand not in cell.state_names:
                r.operand, w.phases, r.made = MADE, 2, self._append(1)
            if product is not None and product.own:
                r.to, r.start = self._append(gates), CS_FROM_BIAS
            w.phase_end[w.phases] = i + 1

    def _list_program(self, e):
        """Likewise, of equations: a region for each run of gates, by phases."""
        cdef Weights *w = &self.w
        cdef Region *r
        program = e.program
        w.columns, w.width, w.phases, w.whole_rows = len(e.letters), program.width, program.phases, program.whole_rows
        w.vectors, w.dvector = len(e.vectors), program.vectors[0] if e.vectors else 0
        self.stretches = program.groups
        for first, gates, what in sorted(program.runs, key=lambda run: run[2] + 1 if isinstance(run[2], int) else 0):
            r = &w.region[w.regions]
            w.regions += 1
            r.gates, r.first, r.columns, r.to = gates, first, gates, first
            r.operand, r.start, r.bias_row = NOTHING if what is None else SEEN, CS_FROM_C, 0
            if e.apart and what in ("h", "own"):
                r.bias_row = 1
            if what not in (None, "h"):
                r.to, r.start = program.own[e.letters[first]], CS_FROM_BIAS
            phase = 0
            if isinstance(what, int):
                r.operand, r.made, phase = MADE, program.made[what], what + 1
            w.phase_end[phase + 1] = w.regions
        for phase in range(w.phases):  # a first phase may have none
            w.phase_end[phase + 1] = max(w.phase_end[phase], w.phase_end[phase + 1])

    def _append(self, vectors):
        """Room at the end of a gate row; where it begins."""
        at = self.w.width
        self.stretches.append((at, vectors))
        self.w.width += vectors
        return at


def vector_names(cell):
    """The weights of one number a unit."""
    return [weight.name for weight in cell.weights if weight.axes == ("H",)]


cdef tuple by_kind(cell, values):
    """W, U, b and the vectors, None for one that the cell lacks, of arrays in the row's order."""
    if cell.weight_names == ("W", "U", "b"):
        return *values, []
    known = dict(zip(cell.weight_names, values))
    return known["W"], known.get("U"), known[cell.bias], [known[name] for name in vector_names(cell)]


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
    # vectors of packed columns and, behind them, of the rest of a gate row: first source column, lanes (panels.h)
    cdef long vectors
    cdef long *first
    cdef long *count

    def __cinit__(self, cell, weights, options, bint backward):
        cdef Weights *w = &self.w
        cdef int i
        W, U, b, vectors = by_kind(cell, weights)
        W, H = np.ascontiguousarray(W), W.shape[1] // cell.G
        U = np.zeros((H, W.shape[1]), W.dtype) if U is None else np.ascontiguousarray(U)
        self.cell, self.options, self.backward, self.dtype, self.keep = cell, tuple(options), backward, W.dtype, []
        self.layout = layout_of(cell, self.options)
        self.w = self.layout.w
        self.H = U.shape[0]
        w.inputs, w.H, w.esize = W.shape[0], self.H, self.dtype.itemsize
        w.tiles = tiles_for(w.esize)
        w.cell = w.tiles.cells + self.layout.tile
        if cell.equations is not None:
            self._compile()
        w.Hp = (w.H + w.tiles.VL - 1) // w.tiles.VL * w.tiles.VL
        w.columns, w.width, w.dvector = w.columns * w.Hp, w.width * w.Hp, w.dvector * w.Hp
        for i in range(w.regions):
            w.region[i].first *= w.Hp
            w.region[i].columns *= w.Hp
            w.region[i].to *= w.Hp
            w.region[i].made *= w.Hp
        self._list_columns()
        self._pack(W, U, self._sums(b), vectors)

    def _compile(self):
        """The functions of the cell's equations, of LLVM's making."""
        from cellstep.kernels.numba.vector_code import Target, code_of
        cdef const cs_tiles *tiles = self.w.tiles
        cdef int i
        name = isa()
        target = Target(name if name.startswith("x86-64") else "", tiles.VL, self.w.esize, False)
        code = code_of(self.cell.equations.program, target)
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
        known |= dict(zip(vector_names(self.cell), lines))
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
        cdef long inputs = w.inputs, H = w.H, Hp = w.Hp, n = w.columns, VL = w.tiles.VL
        cdef long Ip = (inputs + VL - 1) // VL * VL, gates = n // Hp, ld = gates * H
        cdef long elements = (inputs + H) * n + w.width + w.vectors * Hp + ((Ip + Hp) * n if self.backward else 0)
        cdef int i
        cdef const char *from_W = data(W)
        cdef const char *from_U = data(U)
        cdef char *at = room(self.keep, elements * w.esize)
        w.W = cs_panels(at, inputs, n)
        w.U = cs_panels(at + inputs * n * w.esize, H, n)
        w.bias = at + (inputs + H) * n * w.esize
        w.vector = w.bias + w.width * w.esize
        for i in range(w.vectors):
            memcpy(w.vector + i * Hp * w.esize, data(np.ascontiguousarray(vectors[i])), H * w.esize)
            memset(w.vector + (i * Hp + H) * w.esize, 0, (Hp - H) * w.esize)
        w.UT = cs_panels(w.vector + w.vectors * Hp * w.esize, n, Hp)
        w.WT = cs_panels(<const char *> w.UT.data + Hp * n * w.esize, n, Ip)
        w.tiles.pack(1, w.width // w.tiles.VL, self.first, self.count, data(sums), 0, w.bias)
        with nogil:
            w.tiles.pack(inputs, self.vectors, self.first, self.count, from_W, ld, <void *> w.W.data)
            w.tiles.pack(H, self.vectors, self.first, self.count, from_U, ld, <void *> w.U.data)
            if self.backward:
                w.tiles.pack_transposed(H, gates, H, Hp, from_U, <void *> w.UT.data)
                w.tiles.pack_transposed(inputs, gates, H, Hp, from_W, <void *> w.WT.data)

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
