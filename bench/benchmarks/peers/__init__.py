"""The peers: other libraries that run the same cells, one module each, imported only when asked for.

Every module has:

- `NEEDS`: the packages without which it cannot run;
- `WORK`: the kinds of work that it has, of those in `shapes.TABLE`; `has(cell)`: whether it has a cell;
- `version()`: its name and version, in words;
- `set_threads(n)`: use n threads from now on; runners made before may stop working;
- `runner(problem, threads)`: the `Runner` of a problem whose work is in `WORK`.

Each takes weights in Keras's layout and converts them itself, and each prepares whatever a user would prepare once:
inputs and states are in the library's own arrays and layout before the clock starts.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Protocol

from ...kernels import Cell
from ..problem import Problem, Runner

#: By the name that the command line takes.
MODULES = {
    "numpy": "by_hand",
    "torch": "pytorch",
    "onnxruntime": "onnx_runtime",
    "openvino": "open_vino",
    "jax": "jax_jit",
    "keras": "keras_layers",
}


class Peer(Protocol):
    """What each module of `MODULES` offers."""

    NEEDS: tuple[str, ...]
    WORK: tuple[str, ...]

    def has(self, cell: Cell) -> bool: ...
    def version(self) -> str: ...
    def set_threads(self, n: int) -> None: ...
    def runner(self, p: Problem, threads: int) -> Runner: ...


def load(name: str) -> Peer:
    """The peer of this name; its library is imported when it is first used.

    Raises:
        ValueError: there is none of this name.
        ImportError: a package that it needs is not installed.
    """
    if name not in MODULES:
        raise ValueError(f"peer must be one of {', '.join(MODULES)}, got {name!r}")
    peer: Peer = importlib.import_module(f"{__name__}.{MODULES[name]}")
    missing = [package for package in peer.NEEDS if importlib.util.find_spec(package) is None]
    if missing:
        raise ImportError(f"peer {name!r} is absent: {', '.join(missing)} not installed")
    return peer


def find(names: list[str] | None = None) -> tuple[dict[str, Peer], dict[str, str]]:
    """The peers among `names` (default: all) that are installed, and for each of the others why it is absent."""
    present: dict[str, Peer] = {}
    absent: dict[str, str] = {}
    for name in MODULES if names is None else names:
        try:
            present[name] = load(name)
        except ImportError as error:
            absent[name] = str(error)
    return present, absent
