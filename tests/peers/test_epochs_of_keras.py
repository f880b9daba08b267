"""The batches of epochs against Keras's, for drawn numbers of batches, steps and epochs, and PyTorch's loaders."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

import cellstep  # noqa: E402


def rows(n: int) -> Any:
    return np.arange(float(n)).repeat(2).reshape(2 * n, 1).astype(np.float32)


class Mapped(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
    def __init__(self, n: int) -> None:
        self.rows = rows(n)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index], self.rows[index]


class Iterated(torch.utils.data.IterableDataset):  # type: ignore[misc, name-defined]
    def __init__(self, n: int, endless: bool) -> None:
        self.rows, self.endless = rows(n), endless

    def __iter__(self) -> Any:
        while True:
            yield from zip(self.rows, self.rows, strict=True)
            if not self.endless:
                return


class Numbered(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
    def __init__(self, n: int) -> None:
        super().__init__()
        self.rows = rows(n)

    def __len__(self) -> int:
        return len(self.rows) // 2

    def __getitem__(self, index: int) -> Any:
        return (self.rows[2 * index : 2 * index + 2],) * 2


def endless(n: int) -> Any:
    while True:
        yield from (Numbered(n)[i] for i in range(n))


def source(kind: str, n: int) -> dict[str, Any]:
    loader = torch.utils.data.DataLoader
    made = {
        "arrays": lambda: {"x": rows(n), "y": rows(n), "batch_size": 2},
        "dataset": lambda: {"x": Numbered(n)},
        "loader": lambda: {"x": loader(Mapped(n), batch_size=2)},
        "loader without length": lambda: {"x": loader(Iterated(n, False), batch_size=2)},
        "endless loader": lambda: {"x": loader(Iterated(n, True), batch_size=2)},
        "endless generator": lambda: {"x": endless(n)},
    }
    return made[kind]()


def epochs(package: Any, ran: Any, data: dict[str, Any], n: int | None, steps: int | None) -> list[list[int]]:
    """The numbers of the batches of each epoch, in a model whose loss is the number."""
    seen: list[list[int]] = []

    class Seen(package.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append([])
            self.total = 0.0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            total = float(logs["loss"]) * (batch + 1)
            seen[-1].append(round(total - self.total))
            self.total = total

    dense = package.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    net = package.Sequential([package.Input((1,)), dense])
    net.compile(package.optimizers.SGD(0.0), ran)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(**data, epochs=n, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[Seen()])
    return seen


KINDS = ("arrays", "dataset", "loader", "loader without length", "endless loader", "endless generator")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draw", range(4))
def test_epochs_are_those_of_keras(kind: str, draw: int) -> None:
    rng = np.random.default_rng([draw, KINDS.index(kind)])
    n, passes = (int(k) for k in rng.integers(1, 7, 2))
    steps = int(rng.integers(1, 9)) if "endless" in kind or rng.random() < 0.8 else None
    if kind == "loader without length" and steps is not None and n % steps == 0:
        steps = n + 1  # Keras puts an epoch of no batches between two passes there
    wanted = epochs(keras, lambda y_true, y_pred: keras.ops.mean(y_pred, -1), source(kind, n), passes, steps)
    found = epochs(cellstep, lambda y_true, y_pred: y_pred + 0 * y_true, source(kind, n), passes, steps)
    assert found == wanted
