"""One fixed result of every kind that draws: small nets with fixed seeds, and scores made by a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lab.models import MODELS, make

from cellstep import Input, Sequential, lab, layers, seeds
from cellstep.lab import tasks

STEPS = 12


def sequences() -> np.ndarray:
    """(4, STEPS, 2): waves, without any random number."""
    t = np.arange(STEPS)[None, :, None]
    row, feature = np.arange(4)[:, None, None], np.arange(2)[None, None, :]
    return np.sin(0.9 * t + row + 1.7 * feature).astype(np.float32)


def net(layer: type[layers.RNN], name: str) -> Sequential:
    with seeds.seeded(4):
        model = Sequential([Input((None, 2)), layer(6, name=name), layers.Dense(1, name="head")], name="net")
    model.compile("sgd", "mse")
    return model


def bptt() -> Any:
    return lab.bptt(net(layers.LSTM, "memory"), sequences(), np.ones((4, 1), np.float32))


def flow() -> Any:
    return lab.gradient_flow(["SimpleRNN", "LSTM", "GRU"], sequences(), units=8, seed=1)


def clipped_flow() -> Any:
    nets = ["SimpleRNN", "LSTM"]
    return lab.gradient_flow(nets, sequences(), np.ones((4, 1)), scales=(1.0, 3.0), clipnorm=0.1, units=8)


def lstm_gates() -> Any:
    return lab.gates(net(layers.LSTM, "memory"), sequences())


def gru_gates() -> Any:
    return lab.gates(net(layers.GRU, "memory"), sequences())


def lyapunov() -> Any:
    return lab.lyapunov(net(layers.SimpleRNN, "memory"), sequences())


def monitor() -> Any:
    watch = lab.GradientMonitor(vanishing=0.0, saturated=1.0, dead=1.0)
    with seeds.seeded(2):
        net(layers.GRU, "memory").fit(
            sequences(), np.ones((4, 1), np.float32), batch_size=2, epochs=8, verbose=0, callbacks=[watch]
        )
    return watch


def comparison() -> Any:
    """Three cells, three lengths, five seeds, six checks; later checks are better, longer lengths worse."""
    cell, length, seed, check = np.ogrid[1:4, 1:4, 1:6, 1:7]
    scores = 0.17 * length / 3 / cell * (1 + 0.15 * np.cos(3.0 * seed + cell)) * 3 / (2 + check)
    seconds = 0.01 * check * (1 + 0.1 * cell) + 0 * scores
    return lab.Comparison(
        *(tasks.get("adding"), ("SimpleRNN", "LSTM", "GRU"), "parameters", 600, np.array([10, 25, 50])),
        *(np.arange(5), np.full((3, 3), 24), np.full((3, 3), 2000), (100 * check + 0 * scores).astype(int)),
        *(seconds, scores, np.full((3, 5), 1 / 6)),
    )


def unrolled(name: str, fold: bool) -> Callable[[], Any]:
    return lambda: lab.unroll(make(name), MODELS[name][1], fold=fold)


#: Models whose drawings are kept, and whether with their loop.
DRAWN = {"many_to_one": True, "both_ways": False, "attender": False}
RESULTS: dict[str, Callable[[], Any]] = {
    "bptt": bptt,
    "flow": flow,
    "clipped_flow": clipped_flow,
    "lstm_gates": lstm_gates,
    "gru_gates": gru_gates,
    "lyapunov": lyapunov,
    "monitor": monitor,
    "comparison": comparison,
    **{name: unrolled(name, fold) for name, fold in DRAWN.items()},
}
