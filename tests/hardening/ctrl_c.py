"""Ctrl-C in the middle of calls of several seconds, each in a child process: how long until KeyboardInterrupt comes
out, and whether the weights are as before.

    ctrl_c.py [KIND]...
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cellstep import Input, Sequential, cells, layers


def built(layer: Any) -> Any:
    layer.build((None, None, 128))
    return layer


def recurrent(kind: Any = layers.LSTM, units: int = 512, **options: Any) -> Any:
    return built(kind(units, return_sequences=True, **options))


def net() -> Any:
    model = Sequential([Input((None, 128)), layers.LSTM(512, return_sequences=True), layers.Dense(10)])
    model.compile("adam", "mse")
    return model


def kinds(x: Any, row: Any) -> dict[str, Callable[[], tuple[Any, Callable[[], Any]]]]:
    """Of each a layer or a model, and the call."""

    def of(layer: Any, x: Any = x) -> tuple[Any, Callable[[], Any]]:
        return layer, lambda: layer(x)

    def backward() -> tuple[Any, Callable[[], Any]]:
        layer = recurrent()
        y, back = layer.forward(x[:, :1000])
        return layer, lambda: back(np.ones_like(y))

    def fitted() -> tuple[Any, Callable[[], Any]]:
        model = net()
        return model, lambda: model.fit(x[:, :1500], np.zeros((64, 1500, 10), "f4"), batch_size=64, verbose=0)

    return {
        "layer": lambda: of(recurrent()),
        "directions": lambda: of(built(layers.Bidirectional(layers.LSTM(512, return_sequences=True)))),
        "stack": lambda: of(recurrent(num_layers=3)),
        "one row": lambda: of(recurrent(units=1500), row),
        "written": lambda: of(recurrent(cells.PeepholeLSTM.Layer)),
        "backward": backward,
        "fit": fitted,
    }


def child(kind: str) -> None:
    x, row = np.zeros((64, 3000, 128), np.float32), np.zeros((1, 30000, 128), np.float32)
    what, call = kinds(x, row)[kind]()
    before, sent = what.get_weights(), []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.0, send)
    timer.start()
    try:
        call()
        print(f"{kind:12} ended before")
    except KeyboardInterrupt:
        took = time.perf_counter() - sent[0]
        whole = all(map(np.array_equal, before, what.get_weights()))
        print(f"{kind:12} {took * 1e3:6.0f} ms, weights {'as before' if whole else 'changed'}")
    timer.cancel()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        for kind in sys.argv[1:] or kinds(None, None):
            subprocess.run([sys.executable, __file__, "--child", kind], check=True)
