"""What the tables of mistakes are made of: data, small models, and the form that every message has."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import (
    Input,
    Model,
    Sequential,
    callbacks,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    utils,
)
from cellstep.configured import Constructed, keyword_names

#: What was done, how, the exception, and the whole sentence.
Row = tuple[str, Callable[[], Any], type[Exception], str]

B, T, I, H, C = 4, 5, 3, 6, 3  # noqa: E741
rng = np.random.default_rng(0)
X = rng.standard_normal((B, T, I)).astype("float32")
Y = rng.standard_normal((B, 1)).astype("float32")
YT = rng.standard_normal((B, T, 1)).astype("float32")
LAB = np.array([0, 1, 2, 1])
ONE = np.eye(3, dtype="float32")[LAB]
TOK = np.array([[1, 2, 0, 6, 3]] * B)
M = np.ones((B, T), bool)
S = np.zeros((B, H), "float32")


def _compiled(made: list[Any], loss: str, options: dict[str, Any]) -> Sequential:
    model = Sequential(made)
    model.compile(**({"optimizer": "sgd", "loss": loss} | options))
    return model


def reg(**options: Any) -> Sequential:
    """One number a sequence."""
    return _compiled([Input((None, I)), layers.LSTM(H), layers.Dense(1)], "mse", options)


def seq(**options: Any) -> Sequential:
    """One number a step."""
    made = [Input((None, I)), layers.LSTM(H, return_sequences=True), layers.Dense(1)]
    return _compiled(made, "mse", options)


def clf(loss: str = "sparse_categorical_crossentropy", units: int = C, act: str = "softmax", **options: Any) -> Any:
    """One class a sequence."""
    return _compiled([Input((None, I)), layers.GRU(H), layers.Dense(units, activation=act)], loss, options)


def tag(loss: str = "sparse_categorical_crossentropy", **options: Any) -> Sequential:
    """One class a step."""
    made = [Input((None, I)), layers.GRU(H, return_sequences=True), layers.Dense(C, activation="softmax")]
    return _compiled(made, loss, options)


def flat() -> Sequential:
    return _compiled([Input((I,)), layers.Dense(1)], "mse", {})


def fixed() -> Sequential:
    return _compiled([Input((T, I)), layers.LSTM(H), layers.Dense(1)], "mse", {})


def bare() -> Sequential:
    """Without an Input."""
    return _compiled([layers.LSTM(H), layers.Dense(1)], "mse", {})


def swapped() -> Sequential:
    return _compiled([Input((I, T)), layers.LSTM(3), layers.Dense(1)], "mse", {})


def words(integers: bool = True) -> Sequential:
    head = [Input((None,), dtype="int32")] if integers else []
    return _compiled([*head, layers.Embedding(7, 4), layers.LSTM(H), layers.Dense(1)], "mse", {})


def stateful(batch_size: int | None = None) -> Sequential:
    made = [Input((T, I), batch_size=batch_size), layers.LSTM(H, stateful=True), layers.Dense(1)]
    return _compiled(made, "mse", {})


def two() -> Model:
    """Two inputs."""
    a, b = Input((None, I), name="a"), Input((None, I), name="b")
    model = Model([a, b], layers.Dense(1)(layers.Concatenate()([layers.LSTM(H)(a), layers.LSTM(H)(b)])))
    model.compile("sgd", "mse")
    return model


def ends(**options: Any) -> Model:
    """Two outputs."""
    x = Input((None, I))
    h = layers.LSTM(H)(x)
    model = Model(x, [layers.Dense(1, name="p")(h), layers.Dense(3, activation="softmax", name="q")(h)])
    model.compile(**({"optimizer": "sgd", "loss": ["mse", "sparse_categorical_crossentropy"]} | options))
    return model


def lstm(**options: Any) -> layers.LSTM:
    layer = layers.LSTM(H, **options)
    layer.build((None, None, I))
    return layer


def batches(batch: Any, n: int = 2) -> Any:
    """A generator."""
    for _ in range(n):
        yield batch


def fit(model: Any, *args: Any, **options: Any) -> Any:
    return model.fit(*args, **({"verbose": 0} | options))


def rows(table: Sequence[Row]) -> Any:
    """Parametrizes a test by a table."""
    return pytest.mark.parametrize(("make", "error", "sentence"), [row[1:] for row in table], ids=[r[0] for r in table])


def check(make: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    """The call raises this, word for word."""
    layers.reset_names()
    with pytest.raises(error) as caught:
        make()
    assert type(caught.value) is error
    assert str(caught.value) == sentence


def _arguments(modules: Sequence[Any]) -> set[str]:
    """The names of all arguments of the public functions, classes and their methods."""
    found: set[str] = set()
    for module in modules:
        for name in getattr(module, "__all__", dir(module)):
            thing = getattr(module, name)
            methods = [getattr(thing, m) for m in dir(thing) if m[0] != "_" or m == "__call__"]
            for function in [thing, *methods] if isinstance(thing, type) else [thing]:
                if isinstance(function, type) and issubclass(function, Constructed):
                    found |= keyword_names(function) or set()
                elif inspect.isfunction(function) or isinstance(function, type):
                    with contextlib.suppress(TypeError, ValueError):
                        found |= set(inspect.signature(function).parameters)
    return found - {"self", "args", "options"}


def check_form(table: Sequence[Row], *more: Any) -> None:
    """Every message is one sentence on one line, not long, names an argument and what was wanted; none is twice.

    Args:
        table: the rows. more: modules with further arguments.
    """
    public = (
        cellstep,
        callbacks,
        initializers,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        optimizers.schedules,
        utils,
    )
    known = _arguments([*public, *more])
    for what, _, _, sentence in table:
        assert "\n" not in sentence, what
        assert len(sentence) < 300, what
        assert not re.search(r"[.!?] +[A-Z]", sentence), what
        assert not sentence.endswith((".", "!", "?")), what
        assert re.search(r"\b(expected|must|should|takes|needs?|has|have|is|knows?|can|cannot)\b", sentence), what
        assert set(re.findall(r"[A-Za-z_]\w*", sentence)) & known, what
    assert len({row[0] for row in table}) == len(table)
    assert len({row[3] for row in table}) == len(table)
