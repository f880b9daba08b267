"""The kernels for compiled code: C, Cython, and functions that Numba compiles. docs/c-api.md has examples.

C and Cython take the table of functions from `cellstep.h`, which lies in `get_include()`; `functions` has the same ones
for ctypes and Numba, `arrays` describes arrays to them, and `address` hands over weights that Python packed.
"""

from __future__ import annotations

import ctypes
import importlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .core import Packed
from .exports import public

__all__ = ["Functions", "address", "arrays", "functions", "get_include"]

__dir__ = public(globals(), ["table"])


class Functions(NamedTuple):
    """The functions of the table (docs/c-api.md). Each pointer is taken as an integer."""

    error: Any
    pack: Any
    step: Any
    forward: Any
    backward: Any
    release: Any


#: How many integers each takes.
_TAKES = Functions(error=0, pack=5, step=4, forward=8, backward=8, release=1)


def get_include() -> str:
    """The folder of `cellstep.h`, and of `cellstep_api.pxd` for Cython: for C compilers and Cython's `-I`."""
    return str(Path(__file__).parent / "include")


def _compiled() -> Any:
    try:
        return importlib.import_module(".kernels.cython.compiled", __package__)
    except ImportError as error:
        raise ImportError(
            f"the C functions are those of the compiled kernels, which cannot run here: {error}"
        ) from None


def __getattr__(name: str) -> Any:
    if name != "table":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _compiled().c_table()


@cache
def functions() -> Functions:
    """The functions of the table for ctypes; those that take arrays may be called in functions that Numba compiles.

    Raises:
        ImportError: there are no compiled kernels here.
    """
    made = []
    for takes, place in zip(_TAKES, _compiled().c_addresses(), strict=True):
        gives = ctypes.c_char_p if place == _compiled().c_addresses()[0] else ctypes.c_ssize_t
        made.append(ctypes.CFUNCTYPE(gives, *[ctypes.c_ssize_t] * takes)(place))
    return Functions(*made)


def address(packed: Packed) -> int:
    """Weights from `functional.pack` for the functions of the table; valid as long as `packed` lives.

    Raises:
        TypeError: these are no packed weights, or those of another backend.
    """
    if not isinstance(packed, Packed):
        raise TypeError(f"expected packed to be weights from functional.pack, got {type(packed).__name__}")
    if packed.backend.name != "cython":
        raise TypeError(
            f"expected weights packed by the compiled kernels, got those of the backend {packed.backend.name}"
        )
    return id(packed.weights)


def arrays(*given: NDArray[Any] | None) -> NDArray[np.int64]:
    """A description (n, 5) of n arrays for the functions of the table: each row is a `cellstep_array`, and the address
    of the row is what they take. It keeps no reference: the arrays must live as long as it is used.

    Args:
        *given: C-contiguous, writable arrays of up to three axes; None for one that there is not.

    Raises:
        TypeError, ValueError: an array that is not such a one.
    """
    rows = np.zeros((len(given), 5), np.int64)
    for i, array in enumerate(given):
        if array is None:
            continue
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fb":
            came = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"expected array {i} to hold floats or booleans, got {came}")
        if not array.flags.carray or array.ndim > 3 or not array.dtype.isnative:
            raise ValueError(f"expected array {i} to be C-contiguous, aligned and writable, with up to 3 axes")
        rows[i] = array.ctypes.data, array.itemsize, *array.shape, *[1] * (3 - array.ndim)
    return rows
