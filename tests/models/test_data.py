"""Where batches come from: arrays, iterables that restart, generators; epochs of a given number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from nets import X, Y, linear


class Batches:
    """An iterable of batches that can be iterated again, of known length."""

    def __init__(self, size: int, *arrays: Any) -> None:
        self.size, self.arrays, self.passes = size, arrays, 0

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // self.size)

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        for i in range(0, len(self.arrays[0]), self.size):
            yield tuple(a[i : i + self.size] for a in self.arrays)


def test_batches_from_an_iterable_train_as_arrays_do() -> None:
    weights = np.arange(10.0)
    by_array, by_batch = linear(), linear()
    wanted = by_array.fit(X, Y, 4, 3, 0, sample_weight=weights, shuffle=False, validation_data=(X, Y)).history
    source = Batches(4, X, Y, weights)
    history = by_batch.fit(source, epochs=3, verbose=0, validation_data=Batches(4, X, Y))
    assert source.passes == 3
    assert history.params["steps"] == 3
    np.testing.assert_allclose(history.history["loss"], wanted["loss"])
    np.testing.assert_allclose(history.history["val_loss"], wanted["val_loss"])
    assert by_batch.evaluate(Batches(4, X, Y), verbose=0) == by_array.evaluate(X, Y, batch_size=4, verbose=0)
    assert np.array_equal(by_batch.predict(Batches(4, X, Y)), by_array.predict(X, batch_size=4))
    assert np.array_equal(by_batch.predict(iter([X[:4], X[4:]])), by_array.predict(X, batch_size=4)[:])


def test_a_generator_goes_on_from_epoch_to_epoch() -> None:
    drawn: list[int] = []

    def endless() -> Iterator[Any]:
        while True:
            drawn.append(len(drawn))
            yield X, Y

    net = linear()
    history = net.fit(endless(), epochs=3, steps_per_epoch=2, verbose=0)
    assert len(drawn) == 6
    assert history.epoch == [0, 1, 2]
    net.evaluate(endless(), steps=3, verbose=0)
    assert len(net.predict(endless(), steps=2)) == 20


def test_a_generator_that_ends_ends_the_training_with_a_warning() -> None:
    net = linear()
    with pytest.warns(UserWarning, match="x ran out of batches in epoch 2"):
        history = net.fit(((X, Y) for _ in range(3)), epochs=3, verbose=0)
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match="x ran out of batches in epoch 2"):
        history = net.fit(((X, Y) for _ in range(3)), epochs=3, steps_per_epoch=2, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.raises(ValueError, match="x must give at least one batch"):
        net.fit(iter(()), verbose=0)


def test_steps_cut_arrays_into_epochs_that_follow_each_other() -> None:
    seen = []
    net = linear(metrics=[lambda y_true, y_pred: seen.append(len(y_true)) or np.zeros(len(y_true))])
    with pytest.warns(UserWarning, match="x ran out of batches after 1 of steps_per_epoch=2"):
        net.fit(X, Y, batch_size=4, epochs=3, steps_per_epoch=2, verbose=0)
    assert seen == [4, 4, 2, 4, 4]
    seen.clear()
    net.fit(X, Y, steps_per_epoch=5, verbose=0)
    assert seen == [2] * 5
