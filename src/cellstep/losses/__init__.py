"""Losses, by class or by name, as in `keras.losses`.

loss = losses.SparseCategoricalCrossentropy(from_logits=True)
value, dy_pred = loss.value_and_grad(y_true, y_pred, sample_weight, mask)
"""

from __future__ import annotations

from typing import Any

from ..lookup import Lookup
from .base import Loss
from .crossentropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from .ctc import CTC
from .focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
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

CLASSES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    MeanAbsoluteError,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Huber,
    LogCosh,
    Poisson,
    KLDivergence,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    CosineSimilarity,
    CTC,
)

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
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
_LOOKUP: Lookup[Loss] = Lookup(
    "loss", Loss, _SHORT | {"huber" if c is Huber else c.default_name: c for c in CLASSES}, _OTHER, "keras.losses"
)
BY_NAME = _LOOKUP.by_name


def get(identifier: Any) -> Loss:
    """The loss for a name, for a configuration, or the loss itself.

    Raises:
        ValueError: no loss has this name; the message lists the names.
        TypeError: neither a name nor a Loss. A bare function has no gradient here: subclass `Loss`.
    """
    if isinstance(identifier, str) and identifier in BY_NAME:
        return BY_NAME[identifier](name=identifier)
    return _LOOKUP.get(identifier)


def serialize(loss: Loss) -> dict[str, Any]:
    """Keras's dictionary {module, class_name, config, registered_name}; TypeError for a class of the user's."""
    return _LOOKUP.serialize(loss)


def deserialize(config: dict[str, Any]) -> Loss:
    """A loss from what `serialize` gave, or Keras; ValueError for an unknown class."""
    return _LOOKUP.get(config)
