"""Python functions that compiled programs of JAX call with the arrays of XLA itself, which are neither copied nor made.

`jax.pure_callback` gives the function arrays of JAX, which on a machine of few cores may wait for the very thread that
calls it, and costs three times as much. This speaks XLA's foreign function interface, whose structures in C are those
of xla/ffi/api/c_api.h; each begins with its size, so that later versions may append to it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from typing import Any

import jax
import numpy as np

from ..layers.locks import new_lock

Function = Callable[[Sequence[Any], Sequence[Any]], None]

TARGET = "cellstep"
DTYPES = {
    code: np.dtype(name) for code, name in ((1, "bool"), (4, "int32"), (5, "int64"), (11, "float32"), (12, "float64"))
}
#: XLA's code of an error inside of a call, and of the extension that asks for the version.
INTERNAL, METADATA = 13, 1


class _Version(Structure):
    _fields_ = [("size", c_size_t), ("next", c_void_p), ("major", c_int), ("minor", c_int)]


class _Metadata(Structure):
    _fields_ = [("size", c_size_t), ("version", _Version), ("traits", c_uint32)]


class _Extension(Structure):
    _fields_ = [("size", c_size_t), ("type", c_int), ("next", c_void_p), ("metadata", POINTER(_Metadata))]


class _Buffer(Structure):
    _fields_ = [
        *(("size", c_size_t), ("next", c_void_p), ("dtype", c_int), ("data", c_void_p)),
        *(("rank", c_int64), ("dims", POINTER(c_int64))),
    ]


class _Buffers(Structure):
    _fields_ = [
        *(("size", c_size_t), ("next", c_void_p)),
        *(("n", c_int64), ("types", c_void_p), ("values", POINTER(POINTER(_Buffer)))),
    ]


class _Number(Structure):
    _fields_ = [("dtype", c_int), ("value", POINTER(c_int64))]


class _Attributes(Structure):
    _fields_ = [
        *(("size", c_size_t), ("next", c_void_p), ("n", c_int64)),
        *(("types", c_void_p), ("names", c_void_p), ("values", POINTER(POINTER(_Number)))),
    ]


class _Error(Structure):
    _fields_ = [("size", c_size_t), ("next", c_void_p), ("message", c_char_p), ("code", c_int)]


_make_error = ctypes.CFUNCTYPE(c_void_p, POINTER(_Error))


class _Api(Structure):
    _fields_ = [
        *(("size", c_size_t), ("next", c_void_p), ("version", _Version), ("internal", c_void_p)),
        ("make_error", _make_error),
    ]


class _Call(Structure):
    _fields_ = [
        *(("size", c_size_t), ("extension", POINTER(_Extension)), ("api", POINTER(_Api)), ("context", c_void_p)),
        *(("stage", c_int), ("inputs", _Buffers), ("outputs", _Buffers), ("attributes", _Attributes)),
    ]


def _arrays(buffers: _Buffers) -> list[Any]:
    """Arrays that share the memory of buffers."""
    found = []
    for i in range(buffers.n):
        buffer = buffers.values[i].contents
        shape, dtype = tuple(buffer.dims[: buffer.rank]), DTYPES[buffer.dtype]
        memory = (ctypes.c_char * (int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)).from_address(buffer.data or 0)
        found.append(np.frombuffer(memoryview(memory), dtype).reshape(shape) if len(memory) else np.empty(shape, dtype))
    return found


#: What can be called, by numbers that stand in compiled programs.
_functions: list[Function] = []
_numbers: dict[Any, int] = {}
_lock = new_lock()


def _handle(pointer: Any) -> Any:
    """What XLA calls: None, or an error of its own."""
    call = pointer.contents
    if call.extension and call.extension.contents.type == METADATA:
        asked = call.extension.contents.metadata.contents
        known = call.api.contents.version if call.api else None
        asked.version.major, asked.version.minor = (0, 1) if known is None else (known.major, known.minor)
        asked.traits = 0
        return None
    try:
        function = _functions[call.attributes.values[0].contents.value.contents.value]
        function(_arrays(call.inputs), _arrays(call.outputs))
    except BaseException as error:
        said = f"{type(error).__name__}: {error}".encode()
        return call.api.contents.make_error(ctypes.byref(_Error(ctypes.sizeof(_Error), None, said, INTERNAL)))
    return None


_handler = ctypes.CFUNCTYPE(c_void_p, POINTER(_Call))(_handle)


def _number_of(key: Any, function: Function) -> int:
    with _lock:
        if not _functions:
            pointer = ctypes.cast(_handler, c_void_p).value
            jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(pointer), platform="cpu")
        if key not in _numbers:
            _numbers[key] = len(_functions)
            _functions.append(function)
        return _numbers[key]


def call(key: Any, function: Function, results: Sequence[Any], *operands: Any) -> list[Any]:
    """Call function(inputs, outputs) with operands' arrays, from within a compiled program too.

    Args:
        key: the same for functions that do the same. function: writes the outputs.
        results: a `jax.ShapeDtypeStruct` for each output.

    Returns:
        The outputs, of JAX.
    """
    number = np.int64(_number_of(key, function))
    return list(jax.ffi.ffi_call(TARGET, list(results), vmap_method="sequential")(*operands, number=number))
