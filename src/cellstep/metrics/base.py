"""Metric: a number that is gathered over batches, and the weights, masks and entries that metrics share.

A mean over batches is that of Keras: the values of a row are averaged over its steps, then rows are averaged with
their weights. A mask acts as weights of 0 and 1; masked values are left out, never multiplied. That holds in training
as in evaluation (Keras 3.15 on JAX forgets the mask in the metrics of training).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import initializers
from ..configured import Configured, hook
from ..core import check_named, float_dtype, plain
from ..layers.names import auto_name
from ..layers.structure import held
from ..layers.values import Attribute
from ..layers.variable import Variable, number_dtype
from ..losses.alignment import Array, align, as_mask, as_weights


class Metric(Configured):
    """Base class of metrics. A subclass writes `update_state(y_true, y_pred, sample_weight=None)` and `result`, and
    makes what it gathers by `add_weight`; or keeps it elsewhere and writes `reset_state` too.

    `fit` and `evaluate` give the mask of the outputs to an `update_state` that takes `mask`, and to no other, as Keras.

    Args:
        dtype: "float32" or "float64", of the weights that `add_weight` makes; by default `floatx()`. What the metrics
            of this package gather is float64 whatever it is.
        name: the key in logs; by default that of the class in snake case.

    Attributes:
        direction: "up" where more is better, "down" where less is, "" where that is not known.

    Example:
        >>> class Hits(Metric):
        ...     def __init__(self, name="hits", **options):
        ...         super().__init__(name=name, **options)
        ...         self.total = self.add_weight(name="total")
        ...
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.total.assign_add(np.sum(y_true == y_pred))
        ...
        ...     def result(self):
        ...         return self.total
    """

    _proof = "_variables"
    _uncalled: ClassVar[Mapping[str, str]] = {
        "reset_states": "reset_state is its name",
        "stateless_update_state": "write update_state(y_true, y_pred, sample_weight)",
        "stateless_result": "write result()",
        "stateless_reset_state": "write reset_state()",
    }

    direction = ""
    default_name = ""
    #: Whether it takes each prediction with its target by itself, whatever is beside it but along the last axis.
    by_step: bool = False
    _shared = ("name", "dtype")
    #: The attributes, besides weights, that hold what was gathered: zeros of these shapes at first, () for numbers.
    accumulators: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = check_named(name, self.default_name) or auto_name(type(self).__name__)
        self.dtype = str(float_dtype("dtype", dtype))
        self._variables: list[Variable] = []
        self._clear()

    def get_config(self) -> dict[str, Any]:
        """The arguments that would make an equal metric, ready for JSON."""
        return {"name": self.name, "dtype": self.dtype, **super().get_config()}

    def add_variable(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, aggregation: str = "sum", name: Any = None
    ) -> Variable:
        """Make a weight that `reset_state` sets to zeros.

        Args:
            shape: its sizes. initializer: whatever `initializers.get` takes; zeros where None.
            dtype: that of the metric where None.
            aggregation: taken for Keras's sake. name: its name.
        """
        kind = number_dtype(dtype or self.dtype)
        name, made = name or "variable", initializers.get(initializer or "zeros")
        variable = Variable(made, tuple(shape), kind, trainable=False, name=name, path=f"{self.name}/{name}")
        self._variables.append(variable)
        return variable

    def add_weight(self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: Any = None) -> Variable:
        """As `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[Any]:
        """What was gathered so far: weights, and attributes that work as they do."""
        inner = (variable for metric in held(self, Metric) for variable in metric.variables)
        return [
            *(Attribute(self, name, name.removeprefix("_")) for name in self.accumulators),
            *self._variables,
            *inner,
        ]

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Add a batch, and give the result so far."""
        self.update_state(*args, **options)
        return self.result()

    def update_from(self, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> None:
        """`update_state` with those of the arguments that it takes."""
        optional = {"sample_weight": sample_weight, "mask": mask}
        taken = parameters_of(type(self).update_state)
        options = {name: value for name, value in optional.items() if name in taken}
        if sample_weight is not None:
            options["sample_weight"] = sample_weight  # an error where it is not taken, and never left out
        self.update_state(y_true, y_pred, **options)

    @hook
    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} must implement update_state")

    def result(self) -> Any:
        """The metric over everything added since the last reset: a number, an array, or a dictionary of them."""
        raise NotImplementedError(f"{type(self).__name__} must implement result")

    def reset_state(self) -> None:
        """Forget everything that was added."""
        if not self.variables:
            raise NotImplementedError(f"{type(self).__name__} must implement reset_state, as it has no weights")
        self._clear()
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape))

    def _clear(self) -> None:
        for name, shape in self.accumulators.items():
            setattr(self, name, np.zeros(shape) if shape else 0.0)


@functools.cache
def parameters_of(function: Any) -> frozenset[str]:
    """The names of a function's parameters."""
    return frozenset(inspect.signature(function).parameters)


def entries(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None, mask: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Targets, predictions and weights of what counts, all float64 (N, n), n the last axis of the predictions.

    Raises:
        ValueError: targets, weights or the mask do not have the shape of the predictions.
    """
    p = np.asarray(plain("y_pred", y_pred), np.float64)
    p = p.reshape(-1, 1) if p.ndim < 2 else p
    t, shape = np.asarray(plain("y_true", y_true), np.float64), p.shape
    if t.shape != shape and (*t.shape, 1) != shape and t.shape != (*shape, 1):
        raise ValueError(f"y_true must have the shape {np.shape(y_pred)} of y_pred, got {t.shape}")
    weights: Array = np.ones((*shape[:-1], 1))
    if sample_weight is not None:
        array = as_weights(sample_weight)
        full = array.shape == shape and array.ndim > 1
        weights = array if full else align("sample_weight", array, shape[:-1])[..., None]
    columns = [a.reshape(-1, shape[-1]) for a in (t, p, np.broadcast_to(weights, shape).astype(np.float64))]
    if mask is not None:
        chosen = np.broadcast_to(as_mask(mask, shape[:-1]), shape[:-1]).reshape(-1)
        columns = [c[chosen] for c in columns]
    return columns[0], columns[1], columns[2]


class EntryMetric(Metric):
    """A metric that counts single entries of the predictions. A subclass writes `add`."""

    by_step = True

    def add(self, t: Array, p: Array, w: Array) -> None:
        """Add targets, predictions and weights, all float64 (N, n)."""
        raise NotImplementedError(f"{type(self).__name__} must implement add")

    def update_state(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> None:
        self.add(*entries(y_true, y_pred, sample_weight, mask))
