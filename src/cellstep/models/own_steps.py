"""Own steps: what a subclass may write of the training itself, as in Keras: train_step, test_step, predict_step,
compute_loss, compute_metrics, get_metrics_result and metrics; here is what calls them, and what they call.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers import nested
from ..layers.context import Context
from ..layers.graph import Graph
from ..layers.grouped import Grouped
from ..layers.known_tensor import CompiledLoss, KnownTensor, known, penalties_as_tensors
from ..layers.ragged import Ragged
from . import scoring
from .data import Batch, Pass
from .logs import Logs, plain_logs
from .rollback import unchanged, undone_on_error
from .scoring import Score

if TYPE_CHECKING:
    from .trainer import Trainer

#: The outputs of the models that ran in this step, and their masks, for steps that hand outputs on as arrays.
_masks: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("masks", default=None)


@contextmanager
def _masks_remembered() -> Iterator[None]:
    token = _masks.set([])
    try:
        yield
    finally:
        _masks.reset(token)


def remember_masks(y: Any, mask: Any) -> None:
    """Remember the masks of outputs during a step of a model's own."""
    masks = _masks.get()
    if masks is not None and mask is not None:
        masks += zip(nested.flatten(y), nested.flatten(mask), strict=True)


def _masks_of(y_pred: Any) -> Any:
    """The masks that came with outputs in this step; None where none did."""
    remembered = _masks.get() or []
    masks = [next((mask for y, mask in remembered if y is out), None) for out in nested.flatten(y_pred)]
    return None if all(mask is None for mask in masks) else nested.pack(y_pred, masks)


# Calls of what a subclass wrote


def run_own_step(trainer: Trainer, step: str, batch: Batch) -> Logs:
    """The logs of a model's own `train_step` or `test_step`."""
    model = trainer.model
    _check_parameters(model, step)
    refuse_resets(model, step, batch.resets)
    # threads that train share the gradients
    alone = trainer.ready("training", step).training if step == "train_step" else nullcontext()
    with alone:
        if model.computes:
            model.prepare(batch.x)
            _introduce_metrics(trainer, batch)
        with _masks_remembered(), undone_on_error(model):
            logs = getattr(model, step)(pack_x_y_sample_weight(*batch[:3]))
    return _checked_logs(model, step, logs)


def refuse_resets(model: Any, step: str, resets: Any) -> None:
    """ValueError for resets where a step of the model's own would not get them."""
    if resets is not None:
        raise ValueError(f"resets must be None, as {type(model).__name__}.{step} says what a step is, got one")


def predict(trainer: Trainer, x: Any) -> Any:
    """The outputs of a model's own `predict_step`."""
    _check_parameters(trainer.model, "predict_step")
    return trainer.model.predict_step(pack_x_y_sample_weight(x))


def score(trainer: Trainer, ran: Pass, batch: Batch, gradient: bool) -> Score:
    """What a model's own `compute_loss` says of a batch, and the gradients that follow from its tensor."""
    model = trainer.model
    name = f"{type(model).__name__}.compute_loss"
    if model.regularizers_inside():
        raise NotImplementedError(
            f"{name} must not be overridden where a layer has an activity_regularizer or calls add_loss"
        )
    outputs = nested.flatten(ran.y)
    masks = [None] * len(outputs) if ran.mask is None else nested.flatten(ran.mask)
    inputs = [known(y, mask) for y, mask in zip(outputs, masks, strict=True)]
    takes = inspect.signature(model.compute_loss).parameters
    options = {"training": gradient} if "training" in takes else {}
    with _masks_remembered(), penalties_as_tensors(inputs[0]):
        remember_masks(ran.y, ran.mask)
        y, sample_weight = (nested.change(value, _even) for value in batch[1:3])
        loss = model.compute_loss(batch.x, y, nested.pack(ran.y, inputs), sample_weight, **options)
    if np.shape(loss) != ():
        raise ValueError(f"{name} must return one number, a tensor of shape (), got shape {np.shape(loss)}")
    if gradient and not isinstance(loss, KnownTensor):
        raise TypeError(
            f"{name} must return a tensor that operators and functions of cellstep.ops make of y_pred, as a "
            f"{type(loss).__name__} has no gradient"
        )
    gradients: list[Any] = []
    if gradient:
        scale = trainer.ready("training").optimizer.scale_loss(1.0)
        arrays = [tensor.value for tensor in inputs]
        back = Graph.of([*inputs], [loss]).apply(arrays, [None] * len(inputs), Context(True, True, penalties=[]))[2]
        slopes = back([np.asarray(scale, loss.dtype)])
        gradients = [None if d is None else d / d.dtype.type(scale) for d in slopes]
    names = model._signature.names_of(inputs)
    entries = scoring.entries(trainer.ready("training"), _by_steps(batch.x, ran), batch, names)
    return Score(float(loss), [], gradients, entries)


