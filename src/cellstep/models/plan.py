"""Plan: what steps of a model on batches need to know of it, looked up once and not for each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
from numpy import ndarray

from ..configured import of_package, ours_attribute, ours_function
from ..layers.context import Context
from ..layers.forward_adapter import composes
from ..layers.graph import Graph, LayerCall
from ..layers.module import Module
from ..layers.penalties import run_layer
from ..layers.pipelined import Pipelined
from ..layers.structure import held, structure
from ..layers.variable import Variable
from ..metrics import Metric
from .compiled import Compiled
from .data import Batch, Pass
from .own_steps import remember_masks
from .rollback import Rollback
from .scoring import Score, Scored

#: A pass of a call.
_CALL = Context()

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

#: Those of a class, which a user may patch at any time.
_steps_of = attrgetter(*STEPS)


def overridden(owner: Any, name: str) -> bool:
    """Whether a method or property of an object is not this package's, but that of a subclass or of the object."""
    own = vars(owner).get(name)
    return not (ours_attribute(getattr(type(owner), name)) if own is None else ours_function(own))


def own_metrics(module: Module, model: bool = True) -> list[Metric]:
    """The metrics that are attributes of a model, or of layers in it that are no models with metrics of their own."""
    metrics = held(module, Metric) if model or not of_package(type(module)) else []
    for part in module.parts:
        if not hasattr(part, "_trainer"):
            metrics += own_metrics(part, False)
    return metrics


def _collections_of(module: Module) -> list[Any]:
    """The lists and dictionaries of modules that are attributes of an object of a user's class."""
    if of_package(type(module)):
        return []
    collections = []
    for value in vars(module).values():
        entries = value if type(value) is list else list(value.values()) if type(value) is dict else []
        if entries and all(isinstance(entry, Module) for entry in entries):
            collections.append(value)
    return collections


class Plan:
    """What is known of a model while nothing that it is made of changes.

    Attributes:
        own: which of `STEPS` are not this package's.
        variables: the trainable weights. penalized: those of them with a regularizer.
        plain_metrics: whether no metric is an attribute of the model or of a layer in it, and none a subclass's doing.
        names: the names of the outputs, once a step has seen them.
        bound: what the optimizer said that it is in charge of, after it was built for `variables`.
        rollback: for what a step that fails has changed.
        straight: the layers, where they are in one line and a step is no more than to run them.
    """

    def __init__(self, model: Any) -> None:
        self._version = structure.watch(model.walk())
        self._kind, self._steps = type(model), _steps_of(type(model))
        # a list or dictionary of layers may change in place
        self._collections = [c for module in model.walk() for c in _collections_of(module)]
        self._collected = [c.copy() for c in self._collections]
        self.own = frozenset(name for name in STEPS if overridden(model, name))
        self._weights: list[Variable] = model.weights
        self._flags = [(weight.trainable, weight.regularizer) for weight in self._weights]
        self.variables: list[Variable] = model.trainable_weights
        self.penalized = [weight for weight in self.variables if weight.regularizer is not None]
        self.plain_metrics = self.own.isdisjoint(("get_metrics_result", "metrics")) and not own_metrics(model)
        self.names: list[str | None] | None = None
        self.bound: Any = None
        self.rollback = Rollback(model.walk())
        self._model = model
        self._sequence = layer_sequence(model)
        self.straight = None if self.own or self.penalized else self._sequence

    def holds(self) -> bool:
        """Whether nothing has changed since it was made."""
        return (
            self._version == structure.version
            and self._steps == _steps_of(self._kind)
            and self._collections == self._collected
            and self._flags == [(weight.trainable, weight.regularizer) for weight in self._weights]
        )

    @property
    def computes_with_outputs(self) -> bool:
        """Whether a subclass computes the loss or metrics itself, of arrays."""
        return not self.own.isdisjoint(("compute_loss", "compute_metrics"))

    def forward(self, x: Any, context: Context) -> Pass:
        """Forward over a checked batch, for training and evaluation: the pullback gives no gradient of x.

        Sequences of different lengths stay apart, as `Grouped`, but where a subclass computes with the outputs.
        """
        if self._sequence is not None and type(x) is np.ndarray:
            mask: Any = None
            pullbacks: list[Any] = []
            for call in self._sequence.calls:
                x, mask, pullback = call(x, mask, context)
                pullbacks += (pullback,)
            return Pass(x, mask, partial(self._sequence.pull, pullbacks))
        apply = self._model.apply if self.computes_with_outputs else self._model.apply_grouped
        y, mask, pullback = apply(x, None, context)
        return Pass(y, mask, pullback, tuple(context.penalties or ()))


