"""How a kernel is compiled: once for each dtype, when a layer first needs it, and kept on disk.

A kernel is one function that runs a whole sequence without a return to Python. Its arrays have fixed layouts, so that
views, read-only inputs and absent arguments do not make Numba compile it again: an absent array is one without
elements.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.extending import intrinsic
from numba.np import arrayobj

F = TypeVar("F", bound=Callable[..., Any])

# contract and nothing else: a product and a sum may become one fused operation, but no sum changes its order
_OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "nogil": True, "error_model": "numpy"}


def inner(function: F) -> F:
    """Compile a function that kernels call."""
    compiled: F = numba.njit(**_OPTIONS)(function)
    return compiled


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _row(context: Any, x: Any, i: Any, t: Any) -> Any:
    result = types.Array(x.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = context.make_array(x)(context, builder, args[0])
        strides = cgutils.unpack_tuple(builder, source.strides, 3)  # type: ignore[no-untyped-call, unused-ignore]
        shape = cgutils.unpack_tuple(builder, source.shape, 3)  # type: ignore[no-untyped-call, unused-ignore]
        data = source.data
        for index, stride in zip(args[1:], strides, strict=False):
            data = cgutils.pointer_add(builder, data, builder.mul(index, stride))  # type: ignore[no-untyped-call, unused-ignore]
        view = context.make_array(result)(context, builder)
        itemsize = context.get_constant(types.intp, x.dtype.bitwidth // 8)
        arrayobj.populate_array(view, data, shape[2:], [itemsize], itemsize, None)  # type: ignore[no-untyped-call, unused-ignore]
        return view._getvalue()

    return result(x, types.intp, types.intp), generate


#: In compiled code `row(x, i, t)` is x[i, t] as a C-contiguous array, which it is in every x and dy of the contract,
#: whatever their other strides: an indexed view is read number by number.
row: Callable[[Any, int, int], Any] = _row  # type: ignore[assignment, unused-ignore]


class Kernel:
    """A compiled function for each dtype: `kernel[dtype](...)`, compiled at the first look-up.

    Args:
        function: what is compiled.
        layout: one word for each parameter. `a2` is a C-contiguous array of the dtype with 2 axes; `v3` a view with 3
            axes, any strides, perhaps read-only; `mask` (B, T) booleans, any strides; `lengths` (B,) int32; `drop`
            (B, H), perhaps read-only; `int`.
    """

    def __init__(self, function: Callable[..., None], layout: str) -> None:
        self.function = function
        self.layout = layout.split()
        self._compiled: dict[np.dtype[Any], Callable[..., None]] = {}
        self._lock = threading.Lock()

    def __getitem__(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        compiled = self._compiled.get(dtype)
        if compiled is None:
            with self._lock:
                compiled = self._compiled.get(dtype) or self._compile(dtype)
                self._compiled[dtype] = compiled
        return compiled

    def _compile(self, dtype: np.dtype[Any]) -> Callable[..., None]:
        dispatcher = numba.njit(**_OPTIONS)(self.function)
        # where Numba finds no folder that it may write to, each process compiles for itself
        with contextlib.suppress(RuntimeError):
            dispatcher._cache = _Cache(self.function)  # type: ignore[no-untyped-call, unused-ignore]
        dispatcher.compile(tuple(_type_of(word, numba.from_dtype(dtype)) for word in self.layout))
        dispatcher.disable_compile()
        compiled: Callable[..., None] = dispatcher
        return compiled


def kernel(layout: str) -> Callable[[Callable[..., None]], Kernel]:
    """Decorate a function as a `Kernel` with this layout."""
    return lambda function: Kernel(function, layout)


def _type_of(word: str, real: Any) -> Any:
    if word == "int":
        return types.int64
    if word == "mask":
        return types.Array(types.boolean, 2, "A", readonly=True)
    if word == "lengths":
        return types.Array(types.int32, 1, "C", readonly=True)
    if word == "drop":
        return types.Array(real, 2, "C", readonly=True, aligned=False)
    view = word[0] == "v"
    return types.Array(real, int(word[1:]), "A" if view else "C", readonly=view, aligned=not view)


class _Cache(FunctionCache):  # type: ignore[misc, unused-ignore]
    """Numba's cache on disk, which looks at the kernel's own file only, made to look at every file it is made from."""

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        key = super()._index_key(signature, codegen)  # type: ignore[no-untyped-call, unused-ignore]
        return (*key, _sources())


@cache
def _sources() -> str:
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), here.parent / "__init__.py", here.parent / "reference" / "activations.py"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
