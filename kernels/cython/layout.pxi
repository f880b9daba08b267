# What loops need to know of a cell, from its row: its products, where they lie in gate rows, and its weights.

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
    long size[14]         # CS_STATES: units of each state
    long stride          # numbers from row to row of states
    Region region[16]    # at most
    int phase_end[5]     # the regions of phase k are those from phase_end[k] to phase_end[k + 1]
    int act, rec         # codes of activations
    bint whole_rows      # whether a step needs all units of a row at once
    bint recurs          # whether it has products with U; without, a unit needs no other
    bint chunked         # whether a phase may run for many steps before the next one (equations/program.py)
    bint projects        # whether the output state is the product of what the step made with R
    long projected       # where that lies in a gate row, and its gradient in one of a gate row
    int vectors          # how many weights of one number a unit there are
    char *vector         # (vectors, Hp)
    long dvector         # where their gradients lie in the gradients of a gate row, one behind the other
    cs_panels W          # (inputs, columns)
    cs_panels U          # (units of h, columns)
    cs_panels R          # (H, units of h padded), where it projects
    cs_panels UT         # (columns, units of h padded), for backward alone
    cs_panels RT         # (units of h padded, Hp), likewise
    cs_panels WT         # (columns, inputs padded), for backward alone
    char *bias           # (width,)


cdef inline long padded(const Weights *w, long n) noexcept nogil:
    """So many numbers, rounded up to whole vectors."""
    return (n + w.tiles.VL - 1) // w.tiles.VL * w.tiles.VL


cdef void scale(Weights *w) noexcept:
    """Sizes of a layout, which count gates, in numbers."""
    cdef int i
    w.columns, w.width, w.dvector = w.columns * w.Hp, w.width * w.Hp, w.dvector * w.Hp
    w.projected *= w.Hp
    for i in range(w.regions):
        w.region[i].first *= w.Hp
        w.region[i].columns *= w.Hp
        w.region[i].to *= w.Hp
        w.region[i].made *= w.Hp


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
        program = e.program_by_chunks
        w.chunked = program.chunked
        w.columns, w.width, w.phases, w.whole_rows = len(e.letters), program.width, program.phases, program.whole_rows
        w.vectors, w.dvector = len(program.vectors), program.vectors[0] if program.vectors else 0
        w.projects, w.projected = e.projected, program.projected or 0
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
                r.operand, r.made, phase = MADE, program.made[what], 1 if w.chunked else what + 1
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
    """W, U, b, R and the vectors, None for one that the cell lacks, of arrays in the row's order."""
    if cell.weight_names == ("W", "U", "b"):
        return *values, None, []
    known = dict(zip(cell.weight_names, values))
    vectors = [known[name] for name in vector_names(cell)]
    return known["W"], known.get("U"), known[cell.bias], known.get(cell.projection), vectors
