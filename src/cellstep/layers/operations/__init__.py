"""Operations: functions of tensors, and of arrays, with their gradients, under Keras's names."""

from __future__ import annotations

from ..sizes import Size, shape
from .encoding import Slot, decoded, encoded
from .operation import Operation, apply, called
from .table import OPERATIONS, Kind

__all__ = [
    "OPERATIONS",
    "Kind",
    "Operation",
    "Size",
    "Slot",
    "apply",
    "called",
    "decoded",
    "encoded",
    "shape",
]
