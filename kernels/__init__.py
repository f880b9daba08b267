"""The kernel contract, and the choice of backend.

`cells` has the cells as data, `contract` what every backend offers, and README.md in this folder says what each
function does, who allocates, and how to add a cell.
"""

from __future__ import annotations

import copyreg
import importlib
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from typing import Any

from .cells import ACTIVATIONS, CELLS, OF_INPUT, Cell, Gate, Option, Product, State, Weight
from .contract import Backend, Split
from .equations import has_vector_code
from .equations.reference import step_of
from .reference import backend as _reference
from .row_checks import check_row

__all__ = [
    "ACTIVATIONS",
    "BACKENDS",
    "CELLS",
    "CHAIN",
    "FUNCTIONS",
    "NORMS",
    "OF_INPUT",
    "PRODUCTS",
    "UPDATES",
    "Backend",
    "Cell",
    "Gate",
    "Option",
    "Product",
    "Split",
    "State",
    "Weight",
    "active",
    "add_cell",
    "add_equations",
    "available",
    "load",
    "remove_cell",
    "use",
]

#: The module that each backend is, the fastest first.
_MODULES = {
    "cython": f"{__name__}.cython.compiled",
    "numba": f"{__name__}.numba.backend",
    "numpy": f"{__name__}.reference.backend",
}
BACKENDS: tuple[str, ...] = tuple(_MODULES)
#: How to get compiled kernels. pip's cache may hold the wheel without them, and would install that again.
_COMPILE = "install a C compiler, then pip cache remove cellstep, and pip install --force-reinstall --no-deps cellstep"


def _parameters(module: Any, *names: str) -> Mapping[str, tuple[str, ...]]:
    """Of these functions of the reference, which is the specification, the names of their parameters."""
    return {name: tuple(inspect.signature(getattr(module, name)).parameters) for name in names}


#: The functions that run cells, the same ones for every cell, with their parameters.
FUNCTIONS = _parameters(
    *(_reference, "pack", "tape", "step", "forward", "backward", "forward_all", "backward_all", "read", "split_of")
)
#: Products for everything that is not a cell. reference/products.py says what they do.
PRODUCTS = _parameters(
    _reference.products, "product_pack", "product", "product_gradients", "product_batched", "activated"
)
#: Layer normalization. reference/norms.py says what they do.
NORMS = _parameters(_reference.norms, "normalized", "normalized_back")
#: An optimizer's update of flat arrays, in place; `s` is scratch. reference/updates.py says what they do.
UPDATES = _parameters(_reference.updates, "sgd", "sgd_momentum", "adam", "rmsprop")
#: What a backend's chain offers; README.md says what they do.
CHAIN = ("step", "steps", "get_states", "set_states")


def __dir__() -> list[str]:
    return sorted(__all__)


def load(name: str, why: str = "asked for by name") -> Backend:
    """Import a backend.

    Raises:
        ValueError: no backend has this name.
        ImportError: it is not installed here; the message says how to get it.
    """
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    missing = _missing(name)
    if missing:
        raise ImportError(f"backend {name!r} is not available: {missing}")
    module = importlib.import_module(_MODULES[name])
    for cell in CELLS.values():
        if cell.equations is not None and cell.name not in module.CELLS:
            _offer(name, cell)
    exported = (*FUNCTIONS, "empty", "Chain", "products", "norms", "updates", "many")
    # what Numba does not compile is the reference's
    return Backend(name, why, module.CELLS, *(getattr(module, each, getattr(_reference, each)) for each in exported))


#: What a stream is made of is copied and pickled, and modules are not: a backend goes by its name.
copyreg.pickle(Backend, lambda backend: (load, (backend.name, backend.why)))


def _missing(name: str) -> str:
    """Why a backend cannot be imported here, or an empty string. Looks, without importing anything heavy."""
    if name == "cython" and importlib.util.find_spec(_MODULES[name]) is None:
        return f"this installation has no compiled kernels; {_COMPILE}"
    if name == "numba":
        spec = importlib.util.find_spec("numba")
        if spec is None or spec.origin is None:  # a folder of this name has no origin
            return "Numba is not installed; pip install 'cellstep[numba]'"
    return ""


def available() -> dict[str, str]:
    """Each backend with an empty string, or with the reason why it cannot run here."""
    return {name: _missing(name) for name in BACKENDS}


def _select() -> Backend:
    """CELLSTEP_BACKEND if it is set, and then nothing else; otherwise the first backend that is installed."""
    backend = _installed()
    isa = os.environ.get("CELLSTEP_ISA", "")
    if isa and backend.name != "cython":
        raise ImportError(f"CELLSTEP_ISA={isa} needs the cython backend, got {backend.name} ({backend.why})")
    return backend


