"""Per-sample gradients: of the loss of each row by itself, all rows in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ..model import Model
from .net import Net
from .rows import Rows, described
from .scores import Scores

Array = NDArray[Any]


def sample_gradients(model: Any, x: Any, y: Any) -> tuple[dict[str, Array], Array]:
    """The gradient of each row's loss by each trainable weight, and these losses: as `model.gradients` of the row
    alone gives them, to the bit, with rows in the lanes of vectors in the place of `ManyModels`' models.

    Args:
        model: built and compiled, of the kind that `ManyModels` covers. x, y: one batch, as for `train_on_batch`.

    Returns:
        path of the weight to its gradients (B, *shape), in the order of `trainable_weights`; and the losses (B,).

    Raises:
        NotImplementedError: the model has what is not covered. ValueError, TypeError: data that do not fit.

    Example:
        >>> model = Sequential([Input((None, 3)), GRU(4), Dense(1)])
        >>> model.compile("adam", "mse")
        >>> grads, losses = sample_gradients(model, np.ones((8, 5, 3)), np.ones((8, 1)))
        >>> {path.split("/")[-1]: g.shape for path, g in grads.items()}["recurrent_kernel"]
        (8, 4, 12)
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be a Sequential or a Model, got {core.brief(model)}")
    compiled, net = model._trainer.ready("sample_gradients"), Net(model)
    batch = model._signature.batch(x, y)
    if batch.y is None:
        raise ValueError("y must be given, got None")
    if type(batch.x) is not np.ndarray or not batch.x.size:
        raise ValueError(
            "expected x of shape (batch, time, features), with one row or more, of sequences of one length, got "
            f"{described(batch.x)}"
        )
    rows = Rows(net, [batch])
    B = len(batch.x)
    weights = np.concatenate([w.value.reshape(-1) for w in model.weights])
    values = np.broadcast_to(weights, (B, net.P))
    models = np.zeros(B, np.int64)  # every row is one of the only model
    lanes, runs, mask = rows.take(models, np.arange(B)[:, None])
    pred, pullback = net.forward(net.in_lanes(values), lanes, runs, B)
    target = batch.y[:, None]
    losses, slope = Scores(compiled, batch.y[:1], pred[0]).differentiate(target, pred, mask, True)
    assert slope is not None
    parts = np.split(pullback(slope), np.cumsum(net.sizes)[:-1], axis=1)
    shaped = [part.reshape(B, *w.shape) for part, w in zip(parts, model.weights, strict=True)]
    return {w.path: part for w, part in zip(model.weights, shaped, strict=True)}, losses
