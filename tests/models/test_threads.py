"""One model in several threads: the numbers of each call are its own, and steps of training are whole."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Model, Sequential, callbacks, layers, metrics


@pytest.fixture(autouse=True)
def _often() -> Iterator[None]:
    """Threads take turns after each few lines."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def data(seed: int, n: int = 40) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 4, 3)).astype("f4"), rng.standard_normal((n, 1)).astype("f4")


def make() -> Any:
    model = Sequential([Input((4, 3)), layers.GRU(4), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae", metrics.RootMeanSquaredError()])
    return model


@pytest.mark.parametrize("met", [True, False], ids=["after a first call", "from the first call on"])
def test_evaluations_in_threads_give_what_they_give_alone(met: bool) -> None:
    model, again = make(), make()
    again.set_weights(model.get_weights())
    alone = [again.evaluate(*data(seed), batch_size=4, verbose=0) for seed in range(8)]
    if met:
        model.evaluate(*data(9), verbose=0)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(6):
            found = list(pool.map(lambda seed: model.evaluate(*data(seed), batch_size=4, verbose=0), range(8)))
            assert found == alone
    assert [m.result() for m in model.metrics] in alone


def test_a_call_beside_another_shows_its_numbers_to_its_callbacks_and_leaves_the_others() -> None:
    model = make()
    x, y = data(0)
    wanted = model.evaluate(*data(1), batch_size=4, verbose=0)
    model.fit(x, y, batch_size=4, verbose=0)
    weights = model.get_weights()
    alone = make()
    alone.set_weights(weights)
    expected = alone.evaluate(*data(1), batch_size=4, verbose=0)
    assert expected != wanted
    seen: list[Any] = []
    inside = threading.Event()
    go_on = threading.Event()

    class Stop(callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            inside.set()
            go_on.wait(60)

    class See(callbacks.Callback):
        def on_test_end(self, logs: Any = None) -> None:
            seen.append([m.result() for m in self.model.metrics])

    first: list[Any] = []
    other = threading.Thread(
        target=lambda: first.append(model.evaluate(x, y, batch_size=4, verbose=0, callbacks=[Stop()]))
    )
    other.start()
    inside.wait(60)
    found = model.evaluate(*data(1), batch_size=4, verbose=0, callbacks=[See()])
    go_on.set()
    other.join()
    assert found == seen[0] == expected
    assert first[0] == alone.evaluate(x, y, batch_size=4, verbose=0)
    assert [m.result() for m in model.metrics] == first[0]


def test_metrics_that_are_attributes_serve_one_thread_after_the_other() -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.mean = layers.Dense(1), metrics.Mean(name="mean")

        def call(self, x: Any) -> Any:
            return self.dense(x)

        def test_step(self, data: Any) -> Any:
            x, y = data
            self.mean.update_state(np.abs(self(x) - y))
            return {"mean": self.mean.result()}

    model = Own()
    model.compile("sgd", "mse")
    sets = [(x[:, 0], y) for x, y in map(data, range(8))]
    alone = [model.evaluate(*s, batch_size=4, verbose=0) for s in sets]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda s: model.evaluate(*s, batch_size=4, verbose=0), sets)) == alone


def test_steps_of_training_in_threads_are_whole() -> None:
    """Plain gradient descent on one batch: the order of equal steps does not matter."""
    model, alone = make(), make()
    model.compile("sgd", "mse")
    alone.compile("sgd", "mse")
    alone.set_weights(model.get_weights())
    x, y = data(0)
    losses = sorted(alone.train_on_batch(x, y) for _ in range(24))
    with ThreadPoolExecutor(6) as pool:
        found = sorted(pool.map(lambda _: model.train_on_batch(x, y), range(24)))
    assert found == losses
    for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_metrics_made_apart_while_another_thread_makes_the_losses_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other thread comes to its first batch just after the copy."""
    model = make()
    model.compile("sgd", "mse", loss_weights=[0.5])
    compiled = model._trainer.ready("a test")
    plain = copy.copy

    def interleaved(value: Any) -> Any:
        made = plain(value)
        compiled.outputs(["a"])
        return made

    monkeypatch.setattr(copy, "copy", interleaved)
    apart = compiled.apart()
    assert apart.losses == compiled.losses
    assert apart.weights == [0.5]
