"""Outputs in lists and dictionaries within one another: targets, losses, weights and metrics in their structure."""

from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, layers

X, ONE = np.ones((4, 3), "float32"), np.ones((4, 1))
#: Outputs, loss, weights, metrics, targets; and Keras's sum of the losses, those of the outputs, and its metrics.
CASES: dict[str, Any] = {
    "lists": (
        lambda a, b, c: [a, [b, c]],
        ["mse", ["mae", "mse"]],
        [1.0, [2.0, 3.0]],
        [["mae"], [["mse"], ["mae"]]],
        [ONE, [ONE, 0 * ONE]],
        (35, [2, 4, 9], {"a_mae": 2, "b_mse": 4, "c_mae": 3}),
    ),
    "dictionaries": (
        lambda a, b, c: {"p": a, "q": {"r": b, "s": c}},
        {"p": "mse", "q": {"r": "mae", "s": "mse"}},
        {"p": 1.0, "q": {"r": 2.0, "s": 3.0}},
        None,
        {"p": ONE, "q": {"r": ONE, "s": 0 * ONE}},
        (35, [2, 4, 9], {}),
    ),
    "a list in a dictionary": (
        lambda a, b, c: {"p": a, "q": [b, c]},
        {"p": "mse", "q": ["mae", "mse"]},
        None,
        None,
        {"p": ONE, "q": [ONE, 0 * ONE]},
        (15, [2, 4, 9], {}),
    ),
    "flat": (
        lambda a, b, c: [a, [b, c]],
        ["mse", "mae", "mse"],
        None,
        None,
        [ONE, ONE, 0 * ONE],
        (15, [2, 4, 9], {}),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_outputs_are_given_is_nested_as_they_are(name: str) -> None:
    outputs, loss, weights, metrics, y, (total, parts, measured) = CASES[name]
    x = Input((3,))
    model = Model(x, outputs(*(layers.Dense(1, name=n, kernel_initializer="ones")(x) for n in "abc")))
    model.compile("sgd", loss=loss, loss_weights=weights, metrics=metrics)
    found = model.fit(X, y, verbose=0, validation_data=(X, y)).history
    assert found["loss"] == [total]
    assert sorted(found[n][0] for n in found if n.endswith("_loss") and n[:3] != "val") == parts
    assert {n: found[n][0] for n in measured} == measured
    again = Model.from_config(model.get_config())
    again.compile_from_config(model.get_compile_config())
    assert list(again.evaluate(X, y, verbose=0, return_dict=True)) == list(
        model.evaluate(X, y, verbose=0, return_dict=True)
    )


def test_another_structure_is_refused() -> None:
    x = Input((3,))
    model = Model(x, [layers.Dense(1)(x), [layers.Dense(1)(x), layers.Dense(1)(x)]])
    model.compile("sgd", loss=["mse", "mae"])
    with pytest.raises(ValueError, match="loss must have 3 entries, one an output, got 2"):
        model.fit(X, [ONE, [ONE, ONE]], verbose=0)
