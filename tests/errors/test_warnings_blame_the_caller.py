"""Warnings point at the line of the user's that caused them, however deep in the package they are given."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mistakes import X

from cellstep import Input, Sequential, callbacks, layers, losses


def net() -> Sequential:
    model = Sequential([Input((5, 3)), layers.LSTM(4), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def dataset() -> Any:
    yield from [(X[:2], np.ones((2, 1), "f4"))] * 2


CAUSES: dict[str, Callable[[], Any]] = {
    "a softmax of one unit": lambda: layers.Dense(1, activation="softmax"),
    "a metric that there is not": lambda: net().fit(
        X, np.ones((len(X), 1)), verbose=0, callbacks=[callbacks.EarlyStopping("acc")]
    ),
    "an iterable that ends": lambda: net().fit(dataset(), epochs=3, steps_per_epoch=2, verbose=0),
    "evaluation that runs out": lambda: net().evaluate(dataset(), steps=9, verbose=0),
    "one class": lambda: losses.CategoricalCrossentropy()(np.ones((3, 1)), np.ones((3, 1))),
    "labels beyond 1": lambda: losses.BinaryCrossentropy()(np.full((3, 1), 2.0), np.full((3, 1), 0.5)),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_warning_names_this_file(cause: str) -> None:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        CAUSES[cause]()
    assert given
    assert {warning.filename for warning in given} == {__file__}
