"""Callbacks of fit, evaluate and predict, as in `keras.callbacks`."""

from __future__ import annotations

from .base import Callback, CallbackList
from .early_stopping import EarlyStopping
from .history import History
from .progress import ProgressLog

__all__ = ["Callback", "CallbackList", "EarlyStopping", "History", "ProgressLog"]
