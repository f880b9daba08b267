"""partial_fit: passes over parts of the data, which go on from those before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from cellstep.sklearn import RNNClassifier, RNNRegressor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 6, 2))
LABELS = np.array(["a", "b", "c"])[RNG.integers(0, 3, 30)]
NUMBERS = RNG.standard_normal((30, 2))
OPTIONS: dict[str, Any] = {"units": 5, "random_state": 0, "batch_size": 8}


def weights(net: Any) -> list[Any]:
    return net.model_.get_weights()


@pytest.mark.parametrize(("kind", "y"), [(RNNClassifier, LABELS), (RNNRegressor, NUMBERS)], ids=["labels", "numbers"])
def test_three_passes_are_a_fit_of_three_epochs(kind: Any, y: Any) -> None:
    whole, parts = kind("gru", epochs=3, **OPTIONS).fit(X, y), kind("gru", **OPTIONS)
    for _ in range(3):
        parts.partial_fit(X, y, **({"classes": ["c", "a", "b"]} if y is LABELS else {}))
    assert all(map(np.array_equal, weights(whole), weights(parts)))
    np.testing.assert_array_equal(whole.predict(X), parts.predict(X))
    assert parts.loss_curve_ == whole.loss_curve_
    assert parts.n_iter_ == 3
    parts.partial_fit(X[:5], y[:5])
    assert parts.n_iter_ == 4
    parts.fit(X, y)  # anew
    assert parts.n_iter_ == 50


def test_what_does_not_fit_changes_nothing() -> None:
    net = RNNClassifier("gru", **OPTIONS)
    with pytest.raises(ValueError, match="classes must be given in the first call of partial_fit, got None"):
        net.partial_fit(X, LABELS)
    net.partial_fit(X, LABELS, classes=["a", "b", "c"])
    before = weights(net)
    for x, y, classes, said in (
        (X, np.where(LABELS == "a", "z", LABELS), None, "expected y to hold labels among classes, got 'z'"),
        (X, LABELS, ["a", "b"], "classes must be those of the first call"),
        (X[:, :, :1], LABELS, None, "X has 1 features"),
        (X[:, :, 0], LABELS, None, "expected X to be sequences"),
    ):
        with pytest.raises(ValueError, match=said):
            net.partial_fit(x, y, classes)
    assert all(map(np.array_equal, weights(net), before))
    numbers = RNNRegressor("gru", **OPTIONS).partial_fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"expected y of shape \('n', 2\) as before, got \(30,\)"):
        numbers.partial_fit(X, NUMBERS[:, 0])
    with pytest.raises(ValueError, match="class_weight='balanced' needs all data at once"):
        RNNClassifier("gru", class_weight="balanced", **OPTIONS).partial_fit(X, LABELS, LABELS)
