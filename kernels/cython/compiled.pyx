# cython: language_level=3, binding=True, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True
"""The compiled backend: loops over time, streams, products and updates, over the tiles in C.

One module of many files, as `tiles/tile.c` is: they share structs and call each other directly. The files stand in the
order in which one needs another's types.
"""
import os
import sys

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetInterrupt
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.limits cimport LLONG_MAX
from libc.math cimport pow
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from cellstep.kernels.cells import ACTIVATIONS, CELLS as ROWS, OF_INPUT
from cellstep.kernels.contract import Split
from cellstep.kernels.stages import BUSY, Activate, Dense, Lookup, Mask, Recur
from cellstep.kernels.threads import limit

cnp.import_array()

include "tiles.pxi"
include "memory.pxi"
include "slices.pxi"
include "layout.pxi"
include "packed.pxi"
include "job.pxi"
include "tape.pxi"
include "gradients.pxi"
include "projection.pxi"
include "loop.pxi"
include "phases.pxi"
include "chunks.pxi"
include "recompute.pxi"
include "passes.pxi"
include "together.pxi"
include "step.pxi"
include "panels.pxi"
include "products.pxi"
include "norms.pxi"
include "updates.pxi"
include "flow.pxi"
include "chain.pxi"
include "lanes.pxi"
include "lane_products.pxi"
include "c_api.pxi"

# modules of a backend
many = norms = products = updates = sys.modules[__name__]
