"""Constructors of layers, argument by argument, against those of real Keras; what differs stands here."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import pytest

from cellstep import layers
from cellstep.lookup import why_left_out

#: What every Keras layer takes by keyword.
SHARED = {"name", "dtype", "trainable", "activity_regularizer"}
#: Of every cell and its layer.
NOISE = {"weight_dropout", "zoneout"}
#: Arguments that Keras has not, or takes in **kwargs.
MORE: dict[str, set[str]] = {
    "AdditiveAttention": {"seed"},
    "Embedding": {"sparse"},
    "GRU": {"implementation", "zero_output_for_mask", "num_layers", "trainable_initial_state", "recompute", *NOISE},
    "GRUCell": {"implementation", *NOISE},
    "LSTM": {"implementation", "zero_output_for_mask", "num_layers", "trainable_initial_state", "recompute", *NOISE},
    "LSTMCell": {"implementation", *NOISE},
    "Lambda": {"pullback"},
    "LayerNormalization": {"rms_scaling"},
    "RNN": {"trainable_initial_state", "recompute"},
    "SimpleRNNCell": NOISE,
    "SimpleRNN": {"zero_output_for_mask", "num_layers", "trainable_initial_state", "recompute", *NOISE},
}
#: Arguments that are of no use here: there is no other precision than a layer's dtype.
LESS = {"Layer": {"autocast"}}
#: Cells have outputs, but no penalty of them: Keras takes it, and in training fails on it unless it unrolls.
NO_PENALTY = {"GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells", "InputLayer"}

NAMES = sorted(
    name
    for name in layers.__all__
    if inspect.isclass(getattr(layers, name)) and inspect.isclass(getattr(keras.layers, name, None))
)


def arguments(kind: Any) -> tuple[dict[str, Any], list[str]]:
    """Defaults by name, and the names that may come by position, in order."""
    found = list(inspect.signature(kind.__init__).parameters.values())[1:]
    named = [p for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return {p.name: p.default for p in named}, [p.name for p in named if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_defaults_and_order(name: str) -> None:
    ours, order = arguments(getattr(layers, name))
    theirs, their_order = arguments(getattr(keras.layers, name))
    less = LESS.get(name, set())
    assert {key: ours[key] for key in theirs if key not in less} == {k: v for k, v in theirs.items() if k not in less}
    assert set(ours) - set(theirs) - SHARED == MORE.get(name, set())
    wanted = [key for key in their_order if key not in less]
    assert order[: len(wanted)] == wanted or name == "Layer"


@pytest.mark.parametrize("name", sorted({"Input", "add", "concatenate", "dot", "multiply"}))
def test_functions(name: str) -> None:
    ours, theirs = (
        [p.name for p in inspect.signature(getattr(kind, name)).parameters.values() if p.kind is not p.VAR_KEYWORD]
        for kind in (layers, keras.layers)
    )
    assert ours == theirs


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_PENALTY])
def test_every_layer_takes_what_keras_gives_all(name: str) -> None:
    kind = getattr(layers, name)
    named, _ = arguments(kind)
    takes_more = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(kind.__init__).parameters.values())
    assert takes_more or set(named) >= SHARED


def test_every_layer_of_keras_is_here_or_a_sentence_says_what_to_use() -> None:
    names = [name for name in dir(keras.layers) if name[0].isupper() and not hasattr(layers, name)]
    assert [name for name in names if not why_left_out(name)] == []
