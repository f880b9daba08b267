"""Many models at once: independent small models of one description, trained together, each with its own data."""

from __future__ import annotations

from .many_models import ManyModels
from .samples import sample_gradients

__all__ = ["ManyModels", "sample_gradients"]
