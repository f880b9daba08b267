"""Checks and casts of what callers pass in: done once, here, so that kernels and layers need none.

Each raises one sentence that names the argument, what was wanted and what came, and writes nothing.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from .arrays import brief, kind, plain, real

#: The dtypes that kernels compute in.
FLOATS = (np.dtype("float32"), np.dtype("float64"))

Dims = tuple[int | str, ...]


_default = FLOATS[0]


def epsilon() -> float:
    """What losses keep probabilities and divisors away from 0 by: 1e-7, not to be changed."""
    return 1e-7


def floatx() -> str:
    """The dtype of layers and inputs that are given none: "float32", or what `set_floatx` was given."""
    return str(_default)


def set_floatx(value: str) -> None:
    """Make layers and inputs that are given no dtype, from now on, float32 or float64.

    Raises:
        ValueError: it is neither.
    """
    global _default
    if value is None:
        raise ValueError("value must be 'float32' or 'float64', got None")
    _default = float_dtype("value", value)


def float_dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """float32 or float64 as a NumPy dtype; None means `floatx()`. Keras's DTypePolicy dictionaries are read too."""
    if dtype is None:
        return _default
    if isinstance(dtype, dict):
        policy = dtype.get("config")
        dtype = policy.get("name", dtype) if isinstance(policy, dict) else dtype
    try:
        parsed = np.dtype(dtype)
    except TypeError:
        parsed = None
    for known in FLOATS:
        # a NumPy dtype equals None where it is the default, float64
        if parsed is not None and parsed == known:
            return known
    raise ValueError(f"{name} must be 'float32' or 'float64', got {brief(dtype)}")


def describe(dims: Dims | tuple[int | None, ...]) -> str:
    """(batch, time, 16): a shape for a message, letters or words where any size goes."""
    return "(" + ", ".join(str(d) for d in dims) + ("," if len(dims) == 1 else "") + ")"


def as_array(name: str, value: Any, dtype: np.dtype[Any], dims: Dims) -> NDArray[Any]:
    """The value as an array of this dtype and shape; the caller's own array where it fits already.

    Args:
        name: the argument, for the message.
        value: an array or nested list of real numbers (floats of any width, integers, booleans).
        dtype: a native dtype, of the kind that `float_dtype` returns.
        dims: one entry an axis: an int for a fixed size, a word such as "batch" where any size goes.

    Raises:
        TypeError: not an array of real numbers. ValueError: another shape, or a ragged list.
    """
    a = value if type(value) is np.ndarray and value.dtype is dtype else _cast(name, value, dtype)
    shape = a.shape
    if shape == dims:
        return a
    if a.ndim != len(dims):
        raise ValueError(f"expected {name} of shape {describe(dims)}, got {shape}")
    for have, want in zip(shape, dims, strict=True):
        if have != want and type(want) is not str:
            raise ValueError(f"expected {name} of shape {describe(dims)}, got {shape}")
    return a


