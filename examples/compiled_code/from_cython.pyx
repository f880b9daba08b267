# cython: language_level=3, boundscheck=False
"""A closed loop around an LSTM, without the GIL: what it puts out is what it is given next.

    include=$(python -c "import cellstep; print(cellstep.get_include())")
    cython -I $include from_cython.pyx
    gcc -shared -fPIC $(python3-config --includes) -I$include from_cython.c -o from_cython.so
"""

from cellstep_api cimport cellstep_api, cellstep_array, cellstep_describe, cellstep_import

cdef const cellstep_api *cs = cellstep_import()


def closed_loop(size_t weights, float[:, ::1] h, float[:, ::1] c, int steps):
    """Run so many steps of weights at that address (`cellstep.capi.address`), with as many inputs as units: x is the h of
    the step before. h and c change in place."""
    cdef float[:, ::1] x = h.copy()
    cdef cellstep_array inputs = cellstep_describe(&x[0, 0], sizeof(float), x.shape[0], x.shape[1], 1)
    cdef cellstep_array states[2]
    cdef int t, failed = 0
    states[0] = cellstep_describe(&h[0, 0], sizeof(float), h.shape[0], h.shape[1], 1)
    states[1] = cellstep_describe(&c[0, 0], sizeof(float), c.shape[0], c.shape[1], 1)
    with nogil:
        for t in range(steps):
            failed = cs.step(<void *> weights, &inputs, states, 2) != 0
            if failed:
                break
            x[...] = h
    if failed:
        raise ValueError(cs.error().decode())
