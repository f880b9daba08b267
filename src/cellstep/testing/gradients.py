"""check_gradients: the gradients of layers, models and losses against central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import core
from ..layers import Layer, nested
from ..layers.cell import RecurrentCell
from ..losses.base import Loss
from ..models import Model
from ..models.rollback import unchanged
from .cells import check_cell

Array = NDArray[Any]

#: Of a central difference, to each side.
STEP = 1e-6


def check_gradients(
    of: Any, x: Any = None, y: Any = None, *, places: int = 20, tolerance: float = 1e-5, seed: int = 0, **options: Any
) -> dict[str, float]:
    """Compare gradients with central differences, at some places of each array.

    Args:
        of: a layer or a model, whose `dtype` must be float64 (layers.set_floatx, or dtype="float64" of each layer); a
            compiled model where y is given, whose own loss is then differentiated, penalties included; a loss; or a
            cell that kernels run, or its class: `check_cell`, with its arguments.
        x: inputs of a layer or a model, an array or a list of them. Of a loss the predictions.
        y: targets of a loss, or of a compiled model.
        places: how many numbers of each array are moved; chosen by chance.
        tolerance: how much a gradient g may be off, times 1 + |g|.
        seed: of the places, and of the gradient that a layer's outputs are given.
        options: for a layer's `forward`, such as mask, lengths, initial_state and training; for a loss, sample_weight
            and mask.

    Returns:
        By array (the paths of weights, "x", "initial_state[0]", "y_pred") the worst difference, over 1 + |g|.

    Raises:
        AssertionError: a gradient is wrong; the sentence names the array and the place.
        TypeError, ValueError: arguments that do not fit; a layer of another dtype.

    Example:
        >>> layer = layers.GRU(3, dtype="float64")
        >>> max(cellstep.testing.check_gradients(layer, np.ones((2, 5, 4))).values()) < 1e-5
        True
    """
    places, seed = core.check_count("places", places), core.check_natural("seed", seed)
    rng = np.random.default_rng(seed)
    if isinstance(of, RecurrentCell) or (isinstance(of, type) and issubclass(of, RecurrentCell)):
        return check_cell(of, tolerance=tolerance, seed=seed, **options)
    if isinstance(of, Loss):
        return _of_loss(of, x, y, places, tolerance, rng, options)
    if not isinstance(of, Layer):
        raise TypeError(f"of must be a layer, a model, a loss or a cell, got {core.brief(of)}")
    if x is None:
        raise TypeError("x, the inputs, must be given for a layer or a model")
    given = [np.array(a, np.float64) if np.asarray(a).dtype.kind == "f" else np.array(a) for a in nested.flatten(x)]
    inputs = nested.pack(x, given)
    if not of.built:
        with unchanged(of):
            of(inputs, **options)
    narrow = [w.path for w in of.weights if w.dtype != np.float64]
    if narrow:
        raise ValueError(f"of must have weights of float64, as differences of float32 are too rough, got {narrow[0]}")
    with unchanged(of):
        if y is None:
            return _of_layer(of, inputs, given, places, tolerance, rng, options)
        if not isinstance(of, Model):
            raise TypeError(f"y is for losses and compiled models, got {core.brief(of)}")
        gradients = {path: np.array(g) for path, g in of.gradients(inputs, y)[0].items()}
        weights = {w.path: w for w in of.trainable_weights}
        return {
            path: _check(
                path, _weight(weights[path]), g, lambda: float(of.gradients(inputs, y)[1]), places, tolerance, rng
            )
            for path, g in gradients.items()
        }


def _of_loss(
    loss: Loss, y_pred: Any, y_true: Any, places: int, tolerance: float, rng: np.random.Generator, options: Any
) -> dict[str, float]:
    if y_pred is None or y_true is None:
        raise TypeError("x, the predictions, and y, the targets, must be given for a loss")
    pred = np.array(y_pred, np.float64)
    gradient = np.array(loss.value_and_grad(y_true, pred, **options)[1])
    moved = _array(pred)
    return {
        "y_pred": _check(
            "y_pred", moved, gradient, lambda: float(loss(y_true, pred, **options)), places, tolerance, rng
        )
    }


def _of_layer(
    layer: Any, inputs: Any, given: list[Array], places: int, tolerance: float, rng: np.random.Generator, options: Any
) -> dict[str, float]:
    first = [np.array(a, np.float64) for a in nested.flatten(options.get("initial_state") or [])]
    if first:
        options["initial_state"] = nested.pack(options["initial_state"], first)
    outputs, pullback = layer.forward(inputs, **options)
    slopes = [rng.standard_normal(np.shape(a)) for a in nested.flatten(outputs)]

    def value() -> float:
        with unchanged(layer):
            found = nested.flatten(layer.forward(inputs, **options)[0])
        return float(sum((a * d).sum() for a, d in zip(found, slopes, strict=True)))

    for w in layer.trainable_weights:
        w.zero_grad()
    dx = nested.flatten(pullback(nested.pack(outputs, slopes)))
    gradients = [(w.path, _weight(w), np.array(w.grad)) for w in layer.trainable_weights]
    names = ["x"] if len(given) == 1 else [f"x[{i}]" for i in range(len(given))]
    names += [f"initial_state[{i}]" for i in range(len(first))]
    for name, a, d in zip(names, [*given, *first], dx, strict=True):
        if a.dtype == np.float64:
            gradients.append((name, _array(a), np.asarray(d)))
    return {name: _check(name, moved, g, value, places, tolerance, rng) for name, moved, g in gradients}


#: Gives an array's shape, and moves its number at a place by so much within a block.
Moved = tuple[tuple[int, ...], Callable[[tuple[int, ...], float], Any]]


def _array(a: Array) -> Moved:
    @contextmanager
    def move(place: tuple[int, ...], change: float) -> Iterator[None]:
        before = a[place]
        a[place] = before + change
        try:
            yield
        finally:
            a[place] = before

    return a.shape, move


def _weight(weight: Any) -> Moved:
    @contextmanager
    def move(place: tuple[int, ...], change: float) -> Iterator[None]:
        before = weight.numpy().copy()
        after = before.copy()
        after[place] += change
        weight.assign(after)
        try:
            yield
        finally:
            weight.assign(before)

    return tuple(weight.shape), move


def _check(
    name: str,
    moved: Moved,
    gradient: Array,
    value: Callable[[], float],
    places: int,
    tolerance: float,
    rng: np.random.Generator,
) -> float:
    """The worst difference of a gradient at some places."""
    shape, move = moved
    size = int(np.prod(shape))
    worst = 0.0
    for flat in rng.choice(size, min(places, size), replace=False):
        place = tuple(int(i) for i in np.unravel_index(flat, shape))
        ends = []
        for change in (STEP, -STEP):
            with move(place, change):
                ends.append(value())
        numeric = (ends[0] - ends[1]) / (2 * STEP)
        off = abs(float(gradient[place]) - numeric) / (1 + abs(numeric))
        if not off <= tolerance:
            raise AssertionError(
                f"expected the gradient of {name}[{', '.join(map(str, place))}] to be {numeric:.9g} by central "
                f"differences, got {float(gradient[place]):.9g}"
            )
        worst = max(worst, off)
    return worst