def record(trainer: Trainer, batch: Batch, ran: Pass, scored: Score, rows: float | None) -> Logs:
    """The logs of a model's own `compute_metrics`; the loss counts as so many rows, those of the batch if None."""
    model = trainer.model
    compiled = trainer.ready("training")
    compiled.track(scored.value, scored.parts, len(nested.flatten(ran.y)[0]) if rows is None else rows)
    with _masks_remembered():
        remember_masks(ran.y, ran.mask)
        logs = model.compute_metrics(batch.x, batch.y, ran.y, batch.sample_weight)
    return _checked_logs(model, "compute_metrics", logs)


def _check_parameters(model: Any, step: str) -> None:
    """NotImplementedError for a step as Keras has it on JAX, where it is given the state of the model too."""
    taken = list(inspect.signature(getattr(model, step)).parameters)
    if len(taken) > 1 and taken[0] == "state":
        raise NotImplementedError(
            f"{type(model).__name__}.{step} must take data alone, as weights change in place here, got a step of "
            f"Keras on JAX that takes {', '.join(taken)}"
        )


def _checked_logs(model: Any, method: str, logs: Any) -> Logs:
    if not isinstance(logs, Mapping):
        raise TypeError(f"{type(model).__name__}.{method} must return a dictionary of logs, got {type(logs).__name__}")
    return plain_logs(logs)


def _introduce_metrics(trainer: Trainer, batch: Batch) -> None:
    """Let the metrics know what outputs there are, where a step of the model's own may update them by hand."""
    compiled, model = trainer.compiled, trainer.model
    if compiled is None or batch.y is None or compiled.metrics_built:
        return
    with unchanged(model):
        ran = Pass(*model.apply(batch.x, None, Context()))
    names = model._signature.names_of(nested.flatten(ran.y))
    compiled.build_metrics(names, scoring.entries(compiled, ran, batch, names))


# What the package's own methods do that a subclass's steps may call


def compute_loss(trainer: Trainer, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """The loss of outputs, with all penalties: a number, or a tensor where y_pred are tensors."""
    model, compiled = trainer.model, trainer.ready("compute_loss")
    y_pred = _as_padded(model, x, y_pred)
    outputs = nested.flatten(y_pred)
    tensors = [out for out in outputs if isinstance(out, KnownTensor)]
    arrays = nested.change(y_pred, lambda out: out.value if isinstance(out, KnownTensor) else out)
    batch, ran = Batch(x, y, sample_weight), Pass(arrays, _masks_of(arrays), None)
    losses = model.losses
    total: Any = 0.0
    if compiled.loss is not None:
        scored = scoring.score(compiled, ran, batch, model._signature.names_of(outputs), 0.0, gradient=bool(tensors))
        compiled.track_parts(scored.parts, len(outputs[0]))
        total = scored.value
        if tensors:
            slopes = [scored.gradients[i] for i, out in enumerate(outputs) if isinstance(out, KnownTensor)]
            total = CompiledLoss(total, slopes)(tensors)
    elif not losses:
        raise RuntimeError("compile needs a loss before compute_loss")
    for penalty in losses:
        total = total + penalty
    return total


def compute_metrics(trainer: Trainer, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> None:
    """Update the metrics that `compile` was given."""
    model, compiled = trainer.model, trainer.ready("compute_metrics")
    y_pred = _as_padded(model, x, y_pred)
    ran = _by_steps(x, Pass(y_pred, _masks_of(y_pred), None))
    names = model._signature.names_of(nested.flatten(y_pred))
    compiled.measure(names, scoring.entries(compiled, ran, Batch(x, y, sample_weight), names))


def _as_padded(model: Any, x: Any, y_pred: Any) -> Any:
    """Outputs that a call gave as a list of sequences, as one padded array, whose mask is remembered."""
    if not (isinstance(x, Ragged) and isinstance(y_pred, list) and model._signature.layout(y_pred) == 0):
        return y_pred
    rows = Ragged(y_pred)
    padded = rows.padded()
    remember_masks(padded, rows.mask())
    return padded


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
    return replace(ran, y=nested.pack(ran.y, outputs), mask=nested.pack(ran.mask, masks))


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
