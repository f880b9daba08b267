"""One training of one of the models that `compare` looks at, judged as it goes."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import layers, models, optimizers, seeds
from ..tasks import Data, Task
from .contenders import Contender

#: Rows in a batch, and held out to be judged on.
BATCH, HELD = 32, 500


class Course(NamedTuple):
    """updates, seconds, scores: at each check. seconds counts training alone."""

    updates: NDArray[np.int64]
    seconds: NDArray[np.float64]
    scores: NDArray[np.float64]


def model_for(task: Task, cell: Contender, units: int, rate: float) -> models.Sequential:
    """A recurrent layer and a Dense head, compiled."""
    head = "linear" if task.score == "mse" else "softmax"
    recurrent = cell.make(units, task.sequences)
    model = models.Sequential([recurrent, layers.Dense(task.outputs, activation=head)])
    loss = "mse" if task.score == "mse" else "sparse_categorical_crossentropy"
    model.compile(optimizers.Adam(rate, global_clipnorm=1.0), loss=loss)
    return model


def train(
    task: Task,
    data: Data,
    cell: Contender,
    units: int,
    seed: int,
    budget: float,
    by_time: bool,
    checks: int,
    rate: float,
) -> Course:
    """Train one net and judge it `checks` times, evenly over its budget; the last time at its end.

    Args:
        seed: of the weights and the batches. The caller's own random numbers are not touched.
        budget: seconds of training where by_time, else updates.
    """
    with seeds.seeded(seed):
        model = model_for(task, cell, units, rate)
        rng = np.random.default_rng([seed, 1])
        model(data.held[0][:1])  # builds it, outside of the clock
        spent, updates, rows = 0.0, 0, []
        for check in range(1, checks + 1):
            until = budget * check / checks
            while (spent if by_time else updates) < (until if by_time else round(until)):
                x, y = data.batch(rng, BATCH)
                began = time.perf_counter()
                model.train_on_batch(x, y)
                spent += time.perf_counter() - began
                updates += 1
            score = task.judge(data.held[1], np.asarray(model.predict(data.held[0], verbose=0)))
            rows.append((updates, spent, score))
    updates_, seconds, scores = map(np.array, zip(*rows, strict=True))
    return Course(updates_, seconds, scores)
