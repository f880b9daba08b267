"""Losses, by class or by name, as in `keras.losses`.

loss = losses.SparseCategoricalCrossentropy(from_logits=True)
value, dy_pred = loss.value_and_grad(y_true, y_pred, sample_weight, mask)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import registry
from ..layers import SymbolicTensor
from ..layers.symbolic import TensorFunction, of_tensors
from ..lookup import Lookup, absent, reader
from .base import Loss
from .crossentropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from .ctc import CTC
from .focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from .function_loss import FunctionLoss
from .on_tensors import on_tensors
from .regression import (
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SquaredHinge,
)

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "deserialize",
    "get",
    "serialize",
]

_SHORT: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "bce": BinaryCrossentropy,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "kld": KLDivergence,
}
_OTHER: dict[str, type[Loss]] = {k.upper(): v for k, v in _SHORT.items()} | {"logcosh": LogCosh, "huber_loss": Huber}
#: The classes above by names in snake case.
_SNAKE: dict[str, type[Loss]] = {
    "huber" if kind is Huber else kind.default_name: kind
    for kind in tuple(globals().values())
    if isinstance(kind, type) and issubclass(kind, Loss) and kind not in (Loss, FunctionLoss)
}
_LOOKUP: Lookup[Loss] = Lookup("loss", Loss, _SHORT | _SNAKE, _OTHER)
BY_NAME = _LOOKUP.by_name


def get(identifier: Any) -> Loss:
    """The loss for a name, for a configuration, for a function (see `FunctionLoss`), or the loss itself.

    Raises:
        ValueError: no loss has this name; the message lists the names. TypeError: none of these.
    """
    if isinstance(identifier, str) and identifier in BY_NAME:
        return BY_NAME[identifier](name=identifier)
    own = registry.find(identifier)
    if own is not None and not isinstance(own, type):
        return FunctionLoss(own)
    if callable(identifier) and not isinstance(identifier, type | Loss):
        named = getattr(identifier, "loss_name", None)
        return FunctionLoss(identifier) if named is None else get(named)
    return _LOOKUP.get(identifier)


def serialize(loss: Loss) -> dict[str, Any]:
    """Keras's dictionary {module, class_name, config, registered_name}; a function of the user's by its name."""
    if isinstance(loss, FunctionLoss):
        return registry.written_function("loss", loss.fn, anonymous=True)
    return registry.serialize(loss)


deserialize = reader(get)


def _function(name: str) -> TensorFunction:
    """A loss as a function of arrays or tensors, as Keras has it beside the class: its values, neither weighted nor
    averaged."""

    def function(y_true: Any, y_pred: Any, **options: Any) -> Any:
        if isinstance(y_pred, SymbolicTensor) or isinstance(y_true, SymbolicTensor):
            return on_tensors(BY_NAME[name](reduction="none", **options), y_true, y_pred)
        return BY_NAME[name](**options).values(y_true, y_pred)

    function.__name__ = function.__qualname__ = function.loss_name = name  # type: ignore[attr-defined]
    function.__doc__ = f"The values of `{BY_NAME[name].__name__}(**options)` for arrays; as a `loss`, that class."
    return of_tensors(function)


_FUNCTIONS = {name: _function(name) for name in [*_SHORT, *_SNAKE, "huber_loss"]}
globals().update(_FUNCTIONS)
registry.enter_functions(_FUNCTIONS)
if TYPE_CHECKING:
    bce = binary_crossentropy = binary_focal_crossentropy = categorical_crossentropy = _function("")
    categorical_focal_crossentropy = categorical_hinge = cosine_similarity = ctc = hinge = huber = _function("")
    huber_loss = kl_divergence = kld = log_cosh = mae = mape = mean_absolute_error = _function("")
    mean_absolute_percentage_error = mean_squared_error = mean_squared_logarithmic_error = mse = _function("")
    msle = poisson = sparse_categorical_crossentropy = squared_hinge = _function("")
absent(globals(), _FUNCTIONS)
