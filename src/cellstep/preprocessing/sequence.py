"""Sequences of different lengths as one array, as in `keras.preprocessing.sequence`."""

from __future__ import annotations

from ..lookup import absent
from ..utils import pad_sequences

__all__ = ["pad_sequences"]

absent(globals())
