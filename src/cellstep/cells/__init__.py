"""Cells written as their equations: the base of those of your own, and known variants."""

from __future__ import annotations

from ..exports import public
from .cell import Cell

__all__ = ["Cell"]

__dir__ = public(globals())
