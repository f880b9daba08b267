# Tapes: what a forward pass keeps for backward, and what can be read of it.

cdef int first_of_input = ACTIVATIONS.index(OF_INPUT[0])


cdef class Tape:
    """Gate rows z (T, B, width), after activation but where its derivative asks for the argument (`OF_INPUT`); and of
    each state (T + 1, B, stride), with row 0 the initial one. With `recompute` these of the last steps alone, and some
    states, from which others are made again in their place (recompute.pxi).

    x is the caller's array, not a copy. Forward may fill a tape again, backward may read it more than once.
    """

    cdef Job job       # as forward left it
    cdef char *memory  # of gate rows and states
    cdef list keep, inputs
    cdef bint spent    # whether backward has used the rings' place

    def __cinit__(self, Packed packed, long B, long T, long recompute):
        cdef const Weights *w = &packed.w
        cdef Job *j = &self.job
        cdef size_t step
        if (T + 1.) * B * (w.width + w.states * w.stride) * w.esize > 1e18:
            raise MemoryError(f"no memory for what a backward pass over {T} steps of {B} rows needs")
        size(j, w, B, T)
        self.keep = []
        step = w.states * j.ht
        j.zsteps = max(1, T)
        if recompute:
            j.every = stretch_steps(B, T, recompute)
            j.zsteps = max(1, ring_steps(B, T, recompute, j.every))
            if j.zsteps < T:
                j.kept = room(self.keep, ((T - 1) // j.every + 1) * step)
        j.hsteps = j.zsteps + 1
        self.memory = room(self.keep, j.zsteps * j.zt + j.hsteps * step)


cdef int read_gates(Packed packed, Job *s, cnp.ndarray out) except -1:
    """out (n, T, G, H) = the caller's first n rows at the steps of a slice, gate after gate; NaN at masked steps."""
    cdef const Weights *w = &packed.w
    cdef long H = w.H, VL = w.tiles.VL, esize = w.esize, gates = w.columns // w.Hp, b, t, j, g, g0, row
    cdef const Region *r
    cdef const char *src
    cdef char *dst
    cdef int i
    cdef uint64_t mode = cs_float_mode_set(True)
    for b in range(out.shape[0]):
        row = b if s.place == NULL else s.place[b]
        dst = data(out) + (b * s.T + s.t0) * gates * H * esize
        for t in range(s.t0, s.t1):
            for i in range(w.regions):
                r = &w.region[i]
                g0 = r.first // w.Hp
                for j in range(0, H, VL):
                    src = s.z + z_at(s, t) + row * s.zb + (r.first + j * r.gates) * esize
                    for g in range(r.gates):
                        memcpy(dst + ((g0 + g) * H + j) * esize, src + g * VL * esize, min(VL, H - j) * esize)
            for g in range(gates):
                if packed.layout.codes[g] >= first_of_input:
                    w.tiles.activate(packed.layout.codes[g], H, dst + g * H * esize, dst + g * H * esize)
            if t >= end_of(s, row) or (s.active != NULL and not s.active[t * s.B + row]):
                out[b, t] = np.nan
            dst += gates * H * esize
    cs_float_mode_restore(mode)
    return 0


cdef int read_states(Packed packed, Job *s, int k, cnp.ndarray out) except -1:
    """out (n, T, units) = state k of the caller's first n rows after each step, also where carried."""
    cdef long b, t, row, n = packed.w.size[k] * packed.w.esize
    cdef const char *states = s.state[k]
    for b in range(out.shape[0]):
        row = b if s.place == NULL else s.place[b]
        for t in range(s.t0, s.t1):
            memcpy(data(out) + (b * s.T + t) * n, states + h_at(s, min(t + 1, end_of(s, row))) + row * s.hb, n)
    return 0


def tape(Packed packed, B, T, recompute):
    """An empty tape for B rows of T steps; forward fills it, again and again if need be."""
    return Tape(packed, B, T, recompute)
