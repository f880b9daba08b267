"""Which batches make an epoch, a validation, an evaluation and a prediction, for every kind of source and any steps.

The tables were made by Keras 3.15 on JAX, from five batches 0 .. 4 (or what the source has) in four epochs.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cellstep import callbacks, layers, models, optimizers, utils

ROWS = np.arange(5.0).repeat(2).reshape(10, 1)
ALL = [0, 1, 2, 3, 4]


def batches(n: int | None) -> Iterator[Any]:
    for i in itertools.count() if n is None else range(n):
        at = 2 * (i % 5)
        yield ROWS[at : at + 2], ROWS[at : at + 2]


class Numbered(utils.PyDataset):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        return ROWS[2 * index : 2 * index + 2], ROWS[2 * index : 2 * index + 2]


class Unknown:
    """Keras's PyDataset with num_batches None: batches by number, as many as are asked for."""

    num_batches = None

    def __init__(self, n: int | None) -> None:
        self.n = n

    def __getitem__(self, index: int) -> Any:
        if self.n is not None and index >= self.n:
            raise IndexError(index)
        at = 2 * (index % 5)
        return ROWS[at : at + 2], ROWS[at : at + 2]


class Tensor:
    """What a batch of another library consists of."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.values, dtype)


class Iterated:
    """A tf.data.Dataset, or a DataLoader over an IterableDataset: iterated anew, and `len` may raise TypeError."""

    def __init__(self, n: int | None, length: bool) -> None:
        self.n, self.length = n, length

    def __len__(self) -> int:
        if self.length and self.n is not None:
            return self.n
        raise TypeError("the dataset has no length")

    def __iter__(self) -> Iterator[Any]:
        return ([Tensor(x), Tensor(y)] for x, y in batches(self.n))


SOURCES: dict[str, Any] = {
    "arrays": lambda: ROWS,
    "numbered": Numbered,
    "iterated": lambda: Iterated(5, True),
    "no length": lambda: Iterated(5, False),
    "numbered, no length": lambda: Unknown(5),
    "endless": lambda: Iterated(None, False),
    "numbered, endless": lambda: Unknown(None),
    "generator of 5": lambda: batches(5),
    "generator of 12": lambda: batches(12),
    "endless generator": lambda: batches(None),
}
AGAIN = ("arrays", "numbered", "iterated", "no length", "numbered, no length")
ENDLESS = ("endless", "numbered, endless", "endless generator")


def net() -> models.Sequential:
    """Its loss is the number of the batch, and stays it."""
    made = models.Sequential([layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    made.compile(optimizers.SGD(0.0), lambda y_true, y_pred: y_pred + 0 * y_true)
    return made


class Seen(callbacks.Callback):
    """The batches of each epoch."""

    def __init__(self) -> None:
        self.epochs: list[list[int]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append([])
        self.total = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        total = logs["loss"] * (batch + 1)
        self.epochs[-1].append(round(total - self.total))
        self.total = total


def run(name: str, method: str, **options: Any) -> tuple[Any, int]:
    """What a method gives, and the number of warnings that data ran out."""
    source = SOURCES[name]()
    if name == "arrays" and method != "predict":
        options |= {"x": source, "y": source, "batch_size": 2}
    else:
        options |= {"x": source} | ({"batch_size": 2} if name == "arrays" else {})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = getattr(net(), method)(verbose=0, **options)
    assert all("ran out of batches" in str(w.message) for w in caught)
    return found, len(caught)


#: Steps to the batches of each epoch and the number of warnings.
PASSES = {
    None: ([ALL] * 4, 0),
    1: ([[0], [1], [2], [3]], 0),
    2: ([[0, 1], [2, 3], [4], [0, 1]], 1),
    3: ([[0, 1, 2], [3, 4], [0, 1, 2], [3, 4]], 2),
    5: ([ALL] * 4, 0),
    7: ([ALL] * 4, 4),
}
FLOWS = {
    1: ([[0], [1], [2], [3]], 0),
    2: ([[0, 1], [2, 3], [4, 0], [1, 2]], 0),
    7: ([[0, 1, 2, 3, 4, 0, 1], [2, 3, 4, 0, 1, 2, 3], [4, 0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 1, 2]], 0),
}
#: Keras goes on with the first two batches of a generator that is over, which it keeps; here training ends.
ONCE = {
    ("generator of 5", None): ([ALL, []], 1),
    ("generator of 5", 2): ([[0, 1], [2, 3], [4]], 1),
    ("generator of 5", 5): ([ALL, []], 1),
    ("generator of 5", 7): ([ALL], 1),
    ("generator of 12", 2): ([[0, 1], [2, 3], [4, 0], [1, 2]], 0),
    ("generator of 12", 7): ([[0, 1, 2, 3, 4, 0, 1], [2, 3, 4, 0, 1]], 1),
}
TABLE = [
    *(((name, steps), wanted) for name in AGAIN for steps, wanted in PASSES.items()),
    *(((name, steps), wanted) for name in ENDLESS for steps, wanted in FLOWS.items()),
    *ONCE.items(),
]


@pytest.mark.parametrize(("case", "wanted"), TABLE, ids=lambda v: str(v)[:40])
def test_batches_of_each_epoch(case: tuple[str, int | None], wanted: tuple[list[list[int]], int]) -> None:
    name, steps = case
    seen = Seen()
    history, warned = run(name, "fit", epochs=4, steps_per_epoch=steps, shuffle=False, callbacks=seen)
    assert (seen.epochs, warned) == wanted
    np.testing.assert_allclose(history.history["loss"], [np.mean(e) for e in seen.epochs if e])


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("steps", [None, 2, 7])
def test_batches_of_an_evaluation_and_a_prediction(name: str, steps: int | None) -> None:
    if steps is None and name in ENDLESS:
        return
    n = 5 if name in AGAIN or name == "generator of 5" else 12
    numbers = [i % 5 for i in range(n if steps is None else min(n, steps))]
    short = int(steps is not None and n < steps)
    assert run(name, "evaluate", steps=steps) == (pytest.approx(np.mean(numbers)), short)
    found, warned = run(name, "predict", steps=steps)
    assert (found[::2, 0].tolist(), warned) == (numbers, short)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("steps", [None, 2, 7])
def test_batches_of_validations(name: str, steps: int | None) -> None:
    if steps is None and name in ENDLESS:
        return
    once = "generator" in name  # goes on, where others begin anew
    n = {"generator of 12": 12}.get(name, 100 if name in ENDLESS else 5)
    size = n if steps is None else steps
    starts = list(range(0, n, size))[:3] if once else [0] * 3
    numbers = [[i % 5 for i in range(n)][at : at + size] for at in starts]
    source: Any = SOURCES[name]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net().fit(
            *(ROWS, ROWS, 2, len(numbers), 0),
            validation_data=(source, source) if name == "arrays" else source,
            validation_batch_size=2 if name == "arrays" else None,
            validation_steps=steps,
        )
    np.testing.assert_allclose(history.history["val_loss"], [np.mean(part) for part in numbers])
    assert len(caught) == sum(len(part) < size for part in numbers)


def test_a_source_of_nothing_is_refused() -> None:
    class Nothing(utils.PyDataset):
        def __len__(self) -> int:
            return 0

        def __getitem__(self, index: int) -> Any:
            raise IndexError(index)

    for empty in (Nothing(), iter(()), Iterated(0, True), Iterated(0, False), Unknown(0)):
        with pytest.raises(ValueError, match="x must give at least one batch, got none"):
            net().fit(empty, verbose=0)
    for empty in (Nothing(), Iterated(0, False)):
        with pytest.raises(ValueError, match="the data to evaluate on must give at least one batch, got none"):
            net().evaluate(empty, verbose=0)
        with pytest.raises(ValueError, match="x must give at least one batch, got none"):
            net().predict(empty, verbose=0)


def test_a_dataset_is_told_of_each_epoch_and_its_errors_are_its_own() -> None:
    heard: list[str] = []

    class Listening(Numbered):
        def on_epoch_begin(self) -> None:
            heard.append("begin")

        def on_epoch_end(self) -> None:
            heard.append("end")

    net().fit(Listening(), epochs=2, steps_per_epoch=1, verbose=0)
    assert heard == ["begin", "end"] * 2

    class Faulty(Numbered):
        def __getitem__(self, index: int) -> Any:
            raise IndexError("a fault")

    with pytest.raises(IndexError, match="a fault"):
        net().fit(Faulty(), verbose=0)


def test_a_stopped_epoch_does_not_warn_of_the_one_before() -> None:
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = len(self.model.history.epoch) == 3

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net().fit(ROWS, ROWS, batch_size=2, epochs=9, steps_per_epoch=2, verbose=0, callbacks=Stop())
    assert len(caught) == 1
