"""Models: layers put together, and their training."""

from __future__ import annotations

from .sequential import Sequential
from .training import Trainer

__all__ = ["Sequential", "Trainer"]
