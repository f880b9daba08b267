"""Operations: functions of tensors, and of arrays, with their gradients, under Keras's names."""

from __future__ import annotations

from .operation import Operation, Slot, apply, apply_named, decoded, encoded, leaves, replaced
from .table import OPERATIONS, Kind

__all__ = [
    "OPERATIONS",
    "Kind",
    "Operation",
    "Slot",
    "apply",
    "apply_named",
    "decoded",
    "encoded",
    "leaves",
    "replaced",
]
