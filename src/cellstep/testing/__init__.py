"""Checks of what users write: gradients against central differences."""

from __future__ import annotations

from ..exports import public
from .cells import check_cell
from .gradients import check_gradients

__all__ = ["check_cell", "check_gradients"]

__dir__ = public(globals())
