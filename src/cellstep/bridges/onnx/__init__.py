"""ONNX files: models from them, and models as ONNX."""

from . import backend
from .loading import from_onnx

__all__ = ["backend", "from_onnx"]
