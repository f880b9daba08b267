"""What an object says of itself: its kind, its name, and what it was made with."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import callbacks, initializers, layers, losses, metrics, optimizers, utils

X = np.ones((4, 5, 3), "float32")


def fitted() -> cellstep.Model:
    model = cellstep.Sequential([cellstep.Input((None, 3)), layers.LSTM(4), layers.Dense(1)], name="net")
    model.compile("adam", "mse")
    model.fit(X, X[:, 0, :1], epochs=2, validation_split=0.25, verbose=0)
    return model


class Own(layers.Layer):
    def __init__(self, units: int, sharp: bool = False) -> None:
        super().__init__(name="own")
        self.units, self.sharp = units, sharp


class Watch(callbacks.Callback):
    def __init__(self, every: int = 1) -> None:
        self.every = every


class Squares(utils.PyDataset):
    def __len__(self) -> int:
        return 3


TABLE: list[tuple[Callable[[], Any], str]] = [
    (lambda: layers.LSTM(4, name="a"), "<LSTM a: units=4>"),
    (
        lambda: layers.GRU(4, return_sequences=True, dropout=0.1, name="a"),
        "<GRU a: units=4, dropout=0.1, return_sequences=True>",
    ),
    (
        lambda: layers.Dense(2, activation="relu", use_bias=False, name="a"),
        "<Dense a: units=2, activation='relu', use_bias=False>",
    ),
    (lambda: layers.Dropout(0.5, name="a"), "<Dropout a: rate=0.5>"),
    (lambda: layers.Softmax(name="a"), "<Softmax a>"),
    (lambda: layers.Reshape((2, 3), name="a"), "<Reshape a: target_shape=(2, 3)>"),
    (lambda: layers.TimeDistributed(layers.Dense(2, name="b"), name="a"), "<TimeDistributed a: layer='b'>"),
    (lambda: layers.RNN(layers.LSTMCell(3, name="b"), name="a"), "<RNN a: cell='b'>"),
    (lambda: layers.LSTMCell(3, name="a"), "<LSTMCell a: units=3>"),
    (lambda: layers.InputLayer((3,), name="a"), "<InputLayer a: batch_shape=(None, 3)>"),
    (lambda: Own(3), "<Own own: units=3>"),
    (lambda: Own(3, True), "<Own own: units=3, sharp=True>"),
    (fitted, "<Sequential net: 2 layers, 133 parameters>"),
    (lambda: cellstep.Sequential([layers.LSTM(4)], name="a"), "<Sequential a: 1 layers, not built>"),
    (
        lambda: cellstep.Model((t := cellstep.Input((3,))), layers.Dense(2)(t), name="a"),
        "<Model a: 2 layers, 8 parameters>",
    ),
    (lambda: cellstep.Input((None, 3), name="a"), "<SymbolicTensor a (None, None, 3) float32>"),
    (lambda: layers.Add(name="a")([cellstep.Input((3,))] * 2), "<SymbolicTensor a (None, 3) float32>"),
    (lambda: fitted().weights[-1], r"<Variable path=dense\w*/bias, shape=\(1,\), dtype=float32, value=\[.*\]>"),
    (lambda: fitted().history, "<History of 2 epochs: loss, val_loss>"),
    (lambda: fitted().stream(), "<Stream of net, batch_size=1>"),
    (lambda: optimizers.Adam(0.01), "Adam(learning_rate=0.01)"),
    (
        lambda: optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
        "ExponentialDecay(initial_learning_rate=0.1, decay_steps=10, decay_rate=0.5)",
    ),
    (lambda: losses.Huber(delta=2.0), "Huber(delta=2.0)"),
    (lambda: losses.get(lambda t, p: p), r"FunctionLoss\(name='<lambda>'.*\)"),
    (lambda: metrics.AUC(num_thresholds=9), "AUC(num_thresholds=9)"),
    (lambda: callbacks.EarlyStopping(patience=3), "EarlyStopping(patience=3)"),
    (
        lambda: callbacks.ModelCheckpoint("a.keras", save_best_only=True),
        "ModelCheckpoint(filepath='a.keras', save_best_only=True)",
    ),
    (lambda: callbacks.ReduceLROnPlateau(), "ReduceLROnPlateau()"),
    (lambda: Watch(), "Watch()"),
    (lambda: Watch(3), "Watch(every=3)"),
    (lambda: initializers.Constant(3), "Constant(value=3.0)"),
    (lambda: initializers.GlorotUniform(seed=1), "GlorotUniform(seed=1)"),
    (lambda: cellstep.regularizers.L2(0.1), "L2(l2=0.1)"),
    (lambda: cellstep.constraints.MaxNorm(2), "MaxNorm()"),
    (lambda: cellstep.activations.get("relu"), "<activation relu>"),
    (lambda: Squares(workers=2), "Squares(workers=2)"),
    (
        lambda: utils.timeseries_dataset_from_array(np.arange(10), None, 3, batch_size=4),
        "<8 windows of 3 steps, in batches of 4>",
    ),
    (lambda: cellstep.lab.gradient_flow(["LSTM"], X), "<GradientFlow of LSTM at scales 0.5, 1, 1.5>"),
]


@pytest.mark.parametrize(("make", "said"), TABLE, ids=[said[:24] for _, said in TABLE])
def test_reprs(make: Callable[[], Any], said: str) -> None:
    shown = repr(make())
    assert shown == said or re.fullmatch(said, shown, re.DOTALL), shown


@pytest.mark.parametrize(
    "module", [layers, callbacks, optimizers, metrics, losses, initializers], ids=lambda m: m.__name__
)
def test_no_object_shows_an_address(module: Any) -> None:
    for name in dir(module):
        kind = getattr(module, name)
        if isinstance(kind, type):
            assert kind.__repr__ is not object.__repr__ or name in ("CallbackList", "Pullback", "StreamState"), name
