"""CTC against a sum over all paths, its gradient against differences, masks, and labels that do not fit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cellstep import losses

RNG = np.random.default_rng(5)
LOGITS = RNG.standard_normal((4, 5, 3)) * 2
LABELS = np.array([[1, 2, 0], [2, 2, 1], [1, 0, 0], [0, 0, 0]])


def by_paths(labels: Any, logits: Any) -> float:
    """-log of the summed probability of every path of classes that becomes the labels."""
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        if [k for k, _ in itertools.groupby(path) if k] == [k for k in labels if k]:
            total += float(np.prod(p[np.arange(len(p)), path]))
    return -np.log(total)


def test_the_value_is_that_of_all_paths() -> None:
    values = losses.CTC(reduction="none")(LABELS, LOGITS)
    np.testing.assert_allclose(values, [by_paths(a, b) for a, b in zip(LABELS, LOGITS, strict=True)], rtol=1e-12)
    np.testing.assert_allclose(losses.get("ctc")(LABELS, LOGITS), values.mean(), rtol=1e-14)


def test_a_mask_shortens_the_sequences() -> None:
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], bool)
    wanted = [by_paths(a, b[m]) for a, b, m in zip(LABELS, LOGITS, mask, strict=True)]
    loss = losses.CTC(reduction="sum")
    np.testing.assert_allclose(loss(LABELS, LOGITS, None, mask), sum(wanted), rtol=1e-12)
    junk = LOGITS.copy()
    junk[~mask] = np.nan
    value, grad = loss.value_and_grad(LABELS, junk, None, mask)
    np.testing.assert_allclose(value, sum(wanted), rtol=1e-12)
    assert not grad[~mask].any()
    for at in [(0, 1, 2), (1, 3, 0), (2, 2, 1)]:
        sides = []
        for h in (1e-6, -1e-6):
            moved = LOGITS.copy()
            moved[at] += h
            sides.append(loss(LABELS, moved, None, mask))
        np.testing.assert_allclose(grad[at], (sides[0] - sides[1]) / 2e-6, rtol=1e-7, atol=1e-9)


def test_long_sequences_and_large_logits_stay_finite() -> None:
    logits = (RNG.standard_normal((2, 700, 20)) * 60).astype("float32")
    labels = RNG.integers(1, 20, (2, 300))
    value, grad = losses.CTC().value_and_grad(labels, logits)
    assert np.isfinite(value)
    assert np.isfinite(grad).all()
    # each step's gradient is a difference of two distributions
    np.testing.assert_allclose(grad.sum(-1), 0, atol=1e-6)


def test_it_is_trained_on() -> None:
    from cellstep import layers, seeds
    from cellstep.models import Sequential

    seeds.set_random_seed(2)
    x = np.random.default_rng(1).standard_normal((8, 6, 3)).astype("float32")
    y = np.tile([[1, 2, 1]], (8, 1))
    net = Sequential([layers.Input((6, 3)), layers.GRU(8, return_sequences=True), layers.Dense(3)])
    net.compile("adam", "ctc")
    net.optimizer.learning_rate = 0.05  # type: ignore[union-attr]
    history = net.fit(x, y, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.3 * history[0]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "words"),
    [
        (LABELS, LOGITS[0], r"y_pred must be \(batch, time, classes\) for CTC, got shape \(5, 3\)"),
        (LABELS[:3], LOGITS, r"y_true must be \(batch, labels\) with 4 rows for CTC, got shape \(3, 3\)"),
        (LABELS + 1, LOGITS, "labels from 0 to 2 for 3 classes, got 3"),
        (LABELS[:, ::-1], LOGITS, "zeros, which are padding, after the labels of a row"),
        (LABELS, LOGITS[:, :3], "must fit into the steps: row 1 needs 4, got 3"),
        (LABELS + 0.5, LOGITS, "integer labels"),
    ],
)
def test_bad_arguments(y_true: Any, y_pred: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        losses.CTC()(y_true, y_pred)
