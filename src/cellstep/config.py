"""What runs here, and why: versions, backend, instruction set, threads; and the settings of `keras.config`."""

from __future__ import annotations

import importlib
import platform
import sys
import warnings
from typing import Any, TextIO

import numpy as np

from . import __version__, core, kernels
from .core import epsilon, floatx, set_floatx
from .exports import public

__all__ = [
    "backend",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "get_num_threads",
    "image_data_format",
    "is_interactive_logging_enabled",
    "is_traceback_filtering_enabled",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_num_threads",
    "show_config",
]

set_dtype_policy = set_floatx


def backend() -> str:
    """The word numpy: what arrays are of, whatever kernels compute; `show_config` says which these are."""
    return "numpy"


def set_epsilon(value: float) -> None:
    """NotImplementedError for any other value than that of `epsilon`."""
    _fixed("epsilon", value, epsilon(), "losses and metrics are written with it")


def image_data_format() -> str:
    """The word channels_last: layers take (batch, time, features) where they are given no data_format."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """NotImplementedError for any other value than that of `image_data_format`."""
    _fixed("data_format", data_format, image_data_format(), "give each layer its data_format")


def enable_interactive_logging() -> None:
    """As it is anyway: progress goes to standard output."""


def disable_interactive_logging() -> None:
    """NotImplementedError: `verbose=0` is for that."""
    _fixed("interactive logging", False, True, "fit, evaluate and predict print nothing with verbose=0")


def is_interactive_logging_enabled() -> bool:
    """True."""
    return True


def enable_traceback_filtering() -> None:
    """Nothing changes: tracebacks are whole, and short."""


def disable_traceback_filtering() -> None:
    """Nothing changes: tracebacks are whole, and short."""


def is_traceback_filtering_enabled() -> bool:
    """False."""
    return False


def enable_unsafe_deserialization() -> None:
    """NotImplementedError: code in files is never run."""
    _fixed("unsafe deserialization", True, False, "register a function of your own, and files find it")


def _fixed(name: str, value: Any, only: Any, instead: str) -> None:
    if value != only:
        raise NotImplementedError(f"{name} is not to be changed: expected {only!r}, got {value!r}; {instead}")


def get_num_threads() -> int:
    """How many threads a call may use in the active backend."""
    pool = _thread_pool()
    return 1 if pool is None else int(pool.get_num_threads())


def set_num_threads(n: int) -> None:
    """Let calls of the active backend use at most n threads.

    Raises:
        TypeError, ValueError: n is not a positive integer.

    Warns:
        RuntimeWarning: the active backend runs on one thread, so that n has no effect.

    Example:
        >>> cellstep.set_num_threads(1)
    """
    n = core.check_count("n", n)
    pool = _thread_pool()
    if pool is not None:
        pool.set_num_threads(min(n, 2**31 - 1))  # a C int
    elif n > 1:
        name = kernels.active().name
        warnings.warn(f"the {name} backend runs on one thread; n={n} has no effect", RuntimeWarning, stacklevel=2)


def _thread_pool() -> Any:
    """What sets the threads of the active backend, or None where it has one thread only."""
    name = kernels.active().name
    if name == "numba":
        return importlib.import_module(".kernels.numba.thread_pool", __package__)
    return _tiles() if name == "cython" else None


def _tiles() -> Any:
    # by name, and not at import: the compiled module need not exist
    return importlib.import_module(".kernels.cython.compiled", __package__)


def isa() -> str:
    """The instruction set of the active backend, in words."""
    name = kernels.active().name
    if name == "cython":
        return f"instruction set {_tiles().isa()}"
    return "instruction set left to " + {"numba": "Numba", "numpy": "NumPy"}[name]


def describe() -> dict[str, str]:
    """What `show_config` prints: a line of text for each subject, in order."""
    active, absent = kernels.active(), kernels.available()
    facts = {
        "cellstep": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {platform.machine()})",
        "numpy": np.__version__,
        "backend": f"{active.name}: {active.why}",
    }
    for name, reason in absent.items():
        if name != active.name:
            facts[f"  {name}"] = f"not here: {reason}" if reason else "available"
    if not absent["cython"]:
        tiles = _tiles()
        facts["instruction set"] = f"{tiles.isa()}: {tiles.isa_why()}"
        facts["  available"] = ", ".join(tiles.available_isas())
    else:
        facts["instruction set"] = "none of its own: there are no compiled kernels"
    facts["threads"] = str(get_num_threads())
    return facts


def show_config(file: TextIO | None = None) -> None:
    """Print versions, the backend and why it was chosen, the instruction set, and threads.

    Args:
        file: where to; standard output where None.

    Example:
        >>> cellstep.show_config()
        cellstep  ...
    """
    facts = describe()
    width = max(map(len, facts)) + 2
    for name, text in facts.items():
        print(f"{name:{width}}{text}", file=sys.stdout if file is None else file)


__dir__ = public(globals())
