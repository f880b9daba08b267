"""Fast recurrent cells for CPUs: SimpleRNN, LSTM and GRU, forward and backward in compiled kernels.

    import cellstep
    from cellstep import layers

    model = cellstep.Sequential([layers.GRU(32), layers.Dense(1)])

Names are imported when they are first used, so `import cellstep` itself costs next to nothing.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from .exports import lazy

__version__ = "0.1.0"

__all__ = [
    "Cell",
    "Initializer",
    "Input",
    "Layer",
    "Loss",
    "ManyModels",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "bridges",
    "callbacks",
    "capi",
    "cells",
    "config",
    "constraints",
    "datasets",
    "functional",
    "get_include",
    "get_num_threads",
    "initializers",
    "kernels",
    "lab",
    "layers",
    "losses",
    "math",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "sampling",
    "saving",
    "set_num_threads",
    "set_random_seed",
    "show_config",
    "testing",
    "use_backend",
    "utils",
]

if TYPE_CHECKING:
    from . import (
        activations,
        backend,
        bridges,
        callbacks,
        capi,
        cells,
        config,
        constraints,
        datasets,
        functional,
        initializers,
        kernels,
        lab,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        sampling,
        saving,
        testing,
        utils,
    )
    from . import ops as math
    from .capi import get_include
    from .cells import Cell
    from .config import get_num_threads, set_num_threads, show_config
    from .initializers import Initializer
    from .kernels import use as use_backend
    from .layers import Input, Layer, Variable
    from .losses import Loss
    from .metrics import Metric
    from .models import ManyModels, Model, Sequential
    from .optimizers import Optimizer
    from .regularizers import Regularizer
    from .seeds import set_random_seed

lazy(
    globals(),
    {
        ".": "ops as math",
        ".capi": "get_include",
        ".cells": "Cell",
        ".config": "get_num_threads, set_num_threads, show_config",
        ".initializers": "Initializer",
        ".kernels": "use as use_backend",
        ".layers": "Input, Layer, Variable",
        ".losses": "Loss",
        ".metrics": "Metric",
        ".models": "ManyModels, Model, Sequential",
        ".optimizers": "Optimizer",
        ".seeds": "set_random_seed",
        ".regularizers": "Regularizer",
    },
    extras="keras sklearn torch",
)


def _load_threads() -> None:
    """Load the library of the compiled kernels, and nothing else, and tell threadpoolctl about its threads.

    A block of threadpoolctl limits what is loaded when it begins, which may be before the kernels are used.
    """
    if importlib.util.find_spec("threadpoolctl") is None:
        return
    folder = [os.path.join(place, "kernels", "cython") for place in __path__]
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = None if find is None else find(f"{__name__}.kernels.cython.compiled", folder)
        if spec is not None and spec.origin is not None and sys.platform != "win32":
            from _ctypes import dlopen

            with suppress(OSError):  # raised again, with its reason, when the kernels are imported
                dlopen(spec.origin, os.RTLD_NOW)
                importlib.import_module(".thread_limits", __name__).register()
            return


_load_threads()
