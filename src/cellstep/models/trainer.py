"""Trainer: what a model was compiled with, and what a compiled model does with one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy import ndarray
from numpy.typing import NDArray

from .. import core, regularizers
from ..configured import ours_attribute
from ..interrupts import interrupts_held
from ..layers import nested
from ..layers.context import Context
from ..layers.forward_adapter import composes
from ..metrics import Metric
from ..optimizers import Optimizer
from . import data, own_steps, scoring
from .compiled import Compiled
from .data import Batch, Pass
from .grouped import join
from .logs import Logs, plain_logs, plain_value
from .plan import Plan, overridden, own_metrics
from .rollback import own_gradients, unchanged, undone_on_error
from .scoring import Score

if TYPE_CHECKING:
    from .fitting import Fitting

Array = NDArray[Any]


class Trainer:
    """Trains and evaluates a model batch by batch.

    Args:
        model: what is trained. It is asked to `prepare` its weights, to run, and for the names of its outputs.

    Attributes:
        whole: what `compile` made; None before.
        asked: the optimizer and the loss that were set before `compile`.
        fitting: the `fit` that is under way. resumed: the state that the next one begins with, and where that is from.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.whole: Compiled | None = None
        self.asked: dict[str, Any] = {}
        self.fitting: Fitting | None = None
        self.resumed: tuple[Any, Any] | None = None
        #: By thread: what calls use that began while another thread's was under way.
        self._calls: dict[int, Compiled] = {}
        self._cached_plan: Plan | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: without what belongs to calls under way."""
        return {"model": self.model, "whole": self.whole, "asked": self.asked}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["model"])  # type: ignore[misc]
        vars(self).update(state)

    # What was compiled

    @property
    def compiled(self) -> Compiled | None:
        """What `compile` made; in a call beside another thread's, with metrics of its own."""
        calls = self._calls
        return calls.get(threading.get_ident(), self.whole) if calls else self.whole

    @contextmanager
    def own_call(self) -> Iterator[None]:
        """Within the block the metrics belong to this thread: to the first that comes those of the model, to one beside
        it others, whose values those of the model take over when it ends. Metrics that are attributes of the model
        cannot be made anew: where it has such, a second thread waits."""
        whole, calls, thread = self.whole, self._calls, threading.get_ident()
        if whole is None or thread in calls:
            yield
        elif whole.owned.acquire(blocking=False) or (self.own_metrics() and whole.owned.acquire()):
            try:
                yield
            finally:
                whole.owned.release()
        else:
            apart = calls[thread] = whole.apart()
            try:
                yield
            finally:
                del calls[thread]
            if whole.owned.acquire(blocking=False):
                try:
                    whole.take_over(apart)
                finally:
                    whole.owned.release()

    def ready(self, method: str, *own: str) -> Compiled:
        """What was compiled.

        Args:
            method: what needs it, for the message. own: methods of which one that is overridden needs no loss.

        Raises:
            RuntimeError: nothing was, or without a loss where no `call` of the user's may add one.
        """
        compiled = self.compiled
        if compiled is None:
            raise RuntimeError(f"compile(optimizer, loss) must be called before {method}")
        if compiled.loss is None and not any(map(self.overrides, (*own, "compute_loss"))) and not self._may_penalize():
            raise RuntimeError(f"compile needs a loss before {method}")
        return compiled

    def _may_penalize(self) -> bool:
        """Whether calls of the model may give something to train by without a loss, as those with `add_loss`."""
        walked: Any = self.model.walk()
        return any(composes(m) or getattr(m, "_tracer", None) or m.added_losses for m in walked)

    def overrides(self, name: str) -> bool:
        """Whether a method or property of the model is not this package's, but that of a subclass or of the object."""
        return overridden(self.model, name)

    @property
    def own_targets(self) -> bool:
        """Whether targets may be in any structure, as a method of the model's own makes the loss of them."""
        return any(map(self.overrides, ("train_step", "test_step", "compute_loss")))

    # Metrics

    def own_metrics(self) -> list[Metric]:
        """The metrics that were not given to `compile`."""
        compiled = [] if self.compiled is None else self.compiled.metrics
        return [metric for metric in self.model.metrics if not any(metric is other for other in compiled)]

    def results(self) -> Logs:
        """The values of all metrics by name: numbers, or arrays where a metric gives one."""
        compiled = self.compiled
        if self.overrides("metrics"):
            values, rest = {}, self.model.metrics
        else:
            values, rest = {} if compiled is None else compiled.results(), own_metrics(self.model)
        for metric in rest:
            result = metric.result()
            values |= result if isinstance(result, dict) else {metric.name: result}
        return {name: plain_value(value) for name, value in values.items()}

    def reset_metrics(self) -> None:
        """Start the means of the loss and of the metrics again."""
        if self.compiled is not None:
            self.compiled.pending = []
        for metric in self.model.metrics:
            metric.reset_state()

    def over_all(self, logs: Logs) -> Logs:
        """The logs of an epoch, from those of its last step: the values of the metrics, where those are what the step
        gave, else as they are, as in Keras; also where a step of the model's own gave a loss and told no metric."""
        compiled, values = self.compiled, plain_logs(self.model.get_metrics_result())
        idle = compiled is None or ("loss" in values and compiled.idle and not self.overrides("metrics"))
        return values if values.keys() == logs.keys() and not idle else logs

    def returned(self, logs: Logs, return_dict: bool) -> Any:
        """Logs as `evaluate` returns them: the loss first, then what `metrics` holds, then the rest by name."""
        logs = plain_logs(logs)
        if core.check_bool("return_dict", return_dict):
            return logs
        listed = [name for name in self.model.get_metrics_result() if name in logs] if len(logs) > 1 else []
        values = [logs[name] for name in dict.fromkeys([*listed, *logs])]
        return values if len(values) > 1 else values[0] if values else []

    # One batch

    def batch(self, x: Any, y: Any = None, sample_weight: Any = None, resets: Any = None) -> Batch:
        """What a user gives for a batch, or for all of them, in the structure of the inputs and outputs, checked."""
        batch: Batch = self.model._signature.batch(
            x, y, sample_weight, self.model.check_resets(resets), self.own_targets
        )
        return batch

    def forget_plan(self) -> None:
        """Let the next batch look again at what the model is made of."""
        self._cached_plan = None

    def plan(self, x: Any) -> Plan:
        """What is known of the model, whose weights exist from here on."""
        plan = self._cached_plan
        if plan is None or not plan.holds():
            self.model.prepare(x)
            plan = self._cached_plan = Plan(self.model)
        return plan

    def own_step(self, name: str) -> Callable[[Batch], Logs] | None:
        """What runs the model's own `train_step` or `test_step`; None where it has none."""
        return partial(own_steps.run_own_step, self, name) if self.overrides(name) else None

    def predicted(self, x: Any, resets: Any = None) -> Any:
        """The outputs for a batch of `predict`, by `predict_step` where that is overridden."""
        if not self.overrides("predict_step"):
            return self.model(x, resets=resets)
        own_steps.refuse_resets(self.model, "predict_step", resets)
        return own_steps.predict(self, x)

    def logs(self, logs: Logs | None) -> Logs:
        """What a step gave, or else what the metrics give."""
        return self.model.get_metrics_result() if logs is None else logs

    def train(self, batch: Batch) -> Logs | None:
        """Forward, backward and one step of the optimizer, one thread at a time: they share the gradients. If it
        raises, all is as before, or, where Ctrl-C comes when the step is made, as after it.

        Returns:
            the logs; None where they are the values of the metrics, which `logs` asks for.
        """
        compiled = self.whole
        if compiled is None or compiled.loss is None or self._calls:
            compiled = self.ready("training")
        with compiled.training:
            plan = self.checked_plan(batch)
            optimizer = self.begin(compiled, plan)
            saved, done = plan.rollback.save(), optimizer.calls
            try:
                context = self.context(compiled, batch)
                ran: Any = None
                scored = plan.straight.score(batch, compiled, context) if plan.straight and plan.names else None
                if scored is None:
                    ran = plan.forward(batch.x, context)
                    scored = self.score(compiled, plan, batch, ran, True)
                    self.pull(compiled, plan, ran, scored.gradients)
                with interrupts_held():
                    logs = self.record(compiled, plan, batch, ran, scored)
                    self.update_weights(optimizer, plan)
            except BaseException:
                with interrupts_held():
                    if optimizer.calls == done:
                        plan.rollback.restore(saved)
                raise
        return logs

    def test(self, batch: Batch) -> Logs | None:
        """Forward, the loss and the metrics; the logs as of `train`."""
        compiled = self.ready("evaluation")
        plan = self.checked_plan(batch)
        saved = plan.rollback.save()
        try:
            ran = plan.forward(batch.x, Context(penalties=[], resets=batch.resets))
            scored = self.score(compiled, plan, batch, ran, False)
            with interrupts_held():
                return self.record(compiled, plan, batch, ran, scored)
        except BaseException:
            with interrupts_held():
                plan.rollback.restore(saved)
            raise

    # Its parts

    def checked_plan(self, batch: Batch) -> Plan:
        """The plan for a batch; ValueError for one without rows or targets."""
        x = batch.x
        loss = self.whole is not None and self.whole.loss is not None
        if batch.y is None and loss and not self.overrides("compute_loss"):
            raise ValueError("y must be given, beside x or in each of its batches, got None")
        if not (len(x) if type(x) is ndarray else data.rows(x)):
            shape = next(leaf.shape for leaf in nested.flatten(x))
            raise ValueError(f"x must have at least one row, got shape {shape}")
        plan = self._cached_plan
        return plan if plan is not None and plan.holds() else self.plan(x)

    def begin(self, compiled: Compiled, plan: Plan) -> Optimizer:
        """The optimizer, in charge of the weights, whose gradients are zero."""
        optimizer = compiled.optimizer
        if plan.bound is None or plan.bound is not optimizer.variables:
            optimizer.build(plan.variables)
            plan.bound = optimizer.variables
        optimizer.zero_grad()
        return optimizer

    def context(self, compiled: Compiled, batch: Batch) -> Context:
        """A pass of training, with gradients of penalties scaled as the loss is."""
        return Context(True, True, False, [], None, compiled.optimizer.scale_loss(1.0), batch.resets)

    def score(self, compiled: Compiled, plan: Plan, batch: Batch, ran: Pass, gradient: bool) -> Score:
        """The loss of what was run, with all penalties; see `scoring.score`."""
        if "compute_loss" in plan.own:
            return own_steps.score(self, ran, batch, gradient)
        if plan.names is None:
            plan.names = self.model._signature.names_of(nested.flatten(ran.y))
        penalty: float = 0
        if plan.penalized or ran.penalties:
            penalty = sum(regularizers.penalties(plan.penalized)) + sum(ran.penalties)
        elif compiled.loss is None:
            raise RuntimeError("compile needs a loss, or a call of the model's must add one by add_loss, got neither")
        return scoring.score(compiled, ran, batch, plan.names, penalty, gradient)

    def pull(self, compiled: Compiled, plan: Plan, ran: Pass, gradients: Sequence[Any]) -> None:
        """Add to the gradients of the weights what a run's outputs give, flat, with None for zeros, and penalties."""
        optimizer = compiled.optimizer
        if optimizer.loss_scale_factor is not None:
            gradients = [None if d is None else optimizer.scale_loss(d) for d in gradients]
        one = type(ran.y) is ndarray
        ran.pullback(gradients[0] if one else nested.pack(ran.y, gradients), need_dx=False)
        if plan.penalized and "compute_loss" not in plan.own:  # which has them where it wants them
            regularizers.add_gradients(plan.penalized, optimizer.scale_loss(1.0))

    def record(
        self, compiled: Compiled, plan: Plan, batch: Batch, ran: Pass, scored: Score, rows: float | None = None
    ) -> Logs | None:
        """Add a batch to the means, where it counts as so many rows, its own if None, and to the metrics; the logs so
        far, None where they are the values of the metrics and can be asked for later."""
        if "compute_metrics" in plan.own:
            return own_steps.record(self, batch, ran, scored, rows)
        if rows is None:
            x = batch.x
            rows = len(x) if type(x) is ndarray else data.rows(x)
        if plan.names is None:
            plan.names = self.model._signature.names_of(scored.outputs)
        compiled.measure(plan.names, scored.outputs)
        compiled.track(scored.value, scored.parts, rows)
        return None if plan.plain_metrics and compiled.plain_metrics else self.model.get_metrics_result()

    def update_weights(self, optimizer: Optimizer, plan: Plan) -> None:
        """One step of the optimizer with the gradients that there are, by its `apply_gradients` or `apply` where a
        subclass of it overrides that."""
        kind = type(optimizer)
        if kind.apply_gradients is Optimizer.apply_gradients and kind.apply is Optimizer.apply:
            if getattr(optimizer.apply, "__func__", None) is Optimizer.apply:
                optimizer.step()
            else:  # one that a user has put into this object
                optimizer.apply()
        elif not ours_attribute(kind.apply_gradients):
            optimizer.apply_gradients([(w.grad, w) for w in plan.variables])
        else:
            optimizer.apply([w.grad for w in plan.variables], plan.variables)

    def gradients(self, batch: Batch, advance: bool) -> tuple[dict[str, Array], float, Any]:
        """The gradient of the loss by each trainable weight, by its path, the loss, and the outputs; `advance` lets
        states and random generators go on."""
        compiled = self.ready("gradients", "compute_loss")
        plan = self.checked_plan(batch)
        kept = undone_on_error if advance else unchanged
        with compiled.training, kept(self.model), own_gradients(self.model):
            ran = plan.forward(batch.x, self.context(compiled, batch))
            scored = self.score(compiled, plan, batch, ran, True)
            self.pull(compiled, plan, ran, scored.gradients)
            y = join(ran.y)
            own_steps.remember_masks(y, join(ran.mask))
            scale = compiled.optimizer.scale_loss(1.0)
            by_path = {w.path: w.grad / w.dtype.type(scale) for w in self.model.trainable_weights}
        return by_path, float(scored.value), y
