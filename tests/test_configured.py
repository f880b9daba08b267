"""What constructors share: no metaclass, signatures that `help` shows, arguments that configurations hold."""

from __future__ import annotations

import copy
import inspect
import pickle
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import callbacks, initializers, layers, losses, metrics, optimizers, regularizers
from cellstep.configured import arguments_of, parameter_names

KINDS = (
    *(layers.LSTM, layers.GRUCell, layers.Dense, cellstep.Sequential, losses.Huber, metrics.AUC, optimizers.Adam),
    *(optimizers.schedules.CosineDecay, initializers.Orthogonal, regularizers.L1, callbacks.EarlyStopping),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_class_is_plain_and_shows_its_constructor(kind: Any) -> None:
    assert type(kind) is type
    shown, written = (list(inspect.signature(of).parameters.values()) for of in (kind, kind.__init__))
    named = [p for p in written[1:] if p.kind is not p.VAR_KEYWORD]
    assert shown[: len(named)] == named
    assert [p.name for p in named] == list(parameter_names(kind.__init__))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (layers.LSTM, {"name": None, "dtype": None, "trainable": True}),
        (layers.GRUCell, {"name": None, "dtype": None, "trainable": True}),
        (layers.Dense, {"name": None, "dtype": None, "trainable": True}),
        (layers.Bidirectional, {"name": None, "dtype": None, "trainable": True, "activity_regularizer": None}),
        (optimizers.Adam, {"clipnorm": None, "use_ema": False, "ema_momentum": 0.99, "name": None}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_signature_spells_the_options_that_are_handed_on(kind: Any, options: dict[str, Any]) -> None:
    shown = inspect.signature(kind).parameters
    assert not any(p.kind is p.VAR_KEYWORD for p in shown.values())
    for name, default in options.items():
        assert shown[name].default == default
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_a_users_options_are_shown_as_written() -> None:
    class Own(layers.LSTM):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(units, **options)

    assert list(inspect.signature(Own).parameters) == ["units", "options"]


def test_an_object_that_can_be_called_shows_its_call() -> None:
    assert list(inspect.signature(losses.MeanSquaredError()).parameters) == [
        *("y_true", "y_pred", "sample_weight", "mask")
    ]


def test_a_class_without_a_constructor_takes_no_arguments() -> None:
    assert str(inspect.signature(initializers.Zeros)) == "()"
    with pytest.raises(TypeError, match=r"^Zeros\(\) takes no arguments$"):
        initializers.Zeros("float32")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Zeros takes no argument 'dtype'$"):
        initializers.Zeros(dtype="float32")  # type: ignore[call-arg]


def test_abstract_classes_of_the_users_may_be_mixed_in() -> None:
    class Scaled(ABC):
        @abstractmethod
        def factor(self) -> float: ...

    class Scale(layers.Layer, Scaled):
        def __init__(self, by: float, **options: Any) -> None:
            super().__init__(**options)
            self.by = by

        def factor(self) -> float:
            return self.by

        def forward(self, x: Any) -> Any:
            return x * self.by, lambda dy, need_dx=True: dy * self.by

    assert Scale(2.0)(np.ones((1, 2), "float32")).tolist() == [[2.0, 2.0]]
    assert Scale(2.0, name="a").get_config() == {"name": "a", "trainable": True, "dtype": "float32", "by": 2.0}


class Base(layers.Layer):
    def __init__(self, by: float, **options: Any) -> None:
        super().__init__(**options)
        self.by = by


class Derived(Base):
    """Has no constructor of its own."""


def test_a_users_constructor_that_is_inherited_is_written_too() -> None:
    config = Derived(3.0).get_config()
    assert config["by"] == 3.0
    assert Derived.from_config(config).by == 3.0


def test_copies_and_pickles_need_no_arguments() -> None:
    for thing in (Derived(3.0), layers.LSTM(2), optimizers.Adam(0.1), losses.Huber(0.5)):
        for again in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
            assert again.get_config() == thing.get_config()


def test_older_arguments_reach_a_users_layer() -> None:
    with pytest.warns(UserWarning, match="^input_shape of Derived is older Keras") as caught:
        layer = Derived(3.0, input_shape=(5, 3))
    assert layer.asked_shape == (5, 3)
    assert caught[0].filename == __file__


def test_a_layer_of_a_cell_takes_no_other() -> None:
    with pytest.raises(TypeError, match=r"^LSTM takes no argument 'cell'; RNN runs a cell that is given$"):
        layers.LSTM(2, cell=layers.GRUCell(2))  # type: ignore[call-arg]


def test_arguments_are_handed_on_as_they_came() -> None:
    def constructor(self: Any, units: int, bias: bool = True, **options: Any) -> dict[str, Any]:
        return arguments_of(locals())

    assert constructor(None, 3, name="a") == {"units": 3, "bias": True, "name": "a"}


def test_lazy_names_are_all_there() -> None:
    for package in (cellstep, cellstep.lab):
        assert {*package.__all__} <= {*dir(package)}
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match=f"^module {package.__name__!r} has no attribute 'nothing'$"):
            package.nothing  # type: ignore[attr-defined]  # noqa: B018
