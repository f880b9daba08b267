"""ONNX files: models from them, and models as ONNX."""

from . import backend
from .export import to_onnx
from .loading import from_onnx

__all__ = ["backend", "from_onnx", "to_onnx"]
