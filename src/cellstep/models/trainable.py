"""Trainable: the methods of a model by which it is trained, evaluated and asked for predictions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..callbacks import History
from ..configured import hook
from ..layers import nested
from . import data, evaluation, own_steps
from .class_weights import weigher
from .compilable import Compilable
from .data import ClassWeight
from .epochs import BATCH_SIZE, epochs_of
from .evaluation import Callbacks
from .fitting import Fitting, validated_after, validation_of
from .logs import Logs
from .own_steps import unpack_x_y_sample_weight
from .plan import call_plan
from .stored import read, stored
from .truncated_bptt import TruncatedBPTT


class Trainable(Compilable):
    """A layer that can be trained and evaluated over data of any size; its trainer does it.

    Attributes:
        history: the History of the last fit.
        stop_training, stop_evaluating, stop_predicting: a callback sets one to end fit, evaluate or predict.
    """

    history: History | None = None
    stop_training = stop_evaluating = stop_predicting = False
    _uncalled: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("make_train_function", "train_function"), "override train_step(data)"),
        **dict.fromkeys(("make_test_function", "test_function"), "override test_step(data)"),
        **dict.fromkeys(("make_predict_function", "predict_function"), "override predict_step(data)"),
        "compute_loss_and_updates": "override train_step(data), or compute_loss",
        "stateless_compute_loss": "override compute_loss",
    }

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
        resets: Any = None,
    ) -> History:
        """Train.

        Args:
            x: (N, ...) inputs; a list or a dictionary for several; a list of arrays of different lengths for one of
                sequences; or an iterable of batches (x, y) or (x, y, sample_weight), or a sequence of them by index;
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
                a sequence by index in random order.
            class_weight: class to weight.
            sample_weight: (N,) or (N, T) weights in the loss; with several outputs for all, or a list or dictionary.
            initial_epoch: epochs that are taken as done.
            steps_per_epoch: batches in an epoch; the next epoch continues where this one ended. When all are taken, an
                epoch ends short, with a warning, and the next one begins anew.
            validation_steps: batches in a validation, the first ones; a generator continues.
            validation_batch_size: rows in a batch of it; `batch_size` where None.
            validation_freq: validate each so many epochs, or after these epochs, counted from 1.
            tbptt: (k1, k2) trains by truncated back-propagation through time: every k1 steps of the sequences there is
                a step of the optimizer on the loss of these k1, with gradients through the last k2, k2 >= k1.
            resets: (N, T) booleans, True where a row begins anew, as an episode: before that step the states of every
                recurrent layer are zero, and no gradient crosses. They all run over the same T steps.

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
        trainer = self._trainer
        trainer.ready("fit", "train_step")
        windows = None if tbptt is None else TruncatedBPTT(trainer, tbptt)
        if tbptt is not None and trainer.overrides("train_step"):
            raise ValueError(
                f"tbptt must be None, as {type(self).__name__}.train_step says what a step is, got {tbptt}"
            )
        epochs = core.check_count("epochs", epochs)
        initial_epoch = core.check_natural("initial_epoch", initial_epoch)
        core.check_bool("shuffle", shuffle)
        if validation_split and validation_data is None:
            if data.is_stream(x):
                raise ValueError("validation_split needs x to be an array, got an iterable of batches")
            (x, y, sample_weight, resets), validation_data = data.split(
                trainer.batch(*map(stored, (x, y, sample_weight, resets))), validation_split
            )
        steps = None if steps_per_epoch is None else core.check_count("steps_per_epoch", steps_per_epoch)
        source = epochs_of(trainer, x, y, sample_weight, batch_size, steps, shuffle, class_weight, resets)
        validation = validation_of(trainer, validation_data, batch_size, validation_batch_size, validation_steps)
        due = validated_after(validation_freq)
        hooks = evaluation.hooks_of(self, callbacks, [History()], verbose, epochs, source.steps)
        return Fitting(trainer, source, validation, hooks, windows, due).fit(initial_epoch, epochs)

    def training_state(self) -> dict[str, Any]:
        """All that the rest of the current `fit` depends on; for callbacks, which call it in on_train_batch_end or
        on_epoch_end and come last.

        Returns:
            numbers, texts and arrays in lists and dictionaries.

        Raises:
            RuntimeError: there is no fit now.
        """
        if self._trainer.fitting is None:
            raise RuntimeError("training_state must be called during fit")
        return self._trainer.fitting.state()

    def resume(self, state: Any, source: Any = "state") -> None:
        """Let a `fit` that is about to begin take up the run whose `training_state` this is; for callbacks, which call
        it in on_train_begin. The ValueError of a state that does not fit names `source`."""
        self._trainer.resumed = state, source

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
        *,
        resets: Any = None,
    ) -> Any:
        """The loss and the metrics over some data; arguments as in `fit`.

        Returns:
            [loss, metric, ...]; the loss alone if there are no metrics; or a dictionary with `return_dict`.
        """
        trainer = self._trainer
        trainer.ready("evaluate", "test_step")
        source = epochs_of(trainer, x, y, sample_weight, batch_size, steps, resets=resets)
        hooks = evaluation.hooks_of(self, callbacks, [], verbose, 1, source.steps)
        try:
            with trainer.own_call():
                return trainer.returned(evaluation.evaluate(trainer, source, hooks), return_dict)
        finally:
            hooks.call("close")

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Callbacks = None,
        *,
        resets: Any = None,
    ) -> NDArray[Any]:
        """Outputs for inputs x (N, ...), computed in batches of `batch_size`, 32 by default; N may be 0.

        `resets` are as in `fit`. x may be an iterable of batches. Several outputs are a list or a dictionary of arrays,
        as the model was given them, whatever type checkers see. For a list of sequences of different lengths, outputs
        that have their steps are such a list too. With verbose="auto" nothing is printed but a bar on a terminal.
        """
        if verbose == "auto" and not sys.stdout.isatty():
            verbose = 0
        plain = verbose == 0 and batch_size is None and steps is None and callbacks is None and resets is None
        if plain and type(x) is np.ndarray and x.ndim and len(x) <= BATCH_SIZE:
            # what follows costs more than a small batch
            plan = call_plan(self)
            if plan.predicts:
                y = plan.call(x)
                return self(x) if y is None else y
        trainer = self._trainer
        if not data.is_stream(x):
            x = self._trainer.batch(stored(x)).x
            if not data.rows(x):
                return trainer.predicted(nested.change(x, read), resets)  # type: ignore[no-any-return]
        source = epochs_of(trainer, x, None, None, batch_size, steps, resets=resets)
        hooks = evaluation.hooks_of(self, callbacks, [], verbose, 1, source.steps)
        try:
            return evaluation.predict(trainer, source, hooks)  # type: ignore[no-any-return]
        finally:
            hooks.call("close")

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: ClassWeight | None = None,
        return_dict: bool = False,
        *,
        resets: Any = None,
    ) -> Any:
        """One step on one batch. If it raises, weights and optimizer are as they were.

        Args:
            x: (B, ...) inputs; a list or a dictionary for several.
            y: (B, ...) targets, likewise.
            sample_weight: (B,) or (B, T) weights in the loss; with several outputs one array for all, or likewise.
            class_weight: class to weight; not together with sample_weight.
            return_dict: return a dictionary.
            resets: (B, T) booleans, as in `fit`.

        Returns:
            [loss, metric, ...] of the batch before the step; the loss alone if there are no metrics.
        """
        trainer = self._trainer
        trainer.ready("train_on_batch", "train_step", "compute_loss")
        batch = self._trainer.batch(x, y, sample_weight, resets)
        if class_weight is not None:
            batch = weigher(class_weight, trainer.model.loss)(batch)
        with trainer.own_call():
            self.reset_metrics()
            return trainer.returned(trainer.logs((trainer.own_step("train_step") or trainer.train)(batch)), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False, *, resets: Any = None
    ) -> Any:
        """The loss and the metrics of one batch; arguments and results as in `train_on_batch`."""
        trainer = self._trainer
        trainer.ready("test_on_batch", "test_step", "compute_loss")
        batch = self._trainer.batch(x, y, sample_weight, resets)
        with trainer.own_call():
            self.reset_metrics()
            return trainer.returned(trainer.logs((trainer.own_step("test_step") or trainer.test)(batch)), return_dict)

    def predict_on_batch(self, x: Any) -> NDArray[Any]:
        """Outputs (B, ...) for one batch, as `predict` gives them."""
        return self._trainer.predicted(x)  # type: ignore[no-any-return]

    def gradients(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        advance: bool = False,
        outputs: bool = False,
        resets: Any = None,
    ) -> tuple[Any, ...]:
        """The gradient of the loss by each trainable weight, in training, without a step.

        Args:
            x, y, sample_weight: one batch, as for `train_on_batch`.
            advance: False only looks: states, moving statistics and random generators are as before, so that a second
                call gives the same, with the same dropout. True, for a training loop of your own, lets them go on.
            outputs: give the outputs for x too.
            resets: (B, T) booleans, as in `fit`.

        Returns:
            path of the weight to its gradient, in the order of `trainable_weights`; the loss; and the outputs, where
            `outputs` asks for them. What `Variable.grad` held before, it holds again.

        Example:
            >>> model = Sequential([Input((None, 3)), GRU(16, name="gru"), Dense(1)])
            >>> model.compile("adam", "mse")
            >>> grads, loss = model.gradients(np.ones((8, 5, 3)), np.ones((8, 1)))
            >>> grads["gru/gru_cell/kernel"].shape
            (3, 48)
        """
        self._trainer.ready("gradients", "compute_loss")
        batch = self._trainer.batch(x, y, sample_weight, resets)
        results = self._trainer.gradients(batch, core.check_bool("advance", advance))
        return results if outputs else results[:2]

    # What a subclass may write anew

    def train_step(self, data: Any) -> Logs:
        """One step of training on a batch: x, (x, y) or (x, y, sample_weight). A subclass may write another, which
        `gradients` gives gradients, the loss and the outputs.

        Returns:
            the logs: what callbacks and the History get.
        """
        return self._trainer.logs(self._trainer.train(self._trainer.batch(*unpack_x_y_sample_weight(data))))

    def test_step(self, data: Any) -> Logs:
        """One step of `evaluate` on a batch, likewise."""
        return self._trainer.logs(self._trainer.test(self._trainer.batch(*unpack_x_y_sample_weight(data))))

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch of `predict`."""
        return self(unpack_x_y_sample_weight(data)[0])

    @hook
    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of outputs, with all penalties.

        A subclass may write another: it gets y_pred as tensors, which have values too, and gives one tensor of shape ()
        that operators and functions of `cellstep.ops` make of them; then its gradient is known.

        Args:
            x, y, sample_weight: the arrays of a batch. y_pred: the outputs for x. Of sequences of different lengths y,
                sample_weight and y_pred are padded, and `y_pred.mask` says which steps there are, as losses heed.
            training: False in `test_step`.

        Returns:
            a number; a tensor where y_pred are tensors.
        """
        return own_steps.compute_loss(self._trainer, x, y, y_pred, sample_weight)

    @hook
    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
        """Update the metrics that `compile` was given; a subclass may update others.

        Returns:
            the values of all metrics, by name.
        """
        own_steps.compute_metrics(self._trainer, x, y, y_pred, sample_weight)
        return self.get_metrics_result()
