"""The kernel contract as data, and the choice of backend.

Every backend offers the same functions for every cell, named and ordered by `parameters`; a test holds each
backend against it. README.md in this folder says what each function does, who allocates, and how to add a cell.

Letters: T steps, B batch rows, I inputs, H units, G gates; x, h, c, W, U, b as in the papers, d* for gradients.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from .cells import ACTIVATIONS, CELLS, OF_INPUT, Cell, Gate, Option, Product, State, Weight

__all__ = [
    "ACTIVATIONS",
    "CELLS",
    "OF_INPUT",
    "Backend",
    "Cell",
    "Gate",
    "Option",
    "Product",
    "State",
    "Weight",
    "active",
    "available",
    "load",
    "use",
]

FUNCTIONS: tuple[str, ...] = ("pack", "tape", "step", "forward", "backward", "read", "supports")
BACKENDS: tuple[str, ...] = ("cython", "numba", "numpy")
_MODULES = {"cython": "cython", "numba": "numba", "numpy": "reference"}
_CHAINS = {"cython": "cython.chain", "numba": "chain", "numpy": "chain"}
_PRODUCTS = {"cython": "cython.products", "numba": "reference.products", "numpy": "reference.products"}
_NORMS = {"cython": "cython.norms", "numba": "reference.norms", "numpy": "reference.norms"}
_SPLITS = {"cython": "cython.job", "numba": "numba.common", "numpy": "reference.common"}
_UPDATES = {"cython": "cython.updates", "numba": "reference.updates", "numpy": "reference.updates"}

#: What a backend's chain offers; README.md says what they do.
CHAIN: tuple[str, ...] = ("step", "steps", "get_states", "set_states")

#: Products for everything that is not a cell. reference/products.py says what they do.
PRODUCTS: Mapping[str, tuple[str, ...]] = {
    "product_pack": ("W", "b"),
    "product": ("packed", "x", "activation", "y"),
    "product_gradients": ("x", "dz", "dW", "db"),
    "product_batched": ("a", "b", "out"),
    "activated": ("x", "activation", "y"),
}

#: Layer normalization. reference/norms.py says what they do.
NORMS: Mapping[str, tuple[str, ...]] = {
    "normalized": ("x", "epsilon", "gamma", "beta", "y", "normal", "inverse"),
    "normalized_back": ("dy", "normal", "inverse", "gamma", "dx", "dgamma", "dbeta"),
}

#: An optimizer's update of flat arrays, in place; `s` is scratch. reference/updates.py says what they do.
UPDATES: Mapping[str, tuple[str, ...]] = {
    "sgd": ("value", "grad", "s", "lr"),
    "sgd_momentum": ("value", "grad", "v", "s", "lr", "momentum", "nesterov"),
    "adam": ("value", "grad", "m", "v", "v_hat", "s", "lr", "beta_1", "beta_2", "epsilon", "step"),
    "rmsprop": ("value", "grad", "v", "mean", "velocity", "s", "lr", "rho", "momentum", "epsilon"),
}


class Split(NamedTuple):
    """How a call is shared: between how many threads, in "rows" or "units", how many of these a part has, and why."""

    threads: int
    what: str
    shares: list[int]
    why: str


def parameters(cell: Cell, function: str) -> tuple[str, ...]:
    """The names, in order, of the parameters of one function of the contract."""
    s = cell.state_names
    return {
        "pack": (*cell.weight_names, *cell.option_names, "backward"),
        "tape": ("packed", "B", "T"),
        "step": ("packed", "x", *s),
        "forward": (
            *("packed", "x", *(n + "0" for n in s)),
            *("mask", "lengths", "drop", "y", *(n + "T" for n in s), "tape"),
        ),
        "backward": (
            *("packed", "tape", "dy", *(f"d{n}T" for n in s)),
            *("dx", *(f"d{n}" for n in cell.weight_names), *(f"d{n}0" for n in s), *(f"d{n}s" for n in s)),
        ),
        "read": ("packed", "tape", "gates", *s),
        "supports": ("dtype", *cell.option_names),
    }[function]


class Kernels(NamedTuple):
    """The functions of one cell in one backend."""

    pack: Callable[..., Any]
    tape: Callable[..., Any]
    step: Callable[..., None]
    forward: Callable[..., None]
    backward: Callable[..., None]
    read: Callable[..., None]
    supports: Callable[..., bool]


@dataclass(frozen=True)
class Backend:
    """A loaded backend: its name, why it was chosen, and `backend["lstm"].forward`."""

    name: str
    why: str
    cells: Mapping[str, Kernels]

    def __getitem__(self, cell: str) -> Kernels:
        return self.cells[cell]

    @property
    def chain(self) -> Callable[..., Any]:
        """The chain that streams run on; imported when the first one is made."""
        made: Callable[..., Any] = importlib.import_module(f"{__name__}.{_CHAINS[self.name]}").Chain
        return made

    @cached_property
    def empty(self) -> Callable[[tuple[int, ...], Any], Any]:
        """As numpy.empty, where the backend has it from memory that large results gave back."""
        if self.name == "cython":
            made: Callable[..., Any] = importlib.import_module(f"{__name__}.cython.arrays").empty
            return made
        return importlib.import_module("numpy").empty  # type: ignore[no-any-return]

    @cached_property
    def products(self) -> Any:
        """The module with the functions of `PRODUCTS`; imported when the first layer needs one."""
        return importlib.import_module(f"{__name__}.{_PRODUCTS[self.name]}")

    @cached_property
    def norms(self) -> Any:
        """The module with the functions of `NORMS`; imported when the first layer needs one."""
        return importlib.import_module(f"{__name__}.{_NORMS[self.name]}")

    def split_of(self, packed: Any, shape: tuple[int, int, int], backward: bool = False) -> Split:
        """How a call of a cell for x of this shape (B, T, I) would be shared now, from the plan that it would make."""
        return Split(*importlib.import_module(f"{__name__}.{_SPLITS[self.name]}").split_of(packed, shape, backward))

    @property
    def updates(self) -> Any:
        """The module with the functions of `UPDATES`; imported when the first model is compiled."""
        return importlib.import_module(f"{__name__}.{_UPDATES[self.name]}")


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
    cells = {}
    for cell in CELLS:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}.{cell}")
        cells[cell] = Kernels(*(getattr(module, f"{cell}_{function}") for function in FUNCTIONS))
    return Backend(name, why, cells)


def _missing(name: str) -> str:
    """Why a backend cannot be imported here, or an empty string. Looks, without importing anything heavy."""
    if name == "cython" and importlib.util.find_spec(f"{__name__}.cython.tiles") is None:
        return "this installation has no compiled kernels; install a C compiler and reinstall cellstep"
    if name == "numba" and importlib.util.find_spec("numba") is None:
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
        "cellstep runs on the NumPy reference, which is slow. For speed install a C compiler and reinstall cellstep, "
        "or pip install 'cellstep[numba]'; CELLSTEP_BACKEND=numpy silences this.",
        RuntimeWarning,
        stacklevel=2,
    )
    return load("numpy", f"{missing['cython']}; {missing['numba']}")


_active = _select()


def active() -> Backend:
    """The backend that layers use now."""
    return _active


@contextmanager
def use(name: str) -> Iterator[Backend]:
    """Run a block on another backend, for comparing backends and for tests. It holds for the whole process."""
    global _active
    before, _active = _active, load(name, "cellstep.use_backend")
    try:
        yield _active
    finally:
        _active = before
