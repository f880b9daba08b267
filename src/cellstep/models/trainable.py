"""Trainer: fit, evaluate and predict."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops, random
from ..callbacks import Callback, CallbackList, History, ProgressLog
from ..layers import nested
from . import data
from .data import Batch, ClassWeight
from .epochs import Arrays, Epochs, Stream
from .fitting import Fitting, warn_short
from .own_steps import OwnSteps
from .stored import read, stored
from .trainer import Logs, plain_logs
from .truncated_bptt import Windows

Callbacks = Callback | Sequence[Callback] | None

#: Rows of a batch where nobody says.
BATCH_SIZE = 32


class Trainer(OwnSteps):
    """A module that can be compiled, trained and evaluated over data of any size. A subclass implements `run`.

    Attributes:
        history: the History of the last fit.
        stop_training: a callback sets it to end fit.
    """

    history: History | None = None
    stop_training = False
    resumed: tuple[Any, Any] | None = None
    _cached_fitting: Fitting | None = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Callbacks = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: ClassWeight | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        *,
        tbptt: tuple[int, int] | None = None,
    ) -> History:
        """Train.

        Args:
            x: (N, ...) inputs; a list or a dictionary for several; a list of arrays of different lengths for one of
                sequences; or an iterable of batches (x, y) or (x, y, sample_weight), or a sequence of them by number;
                neither need know its length.
            y: (N, ...) targets, likewise; None if x makes batches. Datasets of h5py and other arrays in files are read
                batch by batch.
            batch_size: rows in a batch, 32 by default; None if x makes batches.
            epochs: the number of the last epoch.
            verbose: 0 nothing, 1 a bar, 2 one line an epoch; "auto" is 1. A bar needs a terminal and rich; without
                them 1 is 2.
            callbacks: one or several.
            validation_split: this part of the rows, the last ones before shuffling, is kept for validation.
            validation_data: (x, y), (x, y, sample_weight), or an iterable of batches; overrides validation_split.
            shuffle: take the rows in a new random order each epoch; batches of an iterable come as they are, those of
                a sequence by number in random order.
            class_weight: class to weight.
            sample_weight: (N,) or (N, T) weights in the loss; with several outputs for all, or a list or dictionary.
            initial_epoch: epochs that are taken as done.
            steps_per_epoch: batches in an epoch; the next epoch goes on where this one ended. When all are taken, an
                epoch ends short, with a warning, and the next one begins anew.
            validation_steps: batches in a validation, the first ones; a generator goes on.
            validation_batch_size: rows in a batch of it; `batch_size` where None.
            validation_freq: validate each so many epochs, or after these epochs, counted from 1.
            tbptt: (k1, k2) trains by truncated back-propagation through time: every k1 steps of the sequences there is
                a step of the optimizer on the loss of these k1, with gradients through the last k2, k2 >= k1.

        Returns:
            the History.

        Raises:
            RuntimeError: not compiled. ValueError, TypeError: data or an argument that does not fit.

        Example:
            >>> model = Sequential([Input((None, 3)), GRU(16), Dense(1)])
            >>> model.compile("adam", "mse")
            >>> history = model.fit(np.ones((20, 5, 3)), np.ones(20), epochs=5, validation_split=0.1, verbose=0)
            >>> len(history.history["val_loss"])
            5
        """
        self.ready("fit", "train_step")
        learn = self.train_alone if tbptt is None else Windows(self, tbptt).train
        if tbptt is not None and self.overrides("train_step"):
            raise ValueError(
                f"tbptt must be None, as {type(self).__name__}.train_step says what a step is, got {tbptt}"
            )
        epochs = ops.check_count("epochs", epochs)
        initial_epoch = ops.check_natural("initial_epoch", initial_epoch)
        ops.check_bool("shuffle", shuffle)
        if validation_split and validation_data is None:
            if data.is_stream(x):
                raise ValueError("validation_split needs x to be an array, got an iterable of batches")
            (x, y, sample_weight), validation_data = data.split(
                self.given(*map(stored, (x, y, sample_weight))), validation_split
            )
        steps = None if steps_per_epoch is None else ops.check_count("steps_per_epoch", steps_per_epoch)
        source = self._source(x, y, sample_weight, batch_size, steps, shuffle, class_weight)
        validation = None
        if validation_data is not None:
            if self.overrides("evaluate"):
                name = type(self).__name__
                raise NotImplementedError(
                    f"{name}.evaluate would not be called by fit: override test_step(data) instead"
                )
            given = (validation_data,) if data.is_stream(validation_data) else validation_data
            if not isinstance(given, tuple | list):
                raise TypeError(f"validation_data must be a tuple or an iterable, got {type(given).__name__}")
            if not 1 <= len(given) <= 3:
                raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight), got {len(given)} parts")
            size = None if data.is_stream(validation_data) else batch_size
            if validation_batch_size is not None:
                size = ops.check_count("validation_batch_size", validation_batch_size)
            vx, vy, vw = (*given, None, None)[:3]
            steps = None if validation_steps is None else ops.check_count("validation_steps", validation_steps)
            validation = self._source(vx, vy, vw, size, steps)
        due = _schedule(validation_freq)
        hooks = self._callbacks(callbacks, [History()], verbose, epochs, source.steps)
        history: History = hooks.find(History)
        self.history = history
        self.stop_training = False
        before, self._cached_fitting = self._cached_fitting, Fitting(self, source, validation, hooks, learn, due)
        try:
            with self.own_call():
                self._cached_fitting.run(initial_epoch, epochs)
        finally:
            self._cached_fitting, self.resumed = before, None
            hooks.call("close")
        return history

    def training_state(self) -> dict[str, Any]:
        """All that the rest of the current `fit` depends on; for callbacks, which call it in on_train_batch_end or
        on_epoch_end and come last.

        Returns:
            numbers, texts and arrays in lists and dictionaries.

        Raises:
            RuntimeError: there is no fit now.
        """
        if self._cached_fitting is None:
            raise RuntimeError("training_state must be called during fit")
        return self._cached_fitting.state()

    def resume(self, state: Any, source: Any = "state") -> None:
        """Let a `fit` that is about to begin take up the run whose `training_state` this is; for callbacks, which call
        it in on_train_begin. The ValueError of a state that does not fit names `source`."""
        self.resumed = state, source

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callbacks = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics over some data; arguments as in `fit`.

        Returns:
            [loss, metric, ...]; the loss alone if there are no metrics; or a dictionary with `return_dict`.
        """
        self.ready("evaluate", "test_step")
        source = self._source(x, y, sample_weight, batch_size, steps)
        hooks = self._callbacks(callbacks, [], verbose, 1, source.steps)
        try:
            with self.own_call():
                return self.returned(self.evaluate_source(source, hooks), return_dict)
        finally:
            hooks.call("close")

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Callbacks = None,
    ) -> Any:
        """Outputs for inputs x (N, ...), computed in batches of `batch_size`, 32 by default; N may be 0.

        x may be an iterable of batches. For a list of sequences of different lengths, outputs that have their steps are
        such a list too. With verbose="auto" nothing is printed but a bar on a terminal.
        """
        quiet = verbose == "auto" and not sys.stdout.isatty()
        verbose = 0 if quiet else verbose
        plain = verbose == 0 and batch_size is None and steps is None and callbacks is None
        own = self.overrides("predict_step")
        if plain and not own and type(x) is np.ndarray and x.ndim and len(x) <= BATCH_SIZE:
            return self(x)  # what follows costs more than a small batch
        if not data.is_stream(x):
            x = self.given(stored(x)).x
            if not data.rows(x):
                x = nested.change(x, read)
                return self.predicted(x)
        source = self._source(x, None, None, batch_size, steps)
        hooks = self._callbacks(callbacks, [], verbose, 1, source.steps)
        outputs: list[Any] = []
        try:
            hooks.call("on_predict_begin", {})
            for step, made in enumerate(source.epoch()):
                hooks.call("on_predict_batch_begin", step, {})
                outputs.append(self.predicted(made.x))
                hooks.call("on_predict_batch_end", step, {"outputs": outputs[-1]})
            hooks.call("on_predict_end", {})
        finally:
            hooks.call("close")
        if not outputs:
            raise ValueError("x must give at least one batch, got none")
        if source.short:
            warn_short("x", len(outputs), "steps", source.steps)
        return outputs[0] if len(outputs) == 1 else self.joined(outputs)

    def joined(self, outputs: Sequence[Any]) -> Any:
        """The outputs of several batches as those of one; lists of sequences are joined as lists."""
        first = outputs[0]
        own = self.overrides("predict_step") and (isinstance(first, dict | tuple) or data.several(first))
        layout = nested.change(first, lambda _: 0) if own else self.layout(first)
        columns = zip(*[nested.up_to(layout, batch) for batch in outputs], strict=True)
        return nested.pack(layout, [_joined(parts) for parts in columns])

    def evaluate_source(self, source: Epochs, hooks: CallbackList) -> Logs:
        """The logs of an epoch of batches: an evaluation, or the validation in a fit."""
        self.ready("evaluate", "test_step")
        self.reset_metrics()
        logs: Logs = {}
        hooks.call("on_test_begin", {})
        seen = 0
        for made in source.epoch():
            hooks.call("on_test_batch_begin", seen, {})
            logs = plain_logs(self.test(made))
            hooks.call("on_test_batch_end", seen, logs)
            seen += 1
        if not seen:
            once = ", as a generator gives its batches once" if source.source.once else ""
            raise ValueError(f"the data to evaluate on must give at least one batch, got none{once}")
        if source.short:
            warn_short("the data to evaluate on", seen, "steps", source.steps)
        logs = self.over_all(logs)
        hooks.call("on_test_end", logs)
        return logs

    def over_all(self, logs: Logs) -> Logs:
        """The logs of an epoch, from those of its last step: the values of the metrics, where those are what the step
        gave, else as they are, as in Keras; also where a step of the model's own gave a loss and told no metric."""
        found = plain_logs(self.get_metrics_result())
        idle = self._compiled is None or ("loss" in found and self._compiled.idle and not self.overrides("metrics"))
        return found if found.keys() == logs.keys() and not idle else logs

    def _source(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        batch_size: int | None,
        steps: int | None,
        shuffle: bool = False,
        class_weight: ClassWeight | None = None,
    ) -> Epochs:
        steps = None if steps is None else ops.check_count("steps", steps)
        weigh = None if class_weight is None else self.weigher(class_weight)
        if data.is_stream(x):
            for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
                if value is not None:
                    got = f"one where x is a {type(x).__name__}"
                    raise ValueError(f"{name} must be None where x makes batches, got {got}")

            def make(*parts: Any) -> Batch:
                made = self.given(*parts)
                return made if weigh is None else weigh(made)

            return Epochs(Stream(x, make, random.generator() if shuffle else None), steps)
        whole = self.given(*map(stored, (x, y, sample_weight)))
        if weigh is not None:
            whole = weigh(whole)
        if batch_size is None:
            batch_size = -(-data.rows(whole.x) // steps) if steps else BATCH_SIZE
        size = ops.check_count("batch_size", batch_size)
        return Epochs(Arrays(whole, size, random.generator() if shuffle else None), steps)

    def _callbacks(
        self, callbacks: Callbacks, extra: Sequence[Callback], verbose: str | int, epochs: int, steps: int | None
    ) -> CallbackList:
        if not isinstance(verbose, str | int) or verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {ops.shown(verbose)}")
        shown = [ProgressLog(1 if verbose == "auto" else int(verbose))] if verbose else []
        return CallbackList(callbacks, [*extra, *shown], self, {"verbose": verbose, "epochs": epochs, "steps": steps})


def _joined(parts: Sequence[Any]) -> Any:
    """Batches of one output as one array, or as one list of sequences."""
    if any(isinstance(part, list) for part in parts):
        return [row for part in parts for row in part]
    if len({np.shape(part)[1:] for part in parts}) > 1:
        shapes = sorted({np.shape(part) for part in parts})
        raise ValueError(
            f"expected outputs of one shape from every batch, got {shapes[0]} and {shapes[-1]}: the model loses the "
            "lengths of its sequences on the way"
        )
    return np.concatenate(parts)


def _schedule(freq: int | Sequence[int]) -> Any:
    """A function that says whether to validate after an epoch, counted from 1."""
    if isinstance(freq, list | tuple | set | range):
        return set(freq).__contains__
    every = ops.check_count("validation_freq", freq)
    return lambda epoch: epoch % every == 0
