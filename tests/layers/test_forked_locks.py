"""Locks are free in a forked child, also where a thread of the parent held them: layers and models work there."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, layers
from cellstep.layers.locks import new_lock

X, Y = np.ones((8, 6, 3), "float32"), np.ones((8, 1), "float32")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_finds_locks_free() -> None:
    lock, held, done = new_lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=30) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not lock.acquire(blocking=False)
    done.set()
    thread.join()


WORK: dict[str, Any] = {
    "layer": lambda model: model.layers[0].forward(X)[1](np.ones((8, 4), "float32")),
    "predict": lambda model: model.predict(X, verbose=0),
    "evaluate": lambda model: model.evaluate(X, Y, verbose=0),
    "gradients": lambda model: model.gradients(X, Y),
    "fit": lambda model: model.fit(X, Y, verbose=0),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", WORK)
def test_a_child_works_while_a_thread_of_its_parent_trains(name: str) -> None:
    model = Sequential([Input((6, 3)), layers.LSTM(4), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    stop = threading.Event()

    def train() -> None:
        while not stop.is_set():
            model.fit(X, Y, batch_size=2, verbose=0)
            WORK["layer"](model)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                signal.alarm(30)  # ends a child that waits for a thread it does not have
                try:
                    WORK[name](model)
                finally:
                    os._exit(sys.exc_info()[0] is not None)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()
