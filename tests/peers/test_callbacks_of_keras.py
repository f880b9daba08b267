"""Keras's own callbacks in a fit of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellstep import Input, Sequential, layers

keras = pytest.importorskip("keras")


def test_they_do_what_they_do_in_keras(tmp_path: Path) -> None:
    model = Sequential([Input((4, 2)), layers.GRU(3), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    rng, batches = np.random.default_rng(0), []
    x, y = rng.random((20, 4, 2)), rng.random((20, 1))
    theirs: Any = keras.callbacks
    history = theirs.History()
    watching = [
        theirs.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch)),
        theirs.LearningRateScheduler(lambda epoch, rate: rate / 2),
        theirs.EarlyStopping("loss", patience=1, min_delta=10, restore_best_weights=True),
        theirs.CSVLogger(tmp_path / "log.csv"),
        theirs.ModelCheckpoint(tmp_path / "best.keras", "loss"),
        theirs.TerminateOnNaN(),
        history,
    ]
    ours = model.fit(x, y, batch_size=10, epochs=5, verbose=0, callbacks=watching)
    assert batches == [0, 1, 0, 1]
    assert len(ours.history["loss"]) == 2
    assert history.history["mae"] == ours.history["mae"]
    assert float(model.optimizer.learning_rate) == 0.00025
    assert (tmp_path / "best.keras").exists()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
