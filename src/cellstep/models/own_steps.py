"""OwnSteps: what a subclass may write of the training itself, as in Keras: train_step, test_step, predict_step,
compute_loss, compute_metrics, get_metrics_result and metrics. What it leaves as it is costs nothing more for that.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import numpy as np

from ..layers import nested
from ..layers.context import Context
from ..layers.known import CompiledLoss, KnownTensor, known, penalties_as_tensors
from . import scoring
from .data import Batch, Pass
from .graph import Graph
from .grouped import Grouped
from .ragged import Ragged
from .rollback import unchanged, undone_on_error
from .scoring import Score
from .trainer import Logs, Stepper, plain_logs

#: The outputs of the models that ran in this step, and their masks, for steps that hand outputs on as arrays.
_shown: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("shown", default=None)


class OwnSteps(Stepper):
    """A module whose steps may be its own."""

    _uncalled: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("make_train_function", "train_function"), "override train_step(data)"),
        **dict.fromkeys(("make_test_function", "test_function"), "override test_step(data)"),
        **dict.fromkeys(("make_predict_function", "predict_function"), "override predict_step(data)"),
        "compute_loss_and_updates": "override train_step(data), or compute_loss",
        "stateless_compute_loss": "override compute_loss",
    }

    def train_step(self, data: Any) -> Logs:
        """One step of training on a batch: x, (x, y) or (x, y, sample_weight). A subclass may write another, which
        `gradients` gives gradients, the loss and the outputs.

        Returns:
            the logs: what callbacks and the History get.
        """
        return Stepper.train(self, self.given(*unpack_x_y_sample_weight(data)))

    def test_step(self, data: Any) -> Logs:
        """One step of `evaluate` on a batch, likewise."""
        return Stepper.test(self, self.given(*unpack_x_y_sample_weight(data)))

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch of `predict`."""
        return self(unpack_x_y_sample_weight(data)[0])

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of outputs, with all penalties.

        A subclass may write another: it gets y_pred as tensors, which have values too, and gives one tensor of shape ()
        that operators and functions of `cellstep.math` make of them; then its gradient is known.

        Args:
            x, y, sample_weight: the arrays of a batch. y_pred: the outputs for x. Of sequences of different lengths y,
                sample_weight and y_pred are padded, and `y_pred.mask` says which steps there are, as losses heed.
            training: False in `test_step`.

        Returns:
            a number; a tensor where y_pred are tensors.
        """
        compiled = self.ready("compute_loss")
        y_pred = self._as_padded(x, y_pred)
        outputs = nested.flatten(y_pred)
        tensors = [out for out in outputs if isinstance(out, KnownTensor)]
        arrays = nested.change(y_pred, lambda out: out.value if isinstance(out, KnownTensor) else out)
        made, ran = Batch(x, y, sample_weight), Pass(arrays, self._masks_of(arrays), None)
        losses = self.losses
        total: Any = 0.0
        if compiled.loss is not None:
            names = self.names_of(outputs)
            found = scoring.score(compiled, ran, made, names, 0.0, gradient=bool(tensors))
            compiled.track_parts(found.parts, len(outputs[0]))
            total = found.value
            if tensors:
                slopes = [found.gradients[i] for i, out in enumerate(outputs) if isinstance(out, KnownTensor)]
                total = CompiledLoss(total, slopes)(tensors)
        elif not losses:
            raise RuntimeError("compile needs a loss before compute_loss")
        for penalty in losses:
            total = total + penalty
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
        """Update the metrics that `compile` was given; a subclass may update others.

        Returns:
            the values of all metrics, by name.
        """
        y_pred = self._as_padded(x, y_pred)
        ran = _by_steps(x, Pass(y_pred, self._masks_of(y_pred), None))
        names = self.names_of(nested.flatten(y_pred))
        compiled = self.ready("compute_metrics")
        compiled.measure(*scoring.entries(compiled, ran, Batch(x, y, sample_weight), names))
        return self.get_metrics_result()

    # What runs them

    def train(self, made: Batch) -> Logs:
        if not self.overrides("train_step"):
            return Stepper.train(self, made)
        return self._own_logs("train_step", made)

    def test(self, made: Batch) -> Logs:
        if not self.overrides("test_step"):
            return Stepper.test(self, made)
        return self._own_logs("test_step", made)

    @property
    def own_targets(self) -> bool:
        """Whether targets may be in any structure, as a method of the model's own makes the loss of them."""
        return any(map(self.overrides, ("train_step", "test_step", "compute_loss")))

    def predicted(self, x: Any) -> Any:
        """The outputs for a batch, by `predict_step` where it is overridden."""
        if not self.overrides("predict_step"):
            return self(x)
        self._check_step("predict_step")
        return self.predict_step(pack_x_y_sample_weight(x))

    def _own_logs(self, step: str, made: Batch) -> Logs:
        self._check_step(step)
        if self.computes:
            self.prepare(made.x)
            self._meet(made)
        with _showing(), undone_on_error(self):
            logs = getattr(self, step)(pack_x_y_sample_weight(*made))
        return self._checked_logs(step, logs)

    def _check_step(self, step: str) -> None:
        """NotImplementedError for a step as Keras has it on JAX, where it is given the state of the model too."""
        taken = list(inspect.signature(getattr(self, step)).parameters)
        if len(taken) > 1 and taken[0] == "state":
            raise NotImplementedError(
                f"{type(self).__name__}.{step} must take data alone, as weights change in place here, got a step of "
                f"Keras on JAX that takes {', '.join(taken)}"
            )

    def _checked_logs(self, method: str, logs: Any) -> Logs:
        if not isinstance(logs, Mapping):
            raise TypeError(
                f"{type(self).__name__}.{method} must return a dictionary of logs, got {type(logs).__name__}"
            )
        return plain_logs(logs)

    @property
    def computes(self) -> bool:
        """Whether the model has outputs of its own; one that holds models, and steps, need not."""
        return True

    def _meet(self, made: Batch) -> None:
        """Let the metrics know what outputs there are, where a step of the model's own may update them by hand."""
        compiled = self._compiled
        if compiled is None or made.y is None or compiled.met:
            return
        with unchanged(self):
            ran = self.run(made.x, Context())
        names = self.names_of(nested.flatten(ran.y))
        compiled.meet(*scoring.entries(compiled, ran, made, names)[:3])

    def score(self, ran: Pass, made: Batch, gradient: bool) -> Score:
        if not self.overrides("compute_loss"):
            return super().score(ran, made, gradient)
        name = f"{type(self).__name__}.compute_loss"
        if self.regularizers_inside():
            raise NotImplementedError(f"{name} must not be overridden where a layer has an activity_regularizer")
        outputs = nested.flatten(ran.y)
        masks = [None] * len(outputs) if ran.mask is None else nested.flatten(ran.mask)
        inputs = [known(y, mask) for y, mask in zip(outputs, masks, strict=True)]
        takes = inspect.signature(self.compute_loss).parameters
        options = {"training": gradient} if "training" in takes else {}
        with _showing(), penalties_as_tensors(inputs[0]):
            self.show(ran)
            y, sample_weight = (nested.change(value, _even) for value in made[1:])
            loss = self.compute_loss(made.x, y, nested.pack(ran.y, inputs), sample_weight, **options)
        if np.shape(loss) != ():
            raise ValueError(f"{name} must return one number, a tensor of shape (), got shape {np.shape(loss)}")
        if gradient and not isinstance(loss, KnownTensor):
            raise TypeError(
                f"{name} must return a tensor that operators and functions of cellstep.math make of y_pred, as a "
                f"{type(loss).__name__} has no gradient"
            )
        gradients: list[Any] = []
        if gradient:
            scale = self.ready("training").optimizer.scale_loss(1.0)
            arrays = [tensor.value for tensor in inputs]
            back = Graph.of([*inputs], [loss]).apply(arrays, [None] * len(inputs), Context(True, True, penalties=[]))[2]
            found = back([np.asarray(scale, loss.dtype)])
            gradients = [None if d is None else d / d.dtype.type(scale) for d in found]
        names = self.names_of(inputs)
        return Score(
            float(loss), [], gradients, scoring.entries(self.ready("training"), _by_steps(made.x, ran), made, names)
        )

    def record(self, made: Batch, ran: Pass, scored: Score, rows: float | None = None) -> Logs:
        if not self.overrides("compute_metrics"):
            return super().record(made, ran, scored, rows)
        compiled = self.ready("training")
        compiled.track(scored.value, scored.parts, len(nested.flatten(ran.y)[0]) if rows is None else rows)
        with _showing():
            self.show(ran)
            logs = self.compute_metrics(made.x, made.y, ran.y, made.sample_weight)
        return self._checked_logs("compute_metrics", logs)

    def show(self, ran: Pass) -> None:
        """Remember the masks of outputs while a step of the model's own goes on."""
        shown = _shown.get()
        if shown is not None and ran.mask is not None:
            shown += zip(nested.flatten(ran.y), nested.flatten(ran.mask), strict=True)

    def _as_padded(self, x: Any, y_pred: Any) -> Any:
        """Outputs that a call gave as a list of sequences, as one padded array, whose mask is remembered."""
        if not (isinstance(x, Ragged) and isinstance(y_pred, list) and self.layout(y_pred) == 0):
            return y_pred
        rows = Ragged(y_pred)
        padded = rows.padded()
        self.show(Pass(padded, rows.mask(), None))
        return padded

    def _masks_of(self, y_pred: Any) -> Any:
        """The masks that came with outputs in this step; None where none did."""
        shown = _shown.get() or []
        found = [next((mask for y, mask in shown if y is out), None) for out in nested.flatten(y_pred)]
        return None if all(mask is None for mask in found) else nested.pack(y_pred, found)


