"""Plan: what steps of a model on batches need to know of it, looked up once and not for each batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import regularizers
from ..keywords import of_package
from ..layers.context import Context
from ..layers.module import Module, held, ours_attribute, ours_function, structure_version
from ..layers.variable import Variable
from ..metrics import Metric
from .data import Pass
from .rollback import Rollback

#: What a subclass may write of the training itself.
STEPS = (
    "train_step",
    "test_step",
    "predict_step",
    "compute_loss",
    "compute_metrics",
    "get_metrics_result",
    "metrics",
    "evaluate",
)


def overridden(owner: Any, name: str) -> bool:
    """Whether a method or property of an object is not this package's, but that of a subclass or of the object."""
    own = vars(owner).get(name)
    return not (ours_attribute(getattr(type(owner), name)) if own is None else ours_function(own))


def own_metrics(module: Module, model: bool = True) -> list[Metric]:
    """The metrics that are attributes of a model, or of layers in it that are no models with metrics of their own."""
    found = held(module, Metric) if model or not of_package(type(module)) else []
    for part in module.parts:
        if not hasattr(part, "_trainer"):
            found += own_metrics(part, False)
    return found


class Plan:
    """What is known of a model while nothing that it is made of changes.

    Attributes:
        own: which of `STEPS` are not this package's.
        variables: the trainable weights. penalized: those of them with a regularizer.
        metrics: those that are attributes of the model or of layers in it.
        rollback: for what a step that fails has changed.
    """

    def __init__(self, model: Any) -> None:
        self._version = structure_version()
        self.own = frozenset(name for name in STEPS if overridden(model, name))
        self._weights: list[Variable] = model.weights
        self._flags = self._trained()
        self.variables: list[Variable] = model.trainable_weights
        self.penalized = [weight for weight in self.variables if weight.regularizer is not None]
        self.metrics = own_metrics(model)
        self.rollback = Rollback(model.walk())
        self._graph = _plain_graph(model)

    def _trained(self) -> list[Any]:
        return [(weight.trainable, weight.regularizer) for weight in self._weights]

    def holds(self) -> bool:
        """Whether nothing has changed since it was made."""
        return self._version == structure_version() and self._flags == self._trained()

    @property
    def computes_with_outputs(self) -> bool:
        """Whether a subclass computes the loss or metrics itself, of arrays."""
        return not self.own.isdisjoint(("compute_loss", "compute_metrics"))

    def run(self, model: Any, x: Any, context: Context) -> Pass:
        """Forward over a checked batch. Sequences of different lengths stay apart, as `Grouped`, but where a subclass
        computes with the outputs."""
        if self._graph is None or type(x) is not np.ndarray:
            apply = model.apply if self.computes_with_outputs else model.apply_apart
            y, mask, pullback = apply(x, None, context)
            return Pass(y, mask, pullback, tuple(context.penalties or ()))
        (y,), (mask,), back = self._graph.apply([x], [None], context)
        penalties = context.penalties or ()
        model.remember(penalties)
        return Pass(y, mask, lambda dy, need_dx=True: back([dy], need_dx), tuple(penalties))

    def penalties(self, ran: Pass) -> Any:
        """What comes to the loss as it is, not averaged with the rows."""
        return sum(regularizers.penalties(self.penalized)) + sum(ran.penalties)


def _plain_graph(model: Any) -> Any:
    """The graph of a model of tensors with one input of any number of rows and one output; None for others, whose
    calls do more than to run it."""
    heads = model._heads
    sized = bool(heads) and heads[0].batch_shape[0] is not None
    one = isinstance(model._inputs, int) and isinstance(model._outputs, int)
    own = model._by_call or model._by_hand or overridden(model, "compute_mask") or overridden(model, "apply")
    return model._graph if one and not own and not sized and model.built else None
