"""Calls of a stream, and of a model, in random order.

    call_orders.py COUNT [SEED]

A stream is held against the states that `functional` carries by hand, to the bit; wrong calls in between change
nothing. A model is pickled, copied or saved and loaded between calls of fit, evaluate, predict and train_on_batch: what
comes back goes on with the same bits as the one that stayed.
"""

from __future__ import annotations

import copy
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cellstep import Input, Sequential, functional, layers, models, optimizers, seeds

B, I, H = 3, 4, 7  # noqa: E741 - the contract's letters


def stream_order(rng: np.random.Generator, calls: int) -> int:
    """How many calls gave what they should."""
    kind = [layers.LSTM, layers.GRU, layers.SimpleRNN][int(rng.integers(3))]
    layer = kind(H, dtype=str(rng.choice(["float32", "float64"])))
    layer.build((None, None, I))
    stream = layer.stream(B)
    packed = functional.pack(kind.cell_class.contract, *layer.get_weights())
    zeros = [np.zeros((B, H), layer.dtype) for _ in packed.cell.states]
    states, kept = zeros, zeros

    def named(values: list[Any]) -> dict[str, Any]:
        return {name: values[packed.cell.state_names.index(name[-1])] for name in stream.state}

    for _ in range(calls):
        x = rng.standard_normal((B, int(rng.integers(0, 6)), I))
        what = int(rng.integers(9))
        if what == 0 and x.shape[1]:
            states = list(functional.step(packed, x[:, 0], states))
            assert np.array_equal(stream.step(x[:, 0]), states[0])
        elif what == 1:
            y, last, _ = functional.forward(packed, x, states)
            assert np.array_equal(stream.steps(x), y)
            states = list(last)
        elif what == 2:
            stream.reset()
            states = zeros
        elif what == 3:
            rows = rng.random(B) < 0.5
            stream.reset(rows)
            states = [np.where(rows[:, None], 0, s) for s in states]
        elif what == 4:
            kept = states
        elif what == 5:
            stream.state = named(kept)
            states = kept
        elif what == 6:
            stream = pickle.loads(pickle.dumps(stream)) if rng.random() < 0.5 else copy.deepcopy(stream)
        elif what == 7:
            wrong = [x[:, :, :-1], x[:-1], None, "x", np.full((B, 2, I), "a")][int(rng.integers(5))]
            try:
                stream.steps(wrong)
            except (TypeError, ValueError):
                pass
            else:
                raise AssertionError("a wrong x was taken")
        else:
            try:
                stream.state = {name: value[:-1] for name, value in named(zeros).items()}
            except ValueError:
                pass
            else:
                raise AssertionError("states of another shape were taken")
        for name, value in named(states).items():
            assert np.array_equal(stream.state[name], value), name
    return calls


def net(rng: np.random.Generator) -> Any:
    inner = [layers.LSTM, layers.GRU][int(rng.integers(2))](5)
    model = Sequential([Input((None, 3)), inner, layers.BatchNormalization(), layers.Dense(2)])
    optimizer = [optimizers.Adam(0.01), optimizers.SGD(0.1, momentum=0.9)][int(rng.integers(2))]
    model.compile(optimizer, "mse", metrics=["mae"] if rng.random() < 0.7 else None)
    return model


def again(rng: np.random.Generator, model: Any, folder: Path) -> Any:
    """The model, once more."""
    how = int(rng.integers(3))
    if how == 0:
        return copy.deepcopy(model)
    if how == 1:
        return pickle.loads(pickle.dumps(model))
    model.save(folder / "m.keras")
    return models.load_model(folder / "m.keras")


def outcome(what: int, model: Any, x: Any, y: Any, seed: int) -> Any:
    """What a call gives."""
    seeds.set_random_seed(seed)
    if what == 0:
        return model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=bool(seed % 2)).history
    if what == 1:
        return model.evaluate(x, y, batch_size=3, verbose=0)
    if what == 2:
        return model.predict(x, batch_size=5, verbose=0).tolist()
    if what == 3:
        return model.train_on_batch(x, y)
    if what == 4:
        try:
            model.fit(x, y[:, :1].repeat(5, 1), batch_size=4, verbose=0)
        except ValueError:
            return "refused"
        raise AssertionError("targets of another shape were taken")
    return model.predict(x[:, :2] if seed % 3 else x, verbose=0).tolist()


def model_order(rng: np.random.Generator, calls: int, folder: Path) -> int:
    """How many calls a model and its double made alike."""
    model = net(rng)
    double, made = again(rng, model, folder), 0
    for _ in range(calls):
        n, seed, what = int(rng.integers(1, 20)), int(rng.integers(2**31)), int(rng.integers(6))
        x, y = rng.standard_normal((n, 6, 3), "f4"), rng.standard_normal((n, 2), "f4")
        assert outcome(what, model, x, y, seed) == outcome(what, double, x, y, seed), what
        assert all(map(np.array_equal, model.get_weights(), double.get_weights())), what
        made += 1
        if rng.random() < 0.2:
            double = again(rng, model, folder)
    return made


def run(count: int, seed: int = 0, calls: int = 25) -> dict[str, int]:
    """Orders of `calls` calls each; AssertionError where one is wrong."""
    made = {"of a stream": 0, "of a model": 0}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            rng = np.random.default_rng((seed, number))
            try:
                made["of a stream"] += stream_order(rng, calls)
                made["of a model"] += model_order(rng, calls // 3, Path(folder))
            except Exception as error:
                raise AssertionError(f"order {number} of seed {seed}") from error
    return made


if __name__ == "__main__":
    print(f"calls in random order: {run(int(sys.argv[1]), *(int(a) for a in sys.argv[2:3]))}")
