"""Bridges: models and weights of other frameworks, into cellstep and back.

    from cellstep import bridges

    model = bridges.from_torch(module)
    bridges.to_torch(model)

A framework is imported when a function that needs it is called. Files may come from anyone: see `cellstep.untrusted`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exports import lazy

__all__ = [
    "FileError",
    "convert",
    "from_keras",
    "from_onnx",
    "from_torch",
    "inspect",
    "onnx_backend",
    "to_keras",
    "to_onnx",
    "to_torch",
]

if TYPE_CHECKING:
    from ..untrusted import FileError
    from .conversion import convert
    from .inspection import inspect
    from .keras import from_keras, to_keras
    from .onnx import backend as onnx_backend
    from .onnx import from_onnx, to_onnx
    from .pytorch.models import from_torch, to_torch

lazy(
    globals(),
    {
        "..untrusted": "FileError",
        ".conversion": "convert",
        ".inspection": "inspect",
        ".keras": "from_keras, to_keras",
        ".onnx": "from_onnx, to_onnx, backend as onnx_backend",
        ".pytorch.models": "from_torch, to_torch",
    },
)
