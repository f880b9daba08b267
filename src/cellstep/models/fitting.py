"""Fitting: one call of `fit`: its epochs, and its whole state, which another call can take up."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import core
from ..callbacks import CallbackList, History
from ..callbacks.base import checked
from ..configured import levels_to_user
from ..layers.structure import structure
from ..untrusted import FileError, said
from . import data, model_state
from .data import Batch
from .epochs import Epochs, epochs_of
from .evaluation import evaluate, warn_short
from .logs import Logs, plain_logs
from .trainer import Trainer
from .truncated_bptt import TruncatedBPTT


class Fitting:
    """The epochs of a fit.

    Args:
        trainer: of a compiled model.
        source, validation: the batches; `validation` is None where there is none.
        hooks: the callbacks.
        windows: trains on batches by truncated backpropagation through time; None where that is not asked for.
        due: whether to validate after an epoch, counted from 1.

    Attributes:
        epoch: the one that is trained now, or comes next, from 0. epochs: how many there are.
        seen: its batches so far; None between epochs.
        logs: of the last batch, or at the end of an epoch of all.
    """

    def __init__(
        self,
        trainer: Trainer,
        source: Epochs,
        validation: Epochs | None,
        hooks: CallbackList,
        windows: TruncatedBPTT | None,
        due: Callable[[int], bool],
    ) -> None:
        self.trainer, self.model = trainer, trainer.model
        self.source, self.validation, self.hooks = source, validation, hooks
        self.windows, self.due = windows, due
        self.epoch = self.epochs = 0
        self.seen: int | None = None
        self.logs: Logs = {}
        self._stopped = False

    def fit(self, first: int, epochs: int) -> History:
        """Train from epoch `first` on, or from where `resume` says, until `epochs` are done."""
        trainer, model, hooks = self.trainer, self.model, self.hooks
        history: History = hooks.find(History)
        model.history, model.stop_training = history, False
        before, trainer.fitting = trainer.fitting, self
        try:
            with trainer.own_call():
                self.epoch, self.epochs = first, epochs
                hooks.call("on_train_begin", {})
                resumed, trainer.resumed = trainer.resumed, None
                if resumed is not None:
                    self._restore(*resumed)
                while self.epoch < epochs and not self._stopped:
                    if self.seen is None:
                        model.reset_metrics()
                        hooks.call("on_epoch_begin", self.epoch, {})
                        self.seen = 0
                    if not self._epoch(self.epoch, self.seen):
                        break
                model.optimizer.finalize_variable_values(model.trainable_weights)
                hooks.call("on_train_end", self.logs)
        finally:
            trainer.fitting, trainer.resumed = before, None
            hooks.call("close")
        return history

    def _epoch(self, epoch: int, seen: int) -> bool:
        """The rest of an epoch; False where there was no batch in it."""
        model, trainer, source, hooks = self.model, self.trainer, self.source, self.hooks
        before, logs = seen, None
        begin, end = hooks.implementing("on_train_batch_begin"), hooks.implementing("on_train_batch_end")
        trainer.forget_plan()
        version = -1
        if not self._stopped:
            with source.cheap_blocks(begin or end):
                for batch in source.epoch(seen):
                    for call in begin:
                        call(seen, {})
                    if version != structure.version:
                        version, learn = structure.watch((model,)), self._step()
                    logs = learn(batch)
                    self.seen = seen = seen + 1
                    if end:
                        self.logs = plain_logs(trainer.logs(logs))
                        for call in end:
                            call(seen - 1, dict(self.logs))
                    if model.stop_training:
                        break
            if seen > before:
                self.logs = plain_logs(trainer.logs(logs))
            if source.over:
                self._ran_dry(seen)
            elif source.short:
                warn_short("x", seen, "steps_per_epoch", source.steps)
        if not seen:
            return False
        logs = trainer.over_all(self.logs) if seen > before else self.logs
        if self.validation is not None and self.due(epoch + 1):
            self.validation.rewind()
            values = evaluate(trainer, self.validation, hooks)
            logs = plain_logs(logs | {f"val_{name}": value for name, value in values.items()})
        self.epoch, self.seen, self.logs = epoch + 1, None, logs
        hooks.call("on_epoch_end", epoch, logs)
        self._stopped = model.stop_training
        return True

    def _step(self) -> Callable[[Batch], Logs | None]:
        """What is done with a batch."""
        if self.windows is not None:
            return self.windows.train
        return self.trainer.own_step("train_step") or self.trainer.train

    def _ran_dry(self, seen: int) -> None:
        """Stop training, with a warning; an error if nothing came at all."""
        model = self.model
        if not seen and not (model.history and model.history.epoch):
            raise ValueError("x must give at least one batch, got none")
        warnings.warn(
            f"x ran out of batches in epoch {self.epoch + 1}, so training ends; "
            "give an iterable that can be iterated again, or one that never ends with steps_per_epoch",
            stacklevel=levels_to_user(),
        )
        model.stop_training = True

    def state(self) -> dict[str, Any]:
        """All that the rest of this run depends on, for `resume`: numbers, texts, arrays, lists, dictionaries.

        To be asked for in on_train_batch_end or on_epoch_end, after the other callbacks.
        """
        return {
            "epoch": self.epoch,
            "seen": self.seen,
            "logs": self.logs if self.seen is None else self.trainer.over_all(self.logs),
            "source": self.source.place(),
            "validation": None if self.validation is None else self.validation.place(),
            "callbacks": [[type(c).__name__, c.get_state()] for c in self.hooks.callbacks],
            **model_state.state(self.model),
        }

    def _restore(self, state: Any, path: Any) -> None:
        """Check all of a state, then take it over; before that, begin the epoch again that was cut."""
        try:
            saved = self._checked(state)
        except (TypeError, ValueError) as error:
            raise FileError(str(path), "", f"must hold a state of this training, got another: {said(error)}") from None
        self.epoch, self.seen, self.logs = saved["epoch"], saved["seen"], saved["logs"]
        if self.seen is not None:
            self.model.reset_metrics()
            self.hooks.call("on_epoch_begin", self.epoch, {})
        self.source.go_to(saved["source"])
        if self.validation is not None:
            self.validation.go_to(saved["validation"])
        for callback, kept in saved["callbacks"]:
            callback.set_state(kept)
        model_state.take_over(self.model, saved, metrics=bool(self.seen))
        self._stopped = self.model.stop_training

    def _checked(self, state: Any) -> dict[str, Any]:
        def place(source: Epochs | None) -> Callable[[str, Any], Any]:
            def check(name: str, value: Any) -> Any:
                if (source is None) != (value is None):
                    raise ValueError(f"{name} must be given in both runs or in none")
                if source is not None:
                    source.check(value)
                return value

            return check

        return checked(
            state,
            epoch=lambda name, value: model_state.count(name, value, self.epochs),
            seen=lambda name, value: None if value is None else model_state.count(name, value),
            logs=model_state.dictionary,
            source=place(self.source),
            validation=place(self.validation),
            callbacks=self._check_callbacks,
            **model_state.checks(self.model),
        )

    def _check_callbacks(self, name: str, value: Any) -> list[tuple[Any, Any]]:
        """The callbacks of this run with their states, found by class and order; others begin anew."""
        states, left = [], list(self.hooks.callbacks)
        for entry in model_state.entries(name, value):
            kind, state = model_state.entries(name, entry, 2)
            callback = next((c for c in left if type(c).__name__ == kind), None)
            if callback is not None:
                left.remove(callback)
                states.append((callback, callback.check_state(state)))
        return states


def validation_of(
    trainer: Trainer, value: Any, batch_size: int | None, validation_batch_size: int | None, steps: int | None
) -> Epochs | None:
    """The batches of `validation_data`.

    Raises:
        NotImplementedError: the model has an `evaluate` of its own. TypeError, ValueError: the data do not fit.
    """
    if value is None:
        return None
    if trainer.overrides("evaluate"):
        name = type(trainer.model).__name__
        raise NotImplementedError(f"{name}.evaluate would not be called by fit: override test_step(data) instead")
    parts = (value,) if data.is_stream(value) else value
    if not isinstance(parts, tuple | list):
        raise TypeError(f"validation_data must be a tuple or an iterable, got {type(parts).__name__}")
    if not 1 <= len(parts) <= 3 and not isinstance(parts, Batch):
        raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight), got {len(parts)} parts")
    size = None if data.is_stream(value) else batch_size
    if validation_batch_size is not None:
        size = core.check_count("validation_batch_size", validation_batch_size)
    x, y, sample_weight, resets = (*parts, None, None, None)[:4]
    steps = None if steps is None else core.check_count("validation_steps", steps)
    return epochs_of(trainer, x, y, sample_weight, size, steps, resets=resets)


def validated_after(freq: int | Sequence[int]) -> Callable[[int], bool]:
    """A function that says whether to validate after an epoch, counted from 1."""
    if isinstance(freq, list | tuple | set | range):
        return set(freq).__contains__
    every = core.check_count("validation_freq", freq)
    return lambda epoch: epoch % every == 0
