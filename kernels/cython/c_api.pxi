# The table of C functions that other compiled code calls (cellstep.h; docs/c-api.md): as nothing above has checked what
# comes here, these check all that a caller says of its arrays.

from cellstep_api cimport CELLSTEP_VERSION, cellstep_api, cellstep_array

cdef extern from *:
    """
    static _Thread_local char cs_sentence[512];
    """
    char cs_sentence[512]


# What `forward` gives a C caller that asks for a tape.
cdef class HeldTape:
    cdef Packed packed
    cdef Tape tape
    cdef long B, T


cdef int64_t failed(error) noexcept:
    """Keep what was wrong; an interrupt is raised when Python runs again."""
    text = (str(error) or type(error).__name__).encode(errors="replace")[: sizeof(cs_sentence) - 1]
    text = text.decode(errors="ignore").encode()  # no part of a character at its end
    memcpy(cs_sentence, <const char *> text, len(text) + 1)
    if isinstance(error, KeyboardInterrupt):
        PyErr_SetInterrupt()
    return -1


cdef const char *api_error() noexcept nogil:
    return cs_sentence


cdef cnp.ndarray taken(const cellstep_array *a, str name, tuple shape, dtype, bint optional=True):
    """A caller's array, without a copy: None where it gives none and need not. A size that is None may be any."""
    cdef cnp.npy_intp dims[3]
    cdef int i
    if a == NULL or a.data == NULL:
        if not optional:
            raise ValueError(f"expected {name} of shape {_sizes(shape)}, got none")
        return None
    came = a.shape[0], a.shape[1], a.shape[2]
    wanted = shape + (1,) * (3 - len(shape))
    if min(came) < 0 or any([n is not None and n != c for n, c in zip(wanted, came)]):
        raise ValueError(f"expected {name} of shape {_sizes(shape)}, got {_sizes(came)}")
    if a.itemsize != dtype.itemsize:
        raise ValueError(f"expected {name} to have numbers of {dtype.itemsize} bytes, got {a.itemsize}")
    if <size_t> a.data % <size_t> a.itemsize:
        raise ValueError(f"expected {name} to be aligned to {a.itemsize} bytes")
    for i in range(len(shape)):
        dims[i] = came[i]
    return cnp.PyArray_SimpleNewFromData(len(shape), dims, dtype.num, a.data)


def _sizes(shape):
    return f"({', '.join(['any' if n is None else str(n) for n in shape])})"


cdef list all_taken(const cellstep_array *a, str name, names, shapes, dtype):
    cdef int i
    found = []
    for i in range(len(names)):
        found.append(taken(NULL if a == NULL else &a[i], f"{name} {names[i]}", shapes[i], dtype))
    return found


cdef inline bint holds(void *handle, type kind) noexcept nogil:
    return handle != NULL and <void *> (<PyObject *> handle).ob_type == <void *> kind


cdef Packed packed_of(const char *name, const char *options, const cellstep_array *weights, int64_t count,
                      bint backward):
    cdef int i
    cell = "" if name == NULL else name.decode(errors="replace")
    if cell not in CELLS:
        raise ValueError(f"expected cell to be one of {', '.join(CELLS)}, got {cell!r}")
    row = ROWS[cell]
    least = len(row.weights) - (row.weight_names[len(row.weights) - 1] == row.bias)
    if weights == NULL or not least <= count <= len(row.weights):
        raise ValueError(f"expected the weights {', '.join(row.weight_names)}, got {0 if weights == NULL else count}")
    chosen = {option.name: option.default for option in row.options}
    kinds = {option.name: option.kind for option in row.options}
    for pair in ("" if options == NULL else options.decode(errors="replace")).split():
        key, _, value = pair.partition("=")
        known = ("false", "true") if kinds.get(key) == "flag" else ACTIVATIONS
        if key not in chosen:
            raise ValueError(f"expected options to be some of {', '.join(chosen)}, got {key!r}")
        if value not in known:
            raise ValueError(f"expected {key} to be one of {', '.join(known)}, got {value!r}")
        chosen[key] = value == "true" if kinds[key] == "flag" else value
    dtypes = {4: np.dtype(np.float32), 8: np.dtype(np.float64)}
    if weights[1].itemsize not in dtypes:
        raise ValueError(f"expected {row.weight_names[1]} to have numbers of 4 or 8 bytes, got {weights[1].itemsize}")
    sizes = {"I": weights[0].shape[0], "H": weights[1].shape[0]}
    if min(sizes.values()) < 1:
        raise ValueError(f"expected at least one feature and one unit, got {sizes['I']} and {sizes['H']}")
    shapes, arrays = row.shapes(sizes, chosen), []
    for i in range(len(shapes)):
        arrays.append(taken(&weights[i] if i < count else NULL, row.weight_names[i], shapes[i],
                            dtypes[weights[1].itemsize], row.weight_names[i] == row.bias))
    return Packed(row, arrays, tuple(chosen.values()), backward)


cdef void *api_pack(const char *cell, const char *options, const cellstep_array *weights, int64_t count,
                    int64_t backward) noexcept with gil:
    try:
        packed = packed_of(cell, options, weights, count, backward != 0)
    except BaseException as error:
        failed(error)
        return NULL
    Py_INCREF(packed)
    return <void *> packed


cdef Packed weights_at(void *handle, int64_t count):
    if not holds(handle, Packed):
        raise ValueError("expected weights that pack made")
    packed = <Packed> handle
    if count != packed.w.states:
        raise ValueError(f"expected {packed.w.states} states, got {count}")
    return packed


cdef list of_states(Packed packed, long B):
    return [(B, n) for n in packed.sizes]


cdef inline const Weights *weights_in(Packed packed) noexcept nogil:
    return &packed.w


