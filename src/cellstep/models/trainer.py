"""Stepper: compile, and what a compiled model does with one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops, optimizers, regularizers
from ..interrupts import interrupts_held
from ..keywords import of_package
from ..layers import Layer, nested
from ..layers.context import Applied, Context
from ..layers.module import Module, held, ours_attribute, ours_function
from ..losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from ..metrics import Metric
from ..optimizers import Optimizer
from . import data, metric_states, weights
from .compile_config import compile_config, compile_from
from .compiled import Compiled
from .data import Batch, ClassWeight, Pass
from .grouped import join
from .ragged import Ragged
from .rollback import own_gradients, unchanged, undone_on_error
from .scoring import Score, score
from .stored import read

Array = NDArray[Any]
#: Numbers by name; arrays where a metric gives one.
Logs = dict[str, Any]


class Stepper(Layer):
    """A layer that can be compiled and trained batch by batch. A subclass implements `apply`, and says what its inputs
    and outputs are in `given`, `prepare` and `output_names`."""

    _whole: Compiled | None = None
    #: By thread: what calls use that began while another thread's was under way.
    _cached_calls: dict[int, Compiled] | None = None

    @property
    def _compiled(self) -> Compiled | None:
        """What `compile` made; in a call beside another thread's, with metrics of its own."""
        calls = self._cached_calls
        return calls.get(threading.get_ident(), self._whole) if calls else self._whole

    @contextmanager
    def own_call(self) -> Iterator[None]:
        """Within the block the metrics belong to this thread: to the first that comes those of the model, to one beside
        it others, whose values those of the model take over when it ends. Metrics that are attributes of the model
        cannot be made anew: where it has such, a second thread waits."""
        whole = self._whole
        with self._lock:
            calls = self._cached_calls = {} if self._cached_calls is None else self._cached_calls
        me = threading.get_ident()
        if whole is None or me in calls:
            yield
        elif whole.owned.acquire(blocking=False) or (self._own_metrics() and whole.owned.acquire()):
            try:
                yield
            finally:
                whole.owned.release()
        else:
            mine = calls[me] = whole.apart()
            try:
                yield
            finally:
                del calls[me]
            if whole.owned.acquire(blocking=False):
                try:
                    whole.show(mine)
                finally:
                    whole.owned.release()

    def given(self, x: Any, y: Any = None, sample_weight: Any = None) -> Batch:
        """Arrays in the structure of the inputs and the outputs, checked, from whatever a user gives for them."""
        return data.batch(x, y, sample_weight)

    def apply_apart(self, x: Any, mask: Any, context: Context) -> Applied:
        """`apply`, which may leave sequences of different lengths apart, as `Grouped`."""
        return self.apply(x, mask, context)

    def run(self, x: Any, context: Context) -> Pass:
        """A pass forward that gives arrays."""
        return Pass(*self.apply(x, None, context), tuple(context.penalties or ()))

    def run_step(self, x: Any, context: Context) -> Pass:
        """One for a step, which leaves sequences of different lengths apart, unless a subclass computes with the
        outputs itself."""
        if self.computes_with_outputs:
            return self.run(x, context)
        return Pass(*self.apply_apart(x, None, context), tuple(context.penalties or ()))

    @property
    def computes_with_outputs(self) -> bool:
        """Whether a subclass computes the loss or metrics itself, of arrays."""
        return self.overrides("compute_loss") or self.overrides("compute_metrics")

    def prepare(self, x: Any) -> None:
        """Make all weights, for inputs such as these."""
        raise NotImplementedError(f"{type(self).__name__} must implement prepare")

    def names_of(self, outputs: Sequence[Any]) -> list[str | None]:
        """The names of the outputs, flat."""
        return [None] * len(outputs)

    def layout(self, y: Any) -> Any:
        """The structure of the outputs, of which y are some."""
        return 0

    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose how to train.

        Args:
            optimizer: a name or an Optimizer.
            loss: a name, a Loss, or a function of (y_true, y_pred), see `losses.FunctionLoss`; with several outputs one
                for all of them, a list, or a dictionary by names of outputs, where None is no loss. None for a model
                that only predicts.
            loss_weights: what each output's loss counts, a list or a dictionary; 1 where None.
            metrics: names, Metric objects or functions of (y_true, y_pred). They see the mask, not the weights. With
                several outputs a list of lists, or a dictionary by names.
            weighted_metrics: the same, but these see `sample_weight` and `class_weight` too.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: Keras's hints to its compilers; the kernels
                are compiled either way, and results do not depend on these.

        Raises:
            ValueError: an unknown name; the message lists the known ones.
        """
        for name, flag in (("run_eagerly", run_eagerly), ("auto_scale_loss", auto_scale_loss)):
            ops.check_bool(name, bool(flag) if flag is None else flag)
        ops.check_count("steps_per_execution", 1 if steps_per_execution == "auto" else steps_per_execution)
        if jit_compile not in ("auto", True, False, None):
            raise ValueError(f"jit_compile must be 'auto', True or False, got {jit_compile!r}")
        self._whole = Compiled(optimizer, loss, loss_weights, metrics, weighted_metrics)

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was given, ready for JSON; empty before. TypeError for functions that are not registered."""
        return compile_config(self)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a configuration says, Keras's or one of `get_compile_config`; ValueError where it cannot."""
        compile_from(self, config)

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._compiled is not None

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer, or None before `compile`. Another one can be set: a name or an Optimizer, which begins anew
        for weights that it has not trained."""
        return self.__dict__.get("optimizer") if self._compiled is None else self._compiled.optimizer

    @optimizer.setter
    def optimizer(self, value: str | Optimizer) -> None:
        found = optimizers.get(value)
        if self._compiled is None:
            self.__dict__["optimizer"] = found
        else:
            self._compiled.optimizer = found

    @property
    def loss(self) -> Any:
        """The loss, or the list or dictionary of losses, or None. Setting it compiles again with the same optimizer
        and metrics."""
        return self.__dict__.get("loss") if self._compiled is None else self._compiled.loss

    @loss.setter
    def loss(self, value: Any) -> None:
        compiled = self._compiled
        if compiled is None:
            self.__dict__["loss"] = value
        else:
            given = [metrics for _, metrics, _ in compiled.asked]
            self._whole = Compiled(compiled.optimizer, value, compiled.asked_weights, *given)

    @property
    def metrics(self) -> list[Metric]:
        """The mean of the loss, the metrics, and those that are attributes of the model or of layers in it. What was
        given to `compile` appears with the first batch, which says what "accuracy" is. A subclass may override this."""
        return [*([] if self._compiled is None else self._compiled.metrics), *own_metrics(self)]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in that order."""
        return list(self.get_metrics_result())

    def metric_states(self) -> dict[str, Any]:
        """What all metrics have gathered, for `resume_metrics`."""
        compiled = self.ready("metric_states", "train_step")
        return {"compiled": compiled.states(), "own": [metric_states.state(metric) for metric in self._own_metrics()]}

    def resume_metrics(self, states: Any) -> None:
        """Go on with what equal metrics had gathered; those that the first batch makes do so then.

        Raises:
            ValueError: the states are those of other metrics; nothing was changed.
        """
        if (
            not isinstance(states, dict)
            or states.keys() != {"compiled", "own"}
            or not isinstance(states["compiled"], list)
        ):
            raise ValueError(f"expected metrics to be compiled and own, got {ops.shown(states)}")
        metric_states.take_over(self._own_metrics(), states["own"])
        self.ready("metric_states", "train_step").pending = states["compiled"]

    def _own_metrics(self) -> list[Metric]:
        """The metrics that were not given to `compile`."""
        compiled = [] if self._compiled is None else self._compiled.metrics
        return [metric for metric in self.metrics if not any(metric is other for other in compiled)]

    def reset_metrics(self) -> None:
        """Start the means of the loss and of the metrics again."""
        if self._compiled is not None:
            self._compiled.pending = []
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> Logs:
        """The values of all metrics by name: numbers, or arrays where a metric gives one."""
        if self.overrides("metrics"):
            found, rest = {}, self.metrics
        else:
            found, rest = {} if self._compiled is None else self._compiled.results(), own_metrics(self)
        for metric in rest:
            result = metric.result()
            found |= result if isinstance(result, dict) else {metric.name: result}
        return {name: plain_value(value) for name, value in found.items()}

    def overrides(self, name: str) -> bool:
        """Whether a method or property is not this package's, but that of a subclass or of the object."""
        own = self.__dict__.get(name)
        return not (ours_attribute(getattr(type(self), name)) if own is None else ours_function(own))

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: ClassWeight | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch. If it raises, weights and optimizer are as they were.

        Args:
            x: (B, ...) inputs; a list or a dictionary for several.
            y: (B, ...) targets, likewise.
            sample_weight: (B,) or (B, T) weights in the loss; with several outputs one array for all, or likewise.
            class_weight: class to weight; not together with sample_weight.
            return_dict: return a dictionary.

        Returns:
            [loss, metric, ...] of the batch before the step; the loss alone if there are no metrics.
        """
        self.ready("train_on_batch", "train_step", "compute_loss")
        made = self.given(x, y, sample_weight)
        if class_weight is not None:
            made = self.weigher(class_weight)(made)
        with self.own_call():
            self.reset_metrics()
            return self.returned(self.train_alone(made), return_dict)

    def train_alone(self, made: Batch) -> Logs:
        """`train`, one thread at a time: they share the gradients."""
        with self.ready("training", "train_step").training:
            return self.train(made)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics of one batch; arguments and results as in `train_on_batch`."""
        self.ready("test_on_batch", "test_step", "compute_loss")
        made = self.given(x, y, sample_weight)
        with self.own_call():
            self.reset_metrics()
            return self.returned(self.test(made), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs (B, ...) for one batch."""
        return self.predicted(x)

    def predicted(self, x: Any) -> Any:
        """The outputs for a batch of `predict`."""
        return self(x)

    def gradients(
        self, x: Any, y: Any, sample_weight: Any = None, *, advance: bool = False, outputs: bool = False
    ) -> tuple[Any, ...]:
        """The gradient of the loss by each trainable weight, in training, without a step.

        Args:
            x, y, sample_weight: one batch, as for `train_on_batch`.
            advance: False only looks: states, moving statistics and random generators are as before, so that a second
                call gives the same, with the same dropout. True, for a training loop of your own, lets them go on.
            outputs: give the outputs for x too.

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
        compiled = self.ready("gradients", "compute_loss")
        optimizer = compiled.optimizer
        made = self._complete(self.given(x, y, sample_weight))
        self.prepare(made.x)
        kept = undone_on_error if ops.check_bool("advance", advance) else unchanged
        with compiled.training, kept(self), own_gradients(self):
            ran, scored = self.learn(made)
            ran = ran._replace(y=join(ran.y), mask=join(ran.mask))
            self.show(ran)
            scale = optimizer.scale_loss(1.0)
            found = {w.path: w.grad / w.dtype.type(scale) for w in self.trainable_weights}
        return (found, float(scored.value), ran.y) if outputs else (found, float(scored.value))

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write all weights, and the optimizer's state, to a .weights.h5 file that Keras reads; see `weights.save`."""
        weights.save(self, filepath, overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, max_bytes: int | None = None) -> None:
        """Read weights that `save_weights` or `save` wrote, or Keras; see `weights.load`."""
        weights.load(self, filepath, skip_mismatch, max_bytes)

    def ready(self, method: str, *own: str) -> Compiled:
        """What was compiled.

        Args:
            method: what needs it, for the message. own: methods of which one that is overridden needs no loss.

        Raises:
            RuntimeError: nothing was, or without a loss.
        """
        compiled = self._compiled
        if compiled is None or (compiled.loss is None and not any(map(self.overrides, (*own, "compute_loss")))):
            what = "compile(optimizer, loss) must be called" if compiled is None else "compile needs a loss"
            raise RuntimeError(f"{what} before {method}")
        return compiled

    def train(self, made: Batch) -> Logs:
        """Forward, backward and one step of the optimizer. If it raises, all is as before, or, where Ctrl-C comes when
        the step is made, as after it."""
        optimizer = self.ready("training").optimizer
        made = self._complete(made)
        self.prepare(made.x)
        optimizer.build(self.trainable_weights)
        optimizer.zero_grad()
        with undone_on_error(self):
            ran, scored = self.learn(made)
            return self.finish(made, ran, scored)

    def finish(self, made: Batch, ran: Pass, scored: Score, rows: float | None = None) -> Logs:
        """What comes of a batch, its metrics and a step of the optimizer, without an interruption; the logs so far."""
        with interrupts_held():
            logs = self.record(made, ran, scored, rows)
            self.update_weights()
        return logs

    def update_weights(self) -> None:
        """One step of the optimizer with the gradients that there are, by its `apply_gradients` or `apply` where a
        subclass of it overrides that."""
        optimizer = self.ready("training").optimizer
        if not ours_attribute(type(optimizer).apply_gradients):
            optimizer.apply_gradients([(w.grad, w) for w in self.trainable_weights])
        elif not ours_attribute(type(optimizer).apply):
            variables = self.trainable_weights
            optimizer.apply([w.grad for w in variables], variables)
        else:
            optimizer.apply()

    def test(self, made: Batch) -> Logs:
        """Forward, the loss and the metrics."""
        made = self._complete(made)
        with undone_on_error(self):
            ran = self.run_step(made.x, Context(penalties=[]))
            scored = self.score(ran, made, gradient=False)
            with interrupts_held():
                return self.record(made, ran, scored)

    def learn(self, made: Batch) -> tuple[Pass, Score]:
        """Forward and backward: adds to the gradients of the weights."""
        ran = self.run_step(made.x, self.training_context())
        scored = self.score(ran, made, gradient=True)
        self.pull(ran, scored.gradients)
        return ran, scored

    def record(self, made: Batch, ran: Pass, scored: Score, rows: float | None = None) -> Logs:
        """Add a batch to the means, where it counts as so many rows, its own if None, and to the metrics; the logs so
        far."""
        compiled = self.ready("training")
        compiled.measure(*scored.scored)
        compiled.track(scored.value, scored.parts, data.rows(made.x) if rows is None else rows)
        return self.get_metrics_result()

    def show(self, ran: Pass) -> None:
        """Called with what a step ran."""

    def pull(self, ran: Pass, gradients: Sequence[Any]) -> None:
        """Add to the gradients of the weights what a run's outputs give, flat, with None for zeros, and penalties; the
        run was made in `training_context()`."""
        optimizer = self.ready("training").optimizer
        scale = optimizer.scale_loss(1.0)
        scaled = [None if d is None else optimizer.scale_loss(d) for d in gradients]
        ran.pullback(nested.pack(ran.y, scaled), need_dx=False)
        if not self.overrides("compute_loss"):  # which has them where it wants them
            regularizers.add_gradients(self.trainable_weights, scale)

    def training_context(self) -> Context:
        """A pass of training, with gradients of penalties scaled as the loss is."""
        return Context(True, True, penalties=[], scale=self.ready("training").optimizer.scale_loss(1.0))

    def penalties(self, ran: Pass) -> Any:
        """What comes to the loss as it is, not averaged with the rows."""
        return sum(regularizers.penalties(self.trainable_weights)) + sum(ran.penalties)

    def score(self, ran: Pass, made: Batch, gradient: bool) -> Score:
        """The loss of what was run, with all penalties; see `scoring.score`."""
        names = self.names_of(nested.flatten(ran.y))
        return score(self.ready("training"), ran, made, names, self.penalties(ran), gradient)

    def _complete(self, made: Batch) -> Batch:
        if made.y is None and not self.overrides("compute_loss"):
            raise ValueError("y must be given, beside x or in each of its batches, got None")
        if not data.rows(made.x):
            shape = next(leaf.shape for leaf in nested.flatten(made.x))
            raise ValueError(f"x must have at least one row, got shape {shape}")
        return made

    def returned(self, logs: Logs, return_dict: bool) -> Any:
        """Logs as `evaluate` returns them: the loss first, then what `metrics` holds, then the rest by name."""
        logs = plain_logs(logs)
        if ops.check_bool("return_dict", return_dict):
            return logs
        listed = [name for name in self.get_metrics_result() if name in logs] if len(logs) > 1 else []
        values = [logs[name] for name in dict.fromkeys([*listed, *logs])]
        return values if len(values) > 1 else values[0] if values else []

    def weigher(self, class_weight: ClassWeight) -> Callable[[Batch], Batch]:
        """A function that gives a batch the weights of its classes."""

        def weigh(made: Batch) -> Batch:
            if made.sample_weight is not None:
                raise ValueError("class_weight and sample_weight cannot both be given")
            if made.y is None:
                return made
            targets = [read(target) for target in nested.flatten(made.y)]
            if len(targets) != 1 or isinstance(targets[0], Ragged):
                what = "sequences of different lengths" if len(targets) == 1 else f"{len(targets)} outputs"
                raise ValueError(f"class_weight needs a model with one output and even targets, got {what}")
            kinds = [k for k in nested.flatten(self.loss) if k is not None] or [None]
            one_hot = isinstance(kinds[0], CategoricalCrossentropy)
            sparse = isinstance(kinds[0], SparseCategoricalCrossentropy)
            return made._replace(sample_weight=data.class_weights(class_weight, targets[0], one_hot, sparse))

        return weigh


def plain_logs(logs: Mapping[str, Any]) -> Logs:
    """Logs sorted by name, as Keras gives them; the entries of dictionaries among them count as logs."""
    found: Logs = {}
    for name, value in sorted(logs.items()):
        found |= plain_logs(value) if isinstance(value, Mapping) else {name: plain_value(value)}
    return found


def plain_value(value: Any) -> Any:
    """A number as a float, an array as a new array."""
    if isinstance(value, float | int):
        return float(value)
    array = np.asarray(value)
    return float(array) if array.ndim == 0 and array.dtype.kind in "fiub" else array.copy()


def own_metrics(module: Module) -> list[Metric]:
    """The metrics that are attributes of a module, or of those in it that are no models with metrics of their own."""
    # the package's layers have none, and each step of training asks
    found = held(module, Metric) if isinstance(module, Stepper) or not of_package(type(module)) else []
    for part in module.parts:
        if not isinstance(part, Stepper):
            found += own_metrics(part)
    return found
