"""Callbacks of fit, evaluate and predict, as in `keras.callbacks`."""

from __future__ import annotations

from ..exports import public
from .averages import SwapEMAWeights
from .backup import BackupAndRestore
from .base import Callback, CallbackList
from .checkpoints import ModelCheckpoint
from .early_stopping import EarlyStopping
from .history import History
from .progress import ProgressLog
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .records import CSVLogger, LambdaCallback, TensorBoard, TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressLog",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

__dir__ = public(globals())
