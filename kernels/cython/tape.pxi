# Tapes: what a forward pass keeps for backward, and what can be read of it.

cdef int first_of_input = ACTIVATIONS.index(OF_INPUT[0])


cdef class Tape:
    """Gate rows z (T, B, width), after activation but where its derivative asks for the argument (`OF_INPUT`); and of
    each state (T + 1, B, stride), with row 0 the initial one. With `recompute` gate rows of the last steps alone, from
    which backward begins, and which makes the others again in their place (recompute.pxi).

    x is the caller's array, not a copy. Forward may fill a tape again, backward may read it more than once.
    """

    cdef Job job       # as forward left it
    cdef char *memory  # of gate rows and states
    cdef list keep, inputs
    cdef bint recompute, spent  # whether backward has used the place of gate rows

    def __cinit__(self, Packed packed, long B, long T, bint recompute=False):
        cdef const Weights *w = &packed.w
        if (T + 1.) * B * (w.width + w.states * w.stride) * w.esize > 1e18:
            raise MemoryError(f"no memory for what a backward pass over {T} steps of {B} rows needs")
        size(&self.job, w, B, T)
        self.keep = []
        self.recompute = recompute
        self.job.zsteps = kept_steps(B, T) if recompute else max(1, T)
        self.memory = room(self.keep, self.job.zsteps * self.job.zt + w.states * (T + 1) * self.job.ht)


cdef int read_gates(Packed packed, Job *s, cnp.ndarray out) except -1:
    """out (n, T, G, H) = the caller's first n rows, gate after gate; NaN at masked steps."""
    cdef const Weights *w = &packed.w
    cdef long H = w.H, VL = w.tiles.VL, esize = w.esize, gates = w.columns // w.Hp, b, t, j, g, g0, row
    cdef const Region *r
    cdef cnp.ndarray masked = np.empty((out.shape[0], s.T), np.bool_)
    cdef const char *src
    cdef char *dst = data(out)
    cdef int i
    cdef uint64_t mode = cs_float_mode_set(True)
    for b in range(out.shape[0]):
        row = b if s.place == NULL else s.place[b]
        for t in range(s.T):
            for i in range(w.regions):
                r = &w.region[i]
                g0 = r.first // w.Hp
                for j in range(0, H, VL):
                    src = s.z + t * s.zt + row * s.zb + (r.first + j * r.gates) * esize
                    for g in range(r.gates):
                        memcpy(dst + ((g0 + g) * H + j) * esize, src + g * VL * esize, min(VL, H - j) * esize)
            for g in range(gates):
                if packed.layout.codes[g] >= first_of_input:
                    w.tiles.activate(packed.layout.codes[g], H, dst + g * H * esize, dst + g * H * esize)
            dst += gates * H * esize
            data(masked)[b * s.T + t] = t >= end_of(s, row) or (s.active != NULL and not s.active[t * s.B + row])
    cs_float_mode_restore(mode)
    out[masked] = np.nan
    return 0


cdef int read_states(Packed packed, Job *s, int k, cnp.ndarray out) except -1:
    """out (n, T, units) = state k of the caller's first n rows after each step, also where carried."""
    cdef long b, t, row, n = packed.w.size[k] * packed.w.esize
    cdef const char *states = s.state[k]
    for b in range(out.shape[0]):
        row = b if s.place == NULL else s.place[b]
        for t in range(s.T):
            memcpy(data(out) + (b * s.T + t) * n, states + min(t + 1, end_of(s, row)) * s.ht + row * s.hb, n)
    return 0


def tape(Packed packed, B, T, recompute=False):
    """An empty tape for B rows of T steps; forward fills it, again and again if need be."""
    return Tape(packed, B, T, recompute)


def read(Packed packed, Tape tape, gates, states):
    """What a tape keeps of its first rows: gates after activation, NaN at masked steps, and the states after each step.
    """
    cdef int k
    cdef Job whole = tape.job
    cdef uint64_t mode
    keep = []
    if gates is not None:
        if tape.recompute:
            mode = cs_float_mode_set(True)
            whole.zsteps, whole.recomputed = max(1, whole.T), whole.T
            whole.z = room(keep, whole.zsteps * whole.zt)
            begin_recompute(&whole, keep)
            recompute_gates(&whole, 0, 1, 0, whole.T)
            cs_float_mode_restore(mode)
        read_gates(packed, &whole, gates)
    for k in range(packed.w.states):
        if states[k] is not None:
            read_states(packed, &tape.job, k, states[k])
