"""SwapEMAWeights: evaluation and files see the averages, training does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nets import X, Y, linear

from cellstep import callbacks, optimizers

FIT = {"epochs": 3, "batch_size": 4, "verbose": 0, "shuffle": False, "validation_data": (X, Y)}


def net() -> Any:
    made = linear()
    made.set_weights([np.arange(w.size, dtype=w.dtype).reshape(w.shape) / 4 for w in made.get_weights()])
    made.compile(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.6), "mse")
    return made


class Seen(callbacks.Callback):
    """What the weights and the averages are at the end of each epoch, and during validation."""

    def __init__(self) -> None:
        self.weights: list[Any] = []
        self.averages: list[Any] = []
        self.tested: list[Any] = []

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.tested.append(self.model.get_weights()[0])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        kernel = self.model.trainable_weights[0]
        self.weights.append(kernel.numpy())
        self.averages.append(self.model.optimizer.slot("average", kernel).reshape(kernel.shape).copy())


def test_validation_is_of_the_averages_and_training_as_without() -> None:
    plain, swapping = net(), net()
    seen, other = Seen(), Seen()
    wanted = plain.fit(X, Y, callbacks=[seen], **FIT).history
    found = swapping.fit(X, Y, callbacks=[callbacks.SwapEMAWeights(), other], **FIT).history
    np.testing.assert_array_equal(found["loss"], wanted["loss"])
    for a, b in zip(seen.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    for average, tested in zip(seen.averages, other.tested[:: len(other.tested) // 3], strict=True):
        np.testing.assert_array_equal(tested, average)
    assert (np.array(found["val_loss"]) != wanted["val_loss"]).all()
    np.testing.assert_array_equal(plain.get_weights()[0], swapping.get_weights()[0])


@pytest.mark.parametrize("stopped", [False, True])
def test_what_comes_behind_sees_the_averages_at_the_end_of_epochs(stopped: bool) -> None:
    plain, swapping, seen, other = net(), net(), Seen(), Seen()

    def stop_at(epoch: int, logs: Any) -> None:
        swapping.stop_training = swapping.stop_training or epoch == 1

    stop = callbacks.LambdaCallback(on_epoch_end=stop_at)
    plain.fit(X, Y, callbacks=[seen], **FIT)
    parts = [callbacks.SwapEMAWeights(swap_on_epoch=True), other, *([stop] if stopped else [])]
    swapping.fit(X, Y, callbacks=parts, **FIT)
    assert len(other.weights) == (2 if stopped else 3)
    for a, b in zip(seen.averages, other.weights, strict=False):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(swapping.get_weights()[0], other.weights[-1])


def test_the_weights_come_back_after_an_error() -> None:
    made = net()
    made.train_on_batch(X, Y)
    before = made.get_weights()[0]

    def fail(batch: int, logs: Any) -> None:
        raise OSError("no more")

    failing = callbacks.LambdaCallback(on_test_batch_end=fail)
    with pytest.raises(OSError, match="no more"):
        made.evaluate(X, Y, verbose=0, callbacks=[callbacks.SwapEMAWeights(), failing])
    np.testing.assert_array_equal(made.get_weights()[0], before)


def test_before_the_first_step_there_is_nothing_to_swap() -> None:
    made = net()
    assert made.evaluate(X, Y, verbose=0, callbacks=callbacks.SwapEMAWeights()) == made.evaluate(X, Y, verbose=0)


def test_an_optimizer_without_averages_is_refused() -> None:
    made = linear()
    made.compile("sgd", "mse")
    with pytest.raises(ValueError, match="needs an optimizer with use_ema=True, got use_ema=False"):
        made.fit(X, Y, callbacks=callbacks.SwapEMAWeights(), verbose=0)


def test_training_that_breaks_off_raises_where_that_is_asked() -> None:
    made = linear()
    made.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="loss must be finite, got nan in batch 0"):
        made.fit(X, Y * np.nan, callbacks=callbacks.TerminateOnNaN(raise_error=True), verbose=0)