cdef inline bint fit(const cellstep_array *a, const Weights *w, int64_t rows, long n) noexcept nogil:
    return (a.data != NULL and a.itemsize == w.esize and a.shape[0] == rows and a.shape[1] == n and a.shape[2] == 1
            and <size_t> a.data % <size_t> w.esize == 0)


cdef int64_t step_checked(void *handle, const cellstep_array *x, const cellstep_array *states,
                          int64_t count) noexcept with gil:
    """A step that does not fit, or that needs memory or threads."""
    try:
        packed = weights_at(handle, count)
        rows = taken(x, "x", (None, packed.w.inputs), packed.dtype, False)
        names = packed.cell.state_names
        values = all_taken(states, "the state", names, of_states(packed, rows.shape[0]), packed.dtype)
        if any([value is None for value in values]):
            raise ValueError(f"expected the states {', '.join(names)}, got none")
        step(packed, rows, values)
        return 0
    except BaseException as error:
        return failed(error)


cdef int64_t api_step(void *handle, const cellstep_array *x, const cellstep_array *states,
                      int64_t count) noexcept nogil:
    cdef Step s
    cdef const Weights *w
    cdef uint64_t mode
    cdef int k
    cdef bint fits = holds(handle, Packed) and x != NULL and states != NULL
    if fits:
        w = weights_in(<Packed> handle)
        fits = count == w.states and x.shape[0] >= 0 and fit(x, w, x.shape[0], w.inputs)
        for k in range(w.states if fits else 0):
            fits = fits and fit(&states[k], w, x.shape[0], w.size[k])
    if not fits or w.width * w.esize > STACK or pays_threads(w, x.shape[0]):
        return step_checked(handle, x, states, count)
    lay_out_at(&s, w, x.shape[0], s.stack)
    s.x, s.xb = <const char *> x.data, w.inputs * w.esize
    for k in range(w.states):
        s.state[k] = <char *> states[k].data
    at_block(&s, 0)
    mode = cs_float_mode_set(True)
    step_rows(&s)
    cs_float_mode_restore(mode)
    return 0


cdef int64_t api_forward(void *handle, const cellstep_array *x, const cellstep_array *mask,
                         const cellstep_array *first, const cellstep_array *y, const cellstep_array *last,
                         int64_t count, void **tape) noexcept with gil:
    cdef HeldTape held
    if tape != NULL:
        tape[0] = NULL  # release takes it, also where this fails
    try:
        packed = weights_at(handle, count)
        dtype, names, kept = packed.dtype, packed.cell.state_names, None
        steps = taken(x, "x", (None, None, packed.w.inputs), dtype, False)
        B, T = steps.shape[0], steps.shape[1]
        runs = taken(mask, "mask", (B, T), np.dtype(np.uint8))
        shapes = of_states(packed, B)
        states = all_taken(first, "the first state", names, shapes, dtype)
        out = taken(y, "y", (B, T, packed.w.size[0]), dtype)
        ends = all_taken(last, "the last state", names, shapes, dtype)
        if tape != NULL:
            if not packed.backward:
                raise ValueError("expected weights that were packed with backward, as a tape is asked for")
            steps, kept = steps.copy(), Tape(packed, B, T, 0)
        forward(packed, steps, states, None if runs is None else runs != 0, None, None, None, out, ends, kept)
        if tape != NULL:
            held = HeldTape()
            held.packed, held.tape, held.B, held.T = packed, kept, B, T
            Py_INCREF(held)
            tape[0] = <void *> held
        return 0
    except BaseException as error:
        return failed(error)


cdef int64_t api_backward(void *handle, const cellstep_array *dy, const cellstep_array *dlast,
                          const cellstep_array *dx, const cellstep_array *dfirst, int64_t count,
                          const cellstep_array *dweights, int64_t weights) noexcept with gil:
    cdef HeldTape held
    cdef Packed packed
    try:
        if not holds(handle, HeldTape):
            raise ValueError("expected a tape that forward made")
        held = <HeldTape> handle
        packed = weights_at(<void *> held.packed, count)
        row, dtype, B, T = packed.cell, packed.dtype, held.B, held.T
        if dweights != NULL and weights != len(row.weights):
            raise ValueError(f"expected the gradients of {len(row.weights)} weights, got {weights}")
        names, shapes = row.state_names, of_states(packed, B)
        sizes = {"I": packed.w.inputs, "H": packed.w.H}
        of_weights = row.shapes(sizes, dict(zip(row.option_names, packed.options)))
        dys = taken(dy, "dy", (B, T, packed.w.size[0]), dtype)
        ends = all_taken(dlast, "the gradient of the last state", names, shapes, dtype)
        dxs = taken(dx, "dx", (B, T, packed.w.inputs), dtype)
        firsts = all_taken(dfirst, "the gradient of the first state", names, shapes, dtype)
        sums = all_taken(dweights, "the gradient of", row.weight_names, of_weights, dtype)
        backward(packed, held.tape, dys, ends, dxs, sums, firsts, [None] * len(names))
        return 0
    except BaseException as error:
        return failed(error)


cdef void api_release(void *handle) noexcept with gil:
    if holds(handle, Packed) or holds(handle, HeldTape):
        Py_DECREF(<object> handle)


cdef cellstep_api api = cellstep_api(CELLSTEP_VERSION, api_error, api_pack, api_step, api_forward, api_backward,
                                     api_release)


def c_table():
    """The capsule with the table."""
    return PyCapsule_New(&api, "cellstep.capi.table", NULL)


def c_addresses():
    """Where the functions of the table lie, in its order."""
    return [<size_t> p for p in (<size_t *> &api)[1:7]]