def _even(value: Any) -> Any:
    """Targets or weights as one array, as the outputs are where a subclass computes with them."""
    return value.padded() if isinstance(value, Ragged) else value


def _by_steps(x: Any, ran: Pass) -> Pass:
    """Outputs and masks for sequences of different lengths as metrics take them, step by step, from padded ones."""
    if not isinstance(x, Ragged) or ran.mask is None:
        return ran
    rows = [np.arange(len(x))]
    outputs, masks = nested.flatten(ran.y), nested.flatten(ran.mask)
    for i, (y, mask) in enumerate(zip(outputs, masks, strict=True)):
        if isinstance(y, np.ndarray) and y.ndim > 2 and np.shape(mask) == y.shape[:2] == (len(x), x.steps):
            outputs[i], masks[i] = (Grouped.split(rows, a, x.lengths) for a in (y, np.asarray(mask)))
    return ran._replace(y=nested.pack(ran.y, outputs), mask=nested.pack(ran.mask, masks))


@contextmanager
def _showing() -> Iterator[None]:
    token = _shown.set([])
    try:
        yield
    finally:
        _shown.reset(token)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """x alone, (x, y) or (x, y, sample_weight), as `fit` takes batches."""
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, list | tuple) else x


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of a batch, None for what it has not.

    Raises:
        ValueError: more than three parts.
    """
    parts = data if isinstance(data, tuple) else (data,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"data must be x, (x, y) or (x, y, sample_weight), got {len(parts)} parts")
    x, y, sample_weight = (*parts, None, None)[:3]
    return x, y, sample_weight
