"""Callbacks that write the logs down, and small ones: CSVLogger, TensorBoard, TerminateOnNaN, LambdaCallback."""

from __future__ import annotations

import csv
import importlib
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import check_bool, check_natural, check_path
from ..log import info
from .base import Callback, Logs


def _size_or_none(name: str, value: Any) -> int | None:
    return None if value is None else check_natural(name, value)


def _texts_or_none(name: str, value: Any) -> list[str] | None:
    if value is not None and not (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        raise TypeError(f"{name} must be a list of names or None, got {value!r}")
    return value


class CSVLogger(Callback):
    """Writes a line an epoch: the epoch, from 0, and the logs sorted by name.

    Args:
        filename: the file. separator: between entries. append: go on with a file that is there.

    An array among the logs is one entry, in brackets. The first epoch decides which columns there are, with a `val_`
    for each where it was not validated; what a later epoch lacks is NA.
    """

    _state_checks = {"written": _size_or_none, "columns": _texts_or_none}

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = check_path("filename", filename), separator, append
        self._file: Any = None
        self._writer: Any = None
        self._written: int | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self.close()
        size = self.filename.stat().st_size if self.filename.exists() else 0
        self._written = size if self.append else None  # None: the file begins anew

    def get_state(self) -> dict[str, Any]:
        """The size of the file: what a run that was cut wrote after its backup is taken away."""
        return {"written": self._written, "columns": None if self._writer is None else list(self._writer.fieldnames)}

    def set_state(self, state: dict[str, Any]) -> None:
        self._written, columns = state["written"], state["columns"]
        if self._written is not None and self.filename.exists():
            os.truncate(self.filename, min(self._written, self.filename.stat().st_size))
            if columns is not None:
                self._begin("a", columns)

    def _begin(self, mode: str, columns: list[str]) -> Any:
        self._file = self.filename.open(mode, newline="", encoding="utf-8")
        self._writer = csv.DictWriter(
            self._file, columns, restval="NA", extrasaction="ignore", delimiter=self.separator
        )
        return self._writer

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        if self._writer is None:
            keys = sorted(logs)
            if not any(key.startswith("val_") for key in keys):
                keys += [f"val_{key}" for key in keys]
            header = not (self.append and self.filename.exists() and self.filename.stat().st_size)
            writer = self._begin("a" if self.append else "w", ["epoch", *keys])
            if header:
                writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{name: _cell(value) for name, value in logs.items()}})
        self._file.flush()
        self._written = os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None


def _cell(value: Any) -> Any:
    """A number as it is; an array as Keras writes it, in brackets and quotes."""
    return value if np.ndim(value) == 0 else f'"[{", ".join(map(str, value))}]"'


class TerminateOnNaN(Callback):
    """Ends training after a batch whose loss is NaN or infinite.

    Args:
        raise_error: end it by a RuntimeError.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = check_bool("raise_error", raise_error)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            if self.raise_error:
                raise RuntimeError(f"loss must be finite, got {loss} in batch {batch}")
            print(f"Batch {batch}: the loss is {loss}, training ends")
            info(__name__, "batch %d: the loss is %s, training ends", batch, loss)
            self.model.stop_training = True


class LambdaCallback(Callback):
    """Calls functions at hooks; names and arguments are those of `Callback`.

    Example:
        >>> losses = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        for name, function in hooks.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise TypeError(
                    f"LambdaCallback takes no argument {name!r}, but hooks of Callback such as on_epoch_end"
                )
            if function is not None:
                if not callable(function):
                    raise TypeError(f"{name} must be a function, got {function!r}")
                setattr(self, name, function)


class TensorBoard(Callback):
    """Writes the logs for TensorBoard: `epoch_loss` and the like under train/ and validation/ in `log_dir`.

    Args:
        log_dir: the directory.
        update_freq: "epoch", or also `batch_loss` and the like each so many batches; "batch" is 1.
        write_graph: taken for Keras's sake; there is no graph to write.
        histogram_freq, write_images, write_steps_per_second, profile_batch, embeddings_freq, embeddings_metadata: not
            built.

    Raises:
        ImportError: when training begins and neither tensorboardX nor PyTorch with tensorboard is installed.
    """

    _state_checks = {"batches": check_natural}
    _WRITERS = ("tensorboardX", "torch.utils.tensorboard")

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        asked = {"histogram_freq": histogram_freq, "write_images": write_images, "profile_batch": profile_batch}
        asked |= {"write_steps_per_second": write_steps_per_second, "embeddings_freq": embeddings_freq}
        if embeddings_metadata is not None:
            raise NotImplementedError(f"embeddings_metadata is not built; expected None, got {embeddings_metadata!r}")
        for name, value in asked.items():
            if value:
                raise NotImplementedError(f"{name} is not built; expected {type(value)()!r}, got {value!r}")
        every = {"epoch": 0, "batch": 1}.get(update_freq, update_freq) if isinstance(update_freq, str) else update_freq
        if not isinstance(every, int):
            raise ValueError(f"update_freq must be 'epoch', 'batch' or a number of batches, got {update_freq!r}")
        self.log_dir, self._every, self.batches = check_path("log_dir", log_dir), every, 0
        self._open: dict[str, Any] = {}

    def _writer(self, kind: str) -> Any:
        if kind not in self._open:
            self._open[kind] = self._find()(os.fspath(self.log_dir / kind))
        return self._open[kind]

    def _find(self) -> Any:
        for module in self._WRITERS:
            try:
                return importlib.import_module(module).SummaryWriter
            except ModuleNotFoundError:
                continue
        raise ImportError("TensorBoard needs a writer: pip install 'cellstep[tensorboard]'")

    def on_train_begin(self, logs: Logs = None) -> None:
        self.batches = 0
        self._find()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.batches += 1
        if self._every and self.batches % self._every == 0:
            for name, value in (logs or {}).items():
                self._add("train", f"batch_{name}", value, self.batches)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        for name, value in (logs or {}).items():
            kind = "validation" if name.startswith("val_") else "train"
            self._add(kind, f"epoch_{name.removeprefix('val_')}", value, epoch)

    def _add(self, kind: str, name: str, value: Any, step: int) -> None:
        """Write a number, or each of an array: `epoch_f1_score/0` and so on."""
        for place in np.ndindex(np.shape(value)):
            entry = "".join(f"/{i}" for i in place)
            self._writer(kind).add_scalar(name + entry, float(np.asarray(value)[place]), step)

    def close(self) -> None:
        for writer in self._open.values():
            writer.close()
        self._open = {}
