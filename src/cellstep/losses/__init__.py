"""Losses, by class or by name, as in `keras.losses`.

loss = losses.SparseCategoricalCrossentropy(from_logits=True)
value, dy_pred = loss.value_and_grad(y_true, y_pred, sample_weight, mask)
"""

from __future__ import annotations

from .base import Loss
from .crossentropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from .regression import MeanAbsoluteError, MeanSquaredError

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]

CLASSES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    MeanAbsoluteError,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
_SHORT = {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "bce": BinaryCrossentropy}
BY_NAME: dict[str, type[Loss]] = {c.default_name: c for c in CLASSES} | {c.__name__: c for c in CLASSES}
BY_NAME |= _SHORT | {k.upper(): v for k, v in _SHORT.items()}


def get(identifier: str | Loss) -> Loss:
    """The loss for a name, or the loss itself.

    Raises:
        ValueError: no loss has this name; the message lists the names.
        TypeError: neither a name nor a Loss. A bare function has no gradient here: subclass `Loss`.
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        if identifier in BY_NAME:
            return BY_NAME[identifier](name=identifier)
        known = [*_SHORT, *(c.default_name for c in CLASSES)]
        raise ValueError(f"loss must be one of {', '.join(known)}, got {identifier!r}")
    raise TypeError(f"loss must be a name or a cellstep.losses.Loss, got {identifier!r}")
