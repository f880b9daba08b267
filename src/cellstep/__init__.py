"""Fast recurrent cells for CPUs: SimpleRNN, LSTM and GRU, forward and backward in compiled kernels.

    import cellstep
    from cellstep import layers

    model = cellstep.Sequential([layers.GRU(32), layers.Dense(1)])

Names are imported when they are first used, so `import cellstep` itself costs next to nothing.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Where each public name lives: a module, or a name in a module.
_PLACES = {
    "activations": ".activations",
    "backend": ".backend",
    "callbacks": ".callbacks",
    "constraints": ".constraints",
    "initializers": ".initializers",
    "kernels": ".kernels",
    "lab": ".lab",
    "layers": ".layers",
    "losses": ".losses",
    "math": ".math",
    "metrics": ".metrics",
    "models": ".models",
    "optimizers": ".optimizers",
    "regularizers": ".regularizers",
    "sampling": ".sampling",
    "saving": ".saving",
    "utils": ".utils",
    "Initializer": ".initializers:Initializer",
    "Input": ".layers:Input",
    "Layer": ".layers:Layer",
    "Loss": ".losses:Loss",
    "Metric": ".metrics:Metric",
    "Model": ".models:Model",
    "Optimizer": ".optimizers:Optimizer",
    "Regularizer": ".regularizers:Regularizer",
    "Sequential": ".models:Sequential",
    "Variable": ".layers:Variable",
    "get_num_threads": ".config:get_num_threads",
    "set_num_threads": ".config:set_num_threads",
    "set_random_seed": ".random:set_random_seed",
    "show_config": ".config:show_config",
    "use_backend": ".kernels:use",
}

__all__ = [
    "Initializer",
    "Input",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "get_num_threads",
    "initializers",
    "kernels",
    "lab",
    "layers",
    "losses",
    "math",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "sampling",
    "saving",
    "set_num_threads",
    "set_random_seed",
    "show_config",
    "use_backend",
    "utils",
]

if TYPE_CHECKING:
    from . import (
        activations,
        backend,
        callbacks,
        constraints,
        initializers,
        kernels,
        lab,
        layers,
        losses,
        math,
        metrics,
        models,
        optimizers,
        regularizers,
        sampling,
        saving,
        utils,
    )
    from .config import get_num_threads, set_num_threads, show_config
    from .initializers import Initializer
    from .kernels import use as use_backend
    from .layers import Input, Layer, Variable
    from .losses import Loss
    from .metrics import Metric
    from .models import Model, Sequential
    from .optimizers import Optimizer
    from .random import set_random_seed
    from .regularizers import Regularizer


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'cellstep' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    value: Any = importlib.import_module(module, __name__)
    if attribute:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _load_openmp() -> None:
    """Load the library of the compiled kernels that brings OpenMP, and nothing else.

    A block of threadpoolctl limits what is loaded when it begins, which may be before the kernels are used.
    """
    folder = [os.path.join(place, "kernels", "cython") for place in __path__]
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = None if find is None else find(f"{__name__}.kernels.cython.tiles", folder)
        if spec is not None and spec.origin is not None and sys.platform != "win32":
            from _ctypes import dlopen

            with suppress(OSError):  # raised again, with its reason, when the kernels are imported
                dlopen(spec.origin, os.RTLD_NOW)
            return


_load_openmp()
