"""Cells that are written as their equations: graphs of a step, their derivatives, and what backends run of them."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec


@cache
def has_vector_code() -> bool:
    """Whether equations are compiled here: by LLVM, which comes with Numba."""
    return find_spec("llvmlite") is not None
