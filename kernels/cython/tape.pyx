# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
"""Tapes: what a forward pass keeps for backward, and what can be read of it."""
import numpy as np

cimport numpy as cnp
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from cellstep.kernels.cells import ACTIVATIONS, OF_INPUT

from .packed cimport Region, Weights, aligned
from .tiles cimport cs_float_mode_restore, cs_float_mode_set

cnp.import_array()

cdef int first_of_input = ACTIVATIONS.index(OF_INPUT[0])


cdef class Tape:
    """Gate rows z (T, B, width), after activation but where its derivative asks for the argument (`OF_INPUT`); and of
    each state (T + 1, B, Hp), with row 0 the initial one.

    x is the caller's array, not a copy. Forward may fill a tape again, backward may read it more than once.
    """

    def __cinit__(self, Packed packed, long B, long T):
        cdef Weights *w = &packed.w
        cdef int k
        self.B, self.T = B, T
        if (T + 1.) * B * (w.width + w.states * w.Hp) * w.esize > 1e18:
            raise MemoryError(f"no memory for what a backward pass over {T} steps of {B} rows needs")
        cdef size_t z = T * B * w.width * w.esize, h = (T + 1) * B * w.Hp * w.esize
        self.memory = aligned(z + w.states * h, False, &self.z)
        for k in range(w.states):
            self.state[k] = self.z + z + k * h

    cdef int read_gates(self, Packed packed, object out) except -1:
        """out (n, T, G, H) = the caller's first n rows, gate after gate; NaN at masked steps. Nothing for None."""
        cdef cnp.ndarray array
        cdef Weights *w = &packed.w
        cdef long n, T = self.T, H = w.H, VL = w.tiles.VL, esize = w.esize
        cdef long b, t, j, g, g0, row, gates = w.columns // w.Hp
        cdef Region *r
        cdef int i
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
                g0 = 0
                for i in range(w.regions):
                    r = &w.region[i]
                    for j in range(0, H, VL):
                        src = self.z + ((t * self.B + row) * w.width + r.first + j * r.gates) * esize
                        for g in range(r.gates):
                            memcpy(dst + ((g0 + g) * H + j) * esize, src + g * VL * esize, min(VL, H - j) * esize)
                    g0 += r.gates
                for g in range(gates):
                    if packed.layout.codes[g] >= first_of_input:
                        w.tiles.activate(packed.layout.codes[g], H, dst + g * H * esize, dst + g * H * esize)
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
        cdef long n, b, t, row, end, H = packed.w.H * packed.w.esize, Hp = packed.w.Hp * packed.w.esize
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


def tape(Packed packed, B, T):
    """An empty tape for B rows of T steps; forward fills it, again and again if need be."""
    return Tape(packed, B, T)


def read(Packed packed, Tape tape, gates, states):
    """What a tape keeps of its first rows: gates after activation, NaN at masked steps, and the states after each step.
    """
    cdef int k
    tape.read_gates(packed, gates)
    for k in range(packed.w.states):
        tape.read_states(packed, tape.state[k], states[k])
