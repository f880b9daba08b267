"""Long calls hear of signals: what a handler raises comes out of the middle of a call, and nothing is half done."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, core, kernels, layers

RNG = np.random.default_rng(0)


class Rang(Exception):
    """What the handler raises."""


@contextmanager
def alarm(after: float) -> Iterator[None]:
    """Raise `Rang` in this thread so many seconds from now."""

    def handler(number: int, frame: FrameType | None) -> None:
        raise Rang

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def values(*shape: int) -> Any:
    """Random ones, repeated where there are many: to draw them would take longer than the calls."""
    return np.resize(RNG.standard_normal(10007, dtype=np.float32), shape)


def sequence(cell: Any, **options: Any) -> Callable[[int], Any]:
    layer = cell(128)
    layer.build((None, None, 16))

    def call(n: int) -> Any:
        x = np.broadcast_to(values(8, 1, 16), (8, 50 * n, 16)).copy()
        lengths = np.linspace(1, 50 * n, 8).astype(int) if options else None
        return lambda: layer(x, lengths=lengths)

    return call


def backward(cell: Any) -> Callable[[int], Any]:
    layer = cell(128)
    layer.build((None, None, 16))

    def call(n: int) -> Any:
        pullback = layer.forward(values(8, 20 * n, 16))[1]

        def run() -> Any:
            for w in layer.weights:
                w.zero_grad()
            dx = pullback(np.ones((8, 128), np.float32))
            return [dx, *(w.grad.copy() for w in layer.weights)]

        return run

    return call


def stream(cell: Any) -> Callable[[int], Any]:
    layer = cell(128)
    layer.build((None, None, 16))
    made = layer.stream(8)

    def call(n: int) -> Any:
        x = values(8, 50 * n, 16)

        def run() -> Any:
            before = made.state
            try:
                return made.steps(x)
            except Rang:
                assert all((made.state[name] == a).all() for name, a in before.items())
                raise
            finally:
                made.state = before

        return run

    return call


def product(n: int) -> Any:
    matrix, x = core.Matrix.of(values(1000, 1000), values(1000)), values(400 * n, 1000)
    return lambda: matrix.multiply(x, "tanh")


def product_gradients(n: int) -> Any:
    x, dz = values(400 * n, 1000), values(400 * n, 1000)

    def run() -> Any:
        dW, db = np.zeros((1000, 1000), np.float32), np.zeros(1000, np.float32)
        core.add_gradients(x, dz, dW, db)
        return [dW, db]

    return run


def batched(n: int) -> Any:
    a, b = values(8 * n, 200, 300), values(8 * n, 300, 200)
    return lambda: core.matmul(a, b)


def one_matrix(n: int) -> Any:
    a, b = values(1000 * n, 300), values(300, 200)
    return lambda: core.matmul(a, b)


def fit(n: int) -> Any:
    """The weights and the optimizer are those of before, where it is interrupted."""
    model, x, y = small_model(), values(8, 50 * n, 16), values(8, 1)
    start = model.get_weights()

    def run() -> Any:
        model.set_weights(start)
        steps = model.optimizer.updates
        try:
            return [np.array(model.fit(x, y, verbose=0, shuffle=False).history["loss"])]
        except Rang:
            assert model.optimizer.iterations == steps
            assert all((a == b).all() for a, b in zip(model.get_weights(), start, strict=True))
            raise

    return run


def predict(n: int) -> Any:
    model, x = small_model(), values(8, 50 * n, 16)
    return lambda: model.predict(x, verbose=0)


def small_model() -> Any:
    model = Sequential(
        [
            Input((None, 16)),
            layers.LSTM(32, return_sequences=True),
            layers.BatchNormalization(),
            layers.GRU(32),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    return model


def softmax(n: int) -> Any:
    x = values(2000 * n, 200)
    y = np.empty_like(x)

    def run() -> Any:
        kernels.active().products.activated(x, "softmax", y)
        return y.copy()

    return run


def normalized(n: int) -> Any:
    x, layer = values(5000 * n, 400), layers.LayerNormalization()
    layer.build(x.shape)
    return lambda: layer(x)


CALLS: dict[str, Callable[[], Callable[[int], Any]]] = {
    "rnn": lambda: sequence(layers.SimpleRNN),
    "lstm": lambda: sequence(layers.LSTM),
    "gru": lambda: sequence(layers.GRU),
    "ragged": lambda: sequence(layers.GRU, lengths=True),
    "rnn backward": lambda: backward(layers.SimpleRNN),
    "lstm backward": lambda: backward(layers.LSTM),
    "gru backward": lambda: backward(layers.GRU),
    "stream": lambda: stream(layers.LSTM),
    "product": lambda: product,
    "product_gradients": lambda: product_gradients,
    "product_batched": lambda: batched,
    "matmul": lambda: one_matrix,
    "softmax": lambda: softmax,
    "normalized": lambda: normalized,
    "fit": lambda: fit,
    "predict": lambda: predict,
}
#: Each loop once: Numba multiplies with NumPy's products, and NumPy's loops over time are Python.
TRIED: dict[str, list[str]] = {
    "cython": list(CALLS),
    "numba": [
        name for name in CALLS if " " in name or name in ("rnn", "lstm", "gru", "ragged", "stream", "fit", "predict")
    ],
    "numpy": ["lstm", "product", "matmul"],
}


def lasting(make: Callable[[int], Any], seconds: float) -> tuple[Any, float, Any]:
    """A call that takes so long, how long it takes, and what it gives."""
    n = 1
    while True:
        call, took = make(n), math.inf
        # once more where it was long enough: the first one may have compiled or woken something
        for _ in range(2):
            began = time.perf_counter()
            given = call()
            took = min(took, time.perf_counter() - began)
            if took <= seconds:
                break
        else:
            return call, took, given
        n *= max(2, min(16, round(1.5 * seconds / took)))


def interrupted(call: Callable[[], Any], after: float) -> float:
    """Seconds from the alarm until the call has ended with what the handler raised; infinity if it ended before."""
    began = time.perf_counter()
    with suppress(Rang), alarm(after):
        call()
        return math.inf
    return time.perf_counter() - began - after


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
@pytest.mark.parametrize(("on", "name"), [(on, name) for on, names in TRIED.items() for name in names])
def test_a_long_call_ends_where_a_handler_raises(on: str, name: str) -> None:
    """The first of ten tries that does, as other processes may hold one up; without slices each takes three quarters of
    the call, or more."""
    if kernels.available()[on]:
        pytest.skip(kernels.available()[on])
    with kernels.use(on):
        call, took, wanted = lasting(CALLS[name](), 1.0 if name == "fit" else 0.3)
        assert any(interrupted(call, took / 4) < took / 2 for _ in range(10))
        for a, b in zip(call(), wanted, strict=True):
            np.testing.assert_array_equal(a, b)
