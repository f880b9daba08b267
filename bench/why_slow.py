"""Why training a recurrent net is slow, and what helps: `python bench/why_slow.py [--quick]`.

Prints the tables of docs/learn/8-slow.md. Steps in turn cannot run side by side, as each needs the one before; each
table puts that beside something that does not wait. Where both ways must give the same numbers that is checked first.
Times are medians of rounds in which both take turns. With OPENBLAS_NUM_THREADS=1 NumPy's products take one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cellstep
from cellstep import Input, Sequential, layers
from cellstep.activations import sigmoid
from cellstep.benchmarks.interleaved import Pace, compare
from cellstep.lab.result import text_table

Array = np.ndarray[Any, np.dtype[np.float32]]
Run = Callable[[], Any]


def milliseconds(contenders: dict[str, Run], pace: Pace) -> list[float]:
    return [1e3 * timing.median for timing in compare(contenders, pace).values()]


def same(a: Any, b: Any, what: str) -> None:
    if not np.allclose(a, b, rtol=1e-3, atol=1e-4):
        raise SystemExit(f"{what}: the two ways give other numbers")


def rows_of(batch: int) -> str:
    return f"{batch} row{'s' * (batch > 1)}"


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n{text_table((header, rows))}")


def products(steps: int, units: int, batches: tuple[int, ...], pace: Pace) -> None:
    """x W of all steps in one product, x W step by step, and h U, which has no other way."""
    rng = np.random.default_rng(0)
    W, U = (rng.standard_normal((units, units)).astype("f4") / units**0.5 for _ in range(2))
    rows = []
    for batch in batches:
        x = rng.standard_normal((steps, batch, units)).astype("f4")

        def at_once(x: Array = x) -> Array:
            return (x.reshape(-1, units) @ W).reshape(x.shape)

        def in_turn(x: Array = x) -> list[Array]:
            return [step @ W for step in x]

        def recurrent(x: Array = x) -> Array:
            h = np.zeros(x.shape[1:], "f4")
            for step in x:
                h = np.tanh(step + h @ U)
            return h

        same(at_once(), in_turn(), "x W")
        once, turn, loop = milliseconds({"once": at_once, "turn": in_turn, "loop": recurrent}, pace)
        rows.append([rows_of(batch), f"{once:.2f}", f"{turn:.2f}", f"{turn / once:.1f}", f"{loop:.2f}"])
    title = f"1. Products of {steps} steps, {units} x {units}, in NumPy: milliseconds"
    table(title, ["batch", "x W, all at once", "x W, in turn", "ratio", "h U and tanh, in turn"], rows)


def compiled(steps: int, units: int, batches: tuple[int, ...], pace: Pace) -> None:
    """The same recurrence as a loop in NumPy and in a compiled kernel."""
    rng = np.random.default_rng(0)
    layer = layers.SimpleRNN(units)
    layer.build((None, None, units))
    W, U, b = layer.get_weights()
    rows = []
    for batch in batches:
        x = rng.standard_normal((batch, steps, units)).astype("f4")

        def loop(x: Array = x) -> Array:
            sums = x @ W + b
            h = np.zeros((len(x), units), "f4")
            for t in range(steps):
                h = np.tanh(sums[:, t] + h @ U)
            return h

        def kernel(x: Array = x) -> Any:
            return layer(x)

        same(loop(), kernel(), "SimpleRNN")
        slow, fast = milliseconds({"loop": loop, "kernel": kernel}, pace)
        rows.append([rows_of(batch), f"{slow:.2f}", f"{fast:.2f}", f"{slow / fast:.1f}"])
    title = f"2. SimpleRNN({units}) over {steps} steps: milliseconds"
    table(title, ["batch", "loop in NumPy", "compiled loop", "ratio"], rows)


def threads_and_rows(steps: int, units: int, batches: tuple[int, ...], pace: Pace) -> None:
    """A training step of an LSTM, on one thread and on all, for more and more rows."""
    most = cellstep.get_num_threads()
    rng = np.random.default_rng(0)
    layer = layers.LSTM(units)
    layer.build((None, None, units))
    rows = []
    for batch in batches:
        x = rng.standard_normal((batch, steps, units)).astype("f4")

        def train(threads: int, x: Array = x) -> None:
            cellstep.set_num_threads(threads)
            y, pullback = layer.forward(x, training=True)
            pullback(np.ones_like(y))

        one, all_ = milliseconds({"one": lambda: train(1), "all": lambda: train(most)}, pace)
        rows.append([rows_of(batch), f"{one:.2f}", f"{all_:.2f}", f"{one / all_:.1f}", f"{all_ / batch:.3f}"])
    cellstep.set_num_threads(most)
    title = f"3. LSTM({units}) over {steps} steps, forward and backward: milliseconds"
    table(title, ["batch", "1 thread", f"{most} threads", "ratio", "a row"], rows)


class InputGated(cellstep.Cell):
    """A GRU without its recurrent products: gate and candidate see the input alone."""

    gates = "k g"

    def step(self, z: Any, h: Any) -> Any:
        keep = sigmoid(z.x.k)
        return keep * h + (1 - keep) * np.tanh(z.x.g)


def gates_of_the_input(steps: int, units: int, batches: tuple[int, ...], pace: Pace) -> None:
    """A GRU, and one whose gate and candidate see the input alone: forward and backward."""
    rng = np.random.default_rng(0)
    rows = []
    for batch in batches:
        x = rng.standard_normal((batch, steps, units)).astype("f4")

        def train(layer: Any, x: Array = x) -> None:
            y, pullback = layer.forward(x, training=True)
            pullback(np.ones_like(y))

        cells = {"gru": layers.GRU(units), "alone": InputGated.Layer(units)}
        whole, less = milliseconds({name: partial(train, layer) for name, layer in cells.items()}, pace)
        rows.append([rows_of(batch), f"{whole:.2f}", f"{less:.2f}", f"{whole / less:.1f}"])
    title = f"4. Gated cells of {units} units over {steps} steps, forward and backward: milliseconds"
    table(title, ["batch", "GRU", "gates see x alone", "ratio"], rows)


def scan(a: Array, b: Array) -> Array:
    """All states of h = a h + b by doubling: log2(T) passes over all steps at once."""
    a, b = a.copy(), b.copy()
    reach = 1
    while reach < len(a):
        b[reach:] += a[reach:] * b[:-reach]
        a[reach:] *= a[:-reach].copy()
        reach *= 2
    return b


def linear(units: int, lengths: tuple[int, ...], pace: Pace) -> None:
    """A cell without U, whose gates see the input alone: in turn, and by doubling."""
    rng = np.random.default_rng(0)
    rows = []
    for steps in lengths:
        a = rng.uniform(0.5, 1, (steps, units)).astype("f4")
        b = rng.standard_normal((steps, units)).astype("f4")

        def in_turn(a: Array = a, b: Array = b) -> Array:
            h, out = np.zeros(units, "f4"), np.empty_like(b)
            for t in range(len(a)):
                out[t] = h = a[t] * h + b[t]
            return out

        def doubling(a: Array = a, b: Array = b) -> Array:
            return scan(a, b)

        same(in_turn(), doubling(), "the linear cell")
        turn, double = milliseconds({"turn": in_turn, "double": doubling}, pace)
        passes = int(np.ceil(np.log2(steps)))
        rows.append([f"{steps} steps", f"{turn:.2f}", f"{double:.2f}", f"{turn / double:.1f}", str(passes)])
    title = f"5. h = a h + b of {units} units, gates of the input alone, in NumPy: milliseconds"
    table(title, ["length", "in turn", "by doubling", "ratio", "passes"], rows)


def padding(count: int, longest: int, units: int, pace: Pace) -> None:
    """Sequences of different lengths: padded to the longest, and as they are."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, longest + 1, count)
    ragged = [rng.standard_normal((n, units)).astype("f4") for n in lengths]
    padded = np.zeros((count, longest, units), "f4")
    for row, x in zip(padded, ragged, strict=True):
        row[: len(x)] = x
    model = Sequential([Input((None, units)), layers.LSTM(units), layers.Dense(1)])
    model.compile("sgd", "mse")
    y = np.zeros((count, 1), "f4")
    runs: dict[str, Run] = {
        "padded": lambda: model.train_on_batch(padded, y),
        "ragged": lambda: model.train_on_batch(ragged, y),
    }
    full, exact = milliseconds(runs, pace)
    share = lengths.sum() / (count * longest)
    title = f"6. A training step of LSTM({units}), {count} sequences of up to {longest} steps: milliseconds"
    rows = [[f"{share:.0%} of steps are real", f"{full:.2f}", f"{exact:.2f}", f"{full / exact:.1f}"]]
    table(title, ["", "padded", "as they are", "ratio"], rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small shapes and short rounds: to see that it runs")
    quick = parser.parse_args(arguments).quick
    pace = Pace(0.0, 0.0, 0.001, 1) if quick else Pace(0.03, 0.02, 0.05, 7)
    steps, units = (6, 8) if quick else (200, 128)
    batches = (1, 4) if quick else (1, 16, 64)
    print(f"backend {cellstep.kernels.active().name}, {cellstep.config.isa()}, {cellstep.get_num_threads()} threads")
    products(steps, units, batches, pace)
    compiled(steps, units, batches, pace)
    threads_and_rows(steps, units, batches, pace)
    gates_of_the_input(steps, units, batches, pace)
    linear(units, (16, 64) if quick else (64, 512, 4096), pace)
    padding(*((4, 6, 8) if quick else (64, 100, 64)), pace)


if __name__ == "__main__":
    main()
