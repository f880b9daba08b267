"""Preprocessing, as in `keras.preprocessing`: what `utils` has, where older scripts look for it."""

from __future__ import annotations

from ..lookup import absent
from ..utils import timeseries_dataset_from_array
from . import sequence

__all__ = ["sequence", "timeseries_dataset_from_array"]

absent(globals())
