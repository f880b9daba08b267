"""Fitting: one call of `fit`: its epochs, and its whole state, which another call can take up."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..callbacks import CallbackList
from ..callbacks.base import checked
from . import model_state
from .data import Batch
from .epochs import Epochs
from .trainer import Logs, plain_logs


class Fitting:
    """The epochs of a fit.

    Args:
        model: compiled.
        source, validation: the batches; `validation` is None where there is none.
        hooks: the callbacks.
        learn: what is done with a batch; it gives the logs.
        due: whether to validate after an epoch, counted from 1.

    Attributes:
        epoch: the one that is trained now, or comes next, from 0. epochs: how many there are.
        seen: its batches so far; None between epochs.
        logs: of the last batch, or at the end of an epoch of all.
    """

    def __init__(
        self,
        model: Any,
        source: Epochs,
        validation: Epochs | None,
        hooks: CallbackList,
        learn: Callable[[Batch], Logs],
        due: Callable[[int], bool],
    ) -> None:
        self.model, self.source, self.validation, self.hooks = model, source, validation, hooks
        self.learn, self.due = learn, due
        self.epoch = self.epochs = 0
        self.seen: int | None = None
        self.logs: Logs = {}
        self._stopped = False

    def run(self, first: int, epochs: int) -> None:
        """Train from epoch `first` on, or from where `Trainer.resume` says, until `epochs` are done."""
        model, hooks = self.model, self.hooks
        self.epoch, self.epochs = first, epochs
        hooks.call("on_train_begin", {})
        resumed = model.resumed
        model.resumed = None
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

    def _epoch(self, epoch: int, seen: int) -> bool:
        """The rest of an epoch; False where there was no batch in it."""
        model, source, hooks = self.model, self.source, self.hooks
        before = seen
        if not self._stopped:
            for made in source.epoch(seen):
                hooks.call("on_train_batch_begin", seen, {})
                self.logs = plain_logs(self.learn(made))
                seen += 1
                self.seen = seen
                hooks.call("on_train_batch_end", seen - 1, dict(self.logs))
                if model.stop_training:
                    break
            if source.over:
                self._ran_dry(seen)
            elif source.short:
                warn_short("x", seen, "steps_per_epoch", source.steps)
        if not seen:
            return False
        logs = model.over_all(self.logs) if seen > before else self.logs
        if self.validation is not None and self.due(epoch + 1):
            self.validation.rewind()
            logs = plain_logs(logs | {f"val_{k}": v for k, v in model.evaluate_source(self.validation, hooks).items()})
        self.epoch, self.seen, self.logs = epoch + 1, None, logs
        hooks.call("on_epoch_end", epoch, logs)
        self._stopped = model.stop_training
        return True

    def _ran_dry(self, seen: int) -> None:
        """Stop training, with a warning; an error if nothing came at all."""
        model = self.model
        if not seen and not (model.history and model.history.epoch):
            raise ValueError("x must give at least one batch, got none")
        warnings.warn(
            f"x ran out of batches in epoch {self.epoch + 1}, so training ends; "
            "give an iterable that can be iterated again, or one that never ends with steps_per_epoch",
            stacklevel=5,
        )
        model.stop_training = True

    def state(self) -> dict[str, Any]:
        """All that the rest of this run depends on, for `Trainer.resume`: numbers, texts, arrays, lists, dictionaries.

        To be asked for in on_train_batch_end or on_epoch_end, after the other callbacks.
        """
        return {
            "epoch": self.epoch,
            "seen": self.seen,
            "logs": self.logs if self.seen is None else self.model.over_all(self.logs),
            "source": self.source.place(),
            "validation": None if self.validation is None else self.validation.place(),
            "callbacks": [[type(c).__name__, c.get_state()] for c in self.hooks.callbacks],
            **model_state.state(self.model),
        }

    def _restore(self, state: Any, path: Any) -> None:
        """Check all of a state, then take it over; before that, begin the epoch again that was cut."""
        try:
            found = self._checked(state)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} must hold a state of this training, got another: {error}") from None
        self.epoch, self.seen, self.logs = found["epoch"], found["seen"], found["logs"]
        if self.seen is not None:
            self.model.reset_metrics()
            self.hooks.call("on_epoch_begin", self.epoch, {})
        self.source.go_to(found["source"])
        if self.validation is not None:
            self.validation.go_to(found["validation"])
        for callback, kept in found["callbacks"]:
            callback.set_state(kept)
        model_state.take_over(self.model, found, metrics=bool(self.seen))
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
        found, left = [], list(self.hooks.callbacks)
        for entry in model_state.entries(name, value):
            kind, state = model_state.entries(name, entry, 2)
            callback = next((c for c in left if type(c).__name__ == kind), None)
            if callback is not None:
                left.remove(callback)
                found.append((callback, callback.check_state(state)))
        return found


def warn_short(what: str, seen: int, name: str, steps: int | None) -> None:
    warnings.warn(f"{what} ran out of batches after {seen} of {name}={steps}", stacklevel=5)