def fits(a: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    """Whether this is a plain array that a kernel takes as it is: C-contiguous, aligned, of this dtype and shape."""
    return type(a) is np.ndarray and a.dtype is dtype and a.shape == shape and a.flags.carray


def _cast(name: str, value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.asarray(real(name, value), dtype=dtype)


def check_indices(name: str, value: Any, entries: int) -> NDArray[np.intp]:
    """Integers 0 .. entries - 1, of any shape; floats will do where they are whole. A copy: what was checked, no
    other thread can change.

    Raises:
        TypeError: other things. ValueError: fractions, or numbers beyond.
    """
    a = plain(name, value).copy()
    if a.dtype.kind == "f":
        if not (np.isfinite(a) & (np.floor(a) == a)).all():
            raise ValueError(f"expected {name} to hold integers, got fractions, NaN or infinity")
    elif a.dtype.kind not in "iub":
        raise TypeError(f"expected {name} to hold integers, got {kind(name, a)}")
    if a.size and (a.min() < 0 or a.max() >= entries):
        wrong = a.min() if a.min() < 0 else a.max()
        raise ValueError(f"expected {name} between 0 and input_dim - 1 = {entries - 1}, got {wrong}")
    return a.astype(np.intp, copy=False)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array for results, holding anything; large ones come from memory that the active backend keeps for them."""
    array: NDArray[Any] = kernels.active().empty(shape, dtype)
    return array


def rows(a: NDArray[Any]) -> NDArray[Any]:
    """The array, or a copy of it where its last axis is not packed tight or it is not aligned.

    Kernels take any strides but in the last axis, where they read whole vectors.
    """
    if a.strides[-1] == a.itemsize and a.flags.aligned:
        return a
    return a.copy()


def contiguous(a: NDArray[Any]) -> NDArray[Any]:
    """The array, or a C-contiguous aligned copy of it."""
    flags = a.flags
    return a if flags.c_contiguous and flags.aligned else a.copy()


def check_mask(mask: Any, B: int, T: int, name: str = "mask") -> NDArray[np.bool_]:
    """(B, T) booleans; True where the row runs. Numbers will do where they are 0 and 1."""
    a = plain(name, mask)
    if a.dtype.kind not in "biuf":
        raise TypeError(f"expected {name} to hold booleans, got dtype {a.dtype}")
    if a.shape != (B, T):
        raise ValueError(f"expected {name} of shape (batch, time) = ({B}, {T}), got {a.shape}")
    if a.dtype.kind == "b":
        a = a.view(np.uint8)  # a view of other memory may hold bytes other than 0 and 1, which are True as well
        return np.asarray(a != 0, np.bool_)
    steps: NDArray[np.bool_] = a != 0
    if not (a == steps).all():
        raise ValueError(f"expected {name} to hold booleans, or 0 and 1, got {a[a != steps][0]}")
    return steps


def check_lengths(lengths: Any, B: int, T: int) -> NDArray[np.int32]:
    """(B,) int32: the steps that each row runs, from the left; 0 to T. A copy: what was checked, no other thread can
    change."""
    a = plain("lengths", lengths).copy()
    if a.dtype.kind not in "iu" and a.size:
        raise TypeError(f"expected lengths to hold integers, got dtype {a.dtype}")
    if a.shape != (B,):
        raise ValueError(f"expected lengths of shape (batch,) = ({B},), got {a.shape}")
    if a.size and (a.min() < 0 or a.max() > T):
        wrong = a.min() if a.min() < 0 else a.max()
        raise ValueError(f"expected lengths between 0 and the {T} steps of x, got {wrong}")
    return contiguous(a.astype(np.int32, copy=False))


def check_count(name: str, value: Any) -> int:
    """A positive int, for `units` and the like; TypeError for what is no integer, ValueError below 1."""
    return _integer(name, value, 1, "a positive integer")


def check_natural(name: str, value: Any) -> int:
    """An int, 0 or more, for epochs that are done and the like; TypeError for what is no integer, ValueError below."""
    return _integer(name, value, 0, "an integer, 0 or more")


def check_integer(name: str, value: Any) -> int:
    """An int; TypeError for what is none."""
    return _integer(name, value, -sys.maxsize, "an integer")


def check_named(value: Any, default: str) -> str:
    """The argument `name` of what is not in a path: a string, the default for None or an empty one."""
    if not isinstance(value, str | None):
        raise TypeError(f"name must be a string, got {brief(value)}")
    return value or default


def _integer(name: str, value: Any, low: int, wanted: str) -> int:
    number = None
    if not isinstance(value, (bool, np.bool_)):
        with contextlib.suppress(TypeError):
            number = operator.index(value)
    if number is None:
        raise TypeError(f"{name} must be {wanted}, got {brief(value)}")
    if not low <= number <= sys.maxsize:
        raise ValueError(f"{name} must be {wanted}{'' if number < low else ' that is a size'}, got {brief(number)}")
    return number


def check_bool(name: str, value: Any) -> bool:
    """True or False, for which 1 and 0 may stand, and nothing else that merely counts as one."""
    if not isinstance(value, (bool, np.bool_)) and not (isinstance(value, (int, np.integer)) and value in (0, 1)):
        raise TypeError(f"{name} must be True or False, got {brief(value)}")
    return bool(value)


def check_path(name: str, value: Any) -> Path:
    """The path of a file or a folder, from a string or a path."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {brief(value)}")
    return Path(value)


def check_rate(name: str, value: Any) -> float:
    """A float in 0 .. 1, for dropout."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number from 0 to 1, got {brief(value)}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, got {brief(value)}")
    return float(value)


def check_number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a float in [low, high].

    Raises:
        TypeError: no real number.
        ValueError: NaN, infinite or out of range.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {brief(value)}")
    try:
        result = float(value)
    except OverflowError:  # an integer that no float can hold
        result = math.inf
    if not (math.isfinite(result) and low <= result <= high):
        wanted = "" if math.isinf(low) else f", {low:g} or more" if math.isinf(high) else f" from {low:g} to {high:g}"
        raise ValueError(f"{name} must be a finite number{wanted}, got {brief(value)}")
    return result