class LayerSequence:
    """Layers one after another, run with nothing in between.

    Attributes:
        calls: what runs each layer.

    Args:
        graph: in one line.
    """

    def __init__(self, graph: Graph) -> None:
        groups = graph.pipelines(_CALL)
        self.calls = [_call_of(group) for group in groups]
        needed, _ = graph.needed(False)
        self._needed = [needed[group[0].x] for group in groups]
        first = next((i for i, group in enumerate(groups) if needed[group[-1].outputs]), len(groups))
        self._backward = range(len(groups) - 1, first - 1, -1)

    def pull(self, pullbacks: Sequence[Any], dy: Any, need_dx: bool = False) -> None:
        """Backward, as far as there are weights that learn; x gets no gradient."""
        for i in self._backward:
            dy = pullbacks[i](dy, self._needed[i])

    def score(self, batch: Batch, compiled: Compiled, context: Context) -> Score | None:
        """Forward, the loss of the one output, and backward, with nothing in between; None where there is more to it,
        or x, targets or weights are no arrays."""
        (x, target, weight, _), loss = batch, compiled.alone
        weighed = weight is not None and type(weight) is not ndarray
        if loss is None or type(x) is not ndarray or type(target) is not ndarray or weighed:
            return None
        mask: Any = None
        pullbacks: list[Any] = []
        for call in self.calls:
            x, mask, pullback = call(x, mask, context)
            pullbacks += (pullback,)
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        value, dy = loss.value_and_grad(target, x, weight, mask)
        self.pull(pullbacks, dy if context.scale == 1.0 else dy * context.scale)
        return Score(value, [], [], [] if compiled._built == [] else [Scored(x, mask, target, weight)])


class CallPlan:
    """What a call of a model with one array and nothing else needs to know of it.

    Attributes:
        version: of the structure of all modules, for which it holds. predict_step: that of the class, likewise.
        predicts: whether `predict` gives what calls give, and no `predict_step` of a subclass.
    """

    def __init__(self, model: Any) -> None:
        self.version = structure.watch(model.walk())
        self.predict_step = type(model).predict_step
        self.predicts = not overridden(model, "predict_step")
        sequence = layer_sequence(model) if model.built else None
        head = next(iter(model._signature.heads), None)
        shape = () if head is None else head.batch_shape
        self._calls = None if sequence is None else sequence.calls
        self._ndim, self._sizes = len(shape), [(i, size) for i, size in enumerate(shape) if size is not None]
        self._kinds = "iu" if head is not None and head.dtype.kind != "f" else "f"

    def call(self, x: Any) -> Any:
        """The outputs; None where an Input might refuse the array, or cast it, or a call does more than to run layers
        one after another."""
        calls = self._calls
        if calls is None:
            return None
        if self._ndim:
            shape = x.shape
            if len(shape) != self._ndim or x.dtype.kind not in self._kinds:
                return None
            for axis, size in self._sizes:
                if shape[axis] != size:
                    return None
        mask = None
        for call in calls:
            x, mask, _ = call(x, mask, _CALL)
        if mask is not None:
            remember_masks(x, mask)
        return x


def call_plan(model: Any) -> CallPlan:
    """The plan of a model's calls, made again where something that models are made of has changed."""
    plan: CallPlan | None = model.__dict__.get("_cached_plan")
    if plan is None or plan.version != structure.version or plan.predict_step is not type(model).predict_step:
        plan = model._cached_plan = CallPlan(model)
    return plan


def layer_sequence(model: Any) -> LayerSequence | None:
    """The layers of a model of tensors with one input of any number of rows, if they are in one line and none has a
    penalty of its outputs; None for others, whose calls do more."""
    graph, signature = model._graph, model._signature
    heads = signature.heads
    own = model.computes_itself or overridden(model, "compute_mask") or overridden(model, "apply")
    one = isinstance(signature.inputs, int) and isinstance(signature.outputs, int)
    if graph is None or own or not one or (heads and heads[0].batch_shape[0] is not None):
        return None
    if not graph.line() or model.regularizers_inside():
        return None
    if any("_cached_penalties" in vars(module) or composes(module) for module in model.walk()):
        return None
    return LayerSequence(graph)


def _call_of(steps: Sequence[LayerCall]) -> Callable[..., Any]:
    """What runs a layer that has no penalty: its `apply`, or where masks or methods of this one object need more,
    `run_layer`; or several recurrent ones as one."""
    if len(steps) > 1:
        return Pipelined([step.layer for step in steps]).apply
    layer = steps[0].layer
    own = vars(layer)
    plain = layer.supports_masking and not layer.masks_itself and "forward" not in own and "call" not in own
    return layer.apply if plain else partial(run_layer, layer)