def _levels_to_importer() -> int:
    """The `stacklevel` of a warning that names the line which imports the package. Frames of the machinery of imports
    do not count as levels, but for those of `importlib.import_module`."""
    frame, level = sys._getframe(1).f_back, 1
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("cellstep", "importlib"):
        level += "_bootstrap" not in frame.f_code.co_filename
        frame = frame.f_back
    return level + 1


def _installed() -> Backend:
    asked = os.environ.get("CELLSTEP_BACKEND", "")
    if asked and asked not in BACKENDS:
        raise ImportError(f"CELLSTEP_BACKEND must be one of {', '.join(BACKENDS)}, got {asked!r}")
    if asked:
        return load(asked, "CELLSTEP_BACKEND asks for it")
    missing = available()
    if not missing["cython"]:
        return load("cython", "compiled kernels are installed")
    if not missing["numba"]:
        return load("numba", f"Numba is installed, and {missing['cython']}")
    warnings.warn(
        f"cellstep runs on the NumPy reference, which is slow. For speed {_COMPILE}; "
        "or pip install 'cellstep[numba]'. CELLSTEP_BACKEND=numpy silences this.",
        RuntimeWarning,
        stacklevel=_levels_to_importer(),
    )
    return load("numpy", f"{missing['cython']}; {missing['numba']}")


_active = _select()


def active() -> Backend:
    """The backend that layers use now."""
    return _active


def use(name: str) -> AbstractContextManager[Backend]:
    """Run on another backend, for comparing backends and for tests: from here on, or in a block, `with use(name):`. It
    holds for the whole process."""
    global _active
    before, _active = _active, load(name, "cellstep.use_backend")
    return _restoring(before, _active)


@contextmanager
def _restoring(before: Backend, chosen: Backend) -> Iterator[Backend]:
    global _active
    try:
        yield chosen
    finally:
        _active = before


#: The names of cells that `add_cell` added.
_added: set[str] = set()


def add_cell(cell: Cell, reference: Callable[..., Any], **compiled: Any) -> None:
    """Add a cell: its row, and its functions.

    Args:
        cell: the row.
        reference: its step in NumPy, as reference/loop.py describes it.
        **compiled: what other backends have of it, by name: `numba` alone, as tiles in C are compiled with the package.
            Without, the backend leaves the cell to the reference.

    Raises:
        ValueError, TypeError: a row that is not whole or whose names are taken, or functions that are none. Nothing is
            added then. ImportError: a backend that is not installed here.
    """
    check_row(cell, CELLS)
    for name, function in {"numpy": reference, **compiled}.items():
        if name not in ("numpy", "numba"):
            raise ValueError(f"expected functions of a cell for the backend numba, got some for {name!r}")
        if not callable(function):
            raise TypeError(f"expected the step of {cell.name} for {name} to be a function, got {function!r}")
    backends = {load(name): function for name, function in {"numpy": reference, **compiled}.items()}
    for backend, function in backends.items():
        backend.cells[cell.name] = function
    CELLS[cell.name] = cell
    _added.add(cell.name)


def add_equations(cell: Cell) -> Cell:
    """Add a cell whose row has equations, which every backend runs; where its title is taken, under its name.

    Returns:
        The row of `CELLS` with its name, which may have been there before.

    Raises:
        ValueError, TypeError: a row that is not whole.
    """
    if cell.name not in CELLS:
        if cell.title in {other.title for other in CELLS.values()}:
            cell = replace(cell, title=cell.name)
        check_row(cell, CELLS)
        CELLS[cell.name] = cell
        _added.add(cell.name)
        for name, module in _MODULES.items():
            if module in sys.modules:
                _offer(name, cell)
    return CELLS[cell.name]


def _added_again(*parts: Any) -> Cell:
    return add_equations(Cell(*parts))


def _reduced(cell: Cell) -> tuple[Any, ...]:
    """A pickle of a row: its name, or all of one with equations, for programs that have never seen its class."""
    if cell.equations is None:
        return cell.__reduce__()
    return _added_again, tuple(getattr(cell, part.name) for part in fields(cell))


copyreg.pickle(Cell, _reduced)


def _offer(backend: str, cell: Cell) -> None:
    """Give a loaded backend a cell with equations."""
    if backend == "numpy":
        _reference.CELLS[cell.name] = step_of(cell)
    elif has_vector_code():
        sys.modules[_MODULES[backend]].CELLS[cell.name] = cell.name


def remove_cell(name: str) -> None:
    """Take away a cell that was added.

    Raises:
        ValueError: none of this name was.
    """
    if name not in _added:
        raise ValueError(f"expected the name of a cell that was added, got {name!r}")
    _added.remove(name)
    del CELLS[name]
    for module in _MODULES.values():
        if module in sys.modules:
            sys.modules[module].CELLS.pop(name, None)
