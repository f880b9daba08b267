"""Models as ONNX: the layers that can be written, in files by what they do."""

from . import elementwise, operations, recurrent, standard
from .saving import to_onnx

__all__ = ["elementwise", "operations", "recurrent", "standard", "to_onnx"]
