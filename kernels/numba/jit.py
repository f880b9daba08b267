"""How a kernel is compiled: once for each dtype, when a layer first needs it, and kept on disk.

A kernel is one function that runs a whole sequence without a return to Python. Its parameters' annotations say which
layout each array has, so that views, read-only inputs and absent arguments do not make Numba compile it again: an
absent array is one without elements.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.extending import intrinsic, overload
from numba.np import arrayobj

F = TypeVar("F", bound=Callable[..., Any])

# contract and nothing else: a product and a sum may become one fused operation, but no sum changes its order.
# forceinline: a function that does not say what it wants takes it from its caller
_OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "nogil": True, "error_model": "numpy", "forceinline": False}


def inner(function: F) -> F:
    """Compile a function that kernels call."""
    compiled: F = numba.njit(**_OPTIONS)(function)
    return compiled


def inlined(function: F) -> F:
    """Compile a function into each place that calls it: where a call with many arrays would cost more than it does."""
    compiled: F = numba.njit(**{**_OPTIONS, "forceinline": True})(function)
    return compiled


def _view(axes: int) -> Callable[..., Any]:
    """`view` of arrays with this many axes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, result = signature.args[0], signature.return_type
        source = context.make_array(x)(context, builder, args[0])
        strides = cgutils.unpack_tuple(builder, source.strides, axes)  # type: ignore[no-untyped-call, unused-ignore]
        shape = cgutils.unpack_tuple(builder, source.shape, axes)  # type: ignore[no-untyped-call, unused-ignore]
        data = source.data
        for index, stride in zip(args[1:], strides, strict=False):
            data = cgutils.pointer_add(builder, data, builder.mul(index, stride))  # type: ignore[no-untyped-call, unused-ignore]
        out = context.make_array(result)(context, builder)
        itemsize = context.get_constant(types.intp, x.dtype.bitwidth // 8)
        arrayobj.populate_array(out, data, shape[-1:], [itemsize], itemsize, None)  # type: ignore[no-untyped-call, unused-ignore]
        return out._getvalue()

    def two(context: Any, x: Any, i: Any) -> Any:
        return types.Array(x.dtype, 1, "C")(x, types.intp), generate

    def three(context: Any, x: Any, i: Any, t: Any) -> Any:
        return types.Array(x.dtype, 1, "C")(x, types.intp, types.intp), generate

    function: Callable[..., Any] = two if axes == 2 else three
    compiled: Callable[..., Any] = intrinsic(function)  # type: ignore[assignment, unused-ignore]
    return compiled


#: In compiled code `row(x, i)` is x[i] and `view(x, i, t)` is x[i, t] as a C-contiguous array, which it is in every
#: array of the contract, whatever its other strides: an indexed view is read element by element. It holds no reference,
#: and of an array without elements it has none either, whatever i and t.
row, view = _view(2), _view(3)


def rows_of(arrays: Any, i: int) -> Any:
    """In compiled code `row(a, i)` of each array a of a tuple, as a tuple."""
    raise NotImplementedError("runs only inside compiled code")


def views(arrays: Any, i: int, t: int, absent: bool, instead: Any) -> Any:
    """In compiled code `view(a, i, t)` of each array a of a tuple, as a tuple; `instead` for all of them if absent."""
    raise NotImplementedError("runs only inside compiled code")


@overload(rows_of, jit_options=_OPTIONS, strict=False)  # type: ignore[arg-type, untyped-decorator, unused-ignore]
def _overload_rows_of(arrays: Any, i: Any) -> Callable[..., Any]:
    if len(arrays) == 1:
        return lambda arrays, i: (row(arrays[0], i),)
    return lambda arrays, i: (row(arrays[0], i), *rows_of(arrays[1:], i))


@overload(views, jit_options=_OPTIONS, strict=False)  # type: ignore[arg-type, untyped-decorator, unused-ignore]
def _overload_views(arrays: Any, i: Any, t: Any, absent: Any, instead: Any) -> Callable[..., Any]:
    if len(arrays) == 1:
        return lambda arrays, i, t, absent, instead: (instead if absent else view(arrays[0], i, t),)
    return lambda arrays, i, t, absent, instead: (
        instead if absent else view(arrays[0], i, t),
        *views(arrays[1:], i, t, absent, instead),
    )


class Kernel:
    """A compiled function for each dtype: `kernel[dtype](...)`, compiled at the first look-up.

    Args:
        function: what is compiled. Each parameter is annotated with an array of layouts.py, int, a named tuple of
            these, or `Annotated[tuple[X, ...], "name"]`, of which there are `lengths["name"]`.
        lengths: of the tuples.
        key: what the compiled code depends on besides the sources of this folder; files: other sources.
    """

    def __init__(
        self,
        function: Callable[..., None],
        lengths: Mapping[str, int],
        key: Any,
        files: Sequence[Path],
    ) -> None:
        self.function = function
        self.lengths = lengths
        self.key = key
        self.files = files
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
        # where Numba finds no folder that it may write to, or a source is no file, each process compiles for itself
        with contextlib.suppress(RuntimeError, OSError):
            dispatcher._cache = _Cache(self.function, (self.key, _sources(), _digest(self.files)))
        hints = get_type_hints(self.function, include_extras=True)
        hints.pop("return")
        real = numba.from_dtype(dtype)
        dispatcher.compile(tuple(_type_of(hint, real, self.lengths) for hint in hints.values()))
        dispatcher.disable_compile()
        # called past the dispatcher, which would look at each argument's type: the contract fixes them all
        (result,) = dispatcher.overloads.values()
        entry: Callable[..., None] = result.entry_point
        return entry


def _type_of(hint: Any, real: Any, lengths: Mapping[str, int]) -> Any:
    """Numba's type for an annotation."""
    if hint is int:
        return types.int64
    if get_origin(hint) is not Annotated:
        fields = get_type_hints(hint, include_extras=True).values()
        return types.BaseTuple.from_types(tuple(_type_of(field, real, lengths) for field in fields), hint)  # type: ignore[no-untyped-call, unused-ignore]
    plain, layout = get_args(hint)
    if isinstance(layout, str):
        element = _type_of(get_args(plain)[0], real, lengths)
        return types.BaseTuple.from_types((element,) * lengths[layout])  # type: ignore[no-untyped-call, unused-ignore]
    dtype = real if layout.dtype is None else layout.dtype
    order: Any = "A" if layout.view else "C"
    # booleans and integers are aligned whatever the caller's
    return types.Array(dtype, layout.axes, order, layout.readonly, aligned=not layout.readonly or dtype is not real)


class _Cache(FunctionCache):  # type: ignore[misc, unused-ignore]
    """Numba's cache on disk, which looks at the kernel's own file and closure, made to look at every file instead that
    the kernel is made from."""

    def __init__(self, function: Callable[..., None], key: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call, unused-ignore]
        self._key = key

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return signature, codegen.magic_tuple(), self._key


@cache
def _sources() -> str:
    here = Path(__file__).parent
    shared = ("__init__.py", "cells.py", "reference/activations.py")
    return _digest([*sorted(here.glob("*.py")), *(here.parent / name for name in shared)])


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
