"""Evaluation and prediction over all batches of some data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import core
from ..callbacks import Callback, CallbackList, ProgressLog
from ..configured import levels_to_user
from ..layers import nested
from . import data
from .epochs import Epochs
from .logs import Logs, plain_logs
from .trainer import Trainer

Callbacks = Callback | Sequence[Any] | None


def hooks_of(
    model: Any, callbacks: Callbacks, extra: Sequence[Callback], verbose: str | int, epochs: int, steps: int | None
) -> CallbackList:
    """The callbacks of a call, with those that the call adds, and what prints how far it has come."""
    if not isinstance(verbose, str | int) or verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {core.brief(verbose)}")
    log = [ProgressLog(1 if verbose == "auto" else int(verbose))] if verbose else []
    return CallbackList(callbacks, [*extra, *log], model, {"verbose": verbose, "epochs": epochs, "steps": steps})


def evaluate(trainer: Trainer, source: Epochs, hooks: CallbackList) -> Logs:
    """The logs of an epoch of batches: an evaluation, or the validation in a fit."""
    model = trainer.model
    trainer.ready("evaluate", "test_step")
    model.reset_metrics()
    model.stop_evaluating = False
    trainer.forget_plan()
    hooks.call("on_test_begin", {})
    begin, end = hooks.implementing("on_test_batch_begin"), hooks.implementing("on_test_batch_end")
    step = trainer.own_step("test_step") or trainer.test
    seen, last = 0, None
    with source.cheap_blocks(begin or end):
        for batch in source.epoch():
            for call in begin:
                call(seen, {})
            last = step(batch)
            if end:
                last = plain_logs(trainer.logs(last))
                for call in end:
                    call(seen, last)
            seen += 1
            if model.stop_evaluating:
                break
    if not seen:
        once = ", as a generator gives its batches once" if source.source.once else ""
        raise ValueError(f"the data to evaluate on must give at least one batch, got none{once}")
    if source.short:
        warn_short("the data to evaluate on", seen, "steps", source.steps)
    logs = trainer.over_all(plain_logs(trainer.logs(last)))
    hooks.call("on_test_end", logs)
    return logs


def predict(trainer: Trainer, source: Epochs, hooks: CallbackList) -> Any:
    """The outputs for all batches."""
    trainer.model.stop_predicting = False
    hooks.call("on_predict_begin", {})
    begin, end = hooks.implementing("on_predict_batch_begin"), hooks.implementing("on_predict_batch_end")
    outputs: list[Any] = []
    for batch in source.epoch():
        for call in begin:
            call(len(outputs), {})
        outputs.append(trainer.predicted(batch.x, batch.resets))
        for call in end:
            call(len(outputs) - 1, {"outputs": outputs[-1]})
        if trainer.model.stop_predicting:
            break
    hooks.call("on_predict_end", {})
    if not outputs:
        raise ValueError("x must give at least one batch, got none")
    if source.short:
        warn_short("x", len(outputs), "steps", source.steps)
    return outputs[0] if len(outputs) == 1 else _joined(trainer, outputs)


def _joined(trainer: Trainer, outputs: Sequence[Any]) -> Any:
    """The outputs of several batches as those of one; lists of sequences are joined as lists."""
    first = outputs[0]
    own = trainer.overrides("predict_step") and (isinstance(first, dict | tuple) or data.several(first))
    layout = nested.change(first, lambda _: 0) if own else trainer.model._signature.layout(first)
    columns = zip(*[nested.up_to(layout, batch) for batch in outputs], strict=True)
    return nested.pack(layout, [_concatenated(parts) for parts in columns])


def _concatenated(parts: Sequence[Any]) -> Any:
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


def warn_short(what: str, seen: int, name: str, steps: int | None) -> None:
    warnings.warn(f"{what} ran out of batches after {seen} of {name}={steps}", stacklevel=levels_to_user())
