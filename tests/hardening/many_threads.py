"""Python threads that share one layer, one model and one tape: each gets the bits that it gets alone.

    many_threads.py CALLS [THREADS]

CALLS of each thread, 32 threads where it is not said. .ci/sanitize runs it under ThreadSanitizer.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from cellstep import Input, Sequential, functional, layers, set_num_threads

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape, dtype=np.float32)


def cases() -> dict[str, Callable[[int], list[Any]]]:
    """Calls of a thread's number, with more work than one core takes at once in some."""
    lstm, stack = layers.LSTM(64, return_sequences=True), layers.GRU(24, num_layers=2)
    both = layers.Bidirectional(layers.SimpleRNN(16, return_sequences=True))
    model = Sequential([Input((None, 5)), layers.LSTM(32), layers.Dense(3, activation="softmax")])
    xs = [normal(1 + 7 * (k % 5), 12, 5) for k in range(8)]
    for layer in (lstm, stack, both):
        layer(xs[0])
    packed = functional.pack("lstm", *lstm.get_weights())
    tapes = [functional.forward(packed, x, tape=True) for x in xs]
    made = lstm.stream(1)

    def stream(k: int) -> list[Any]:
        own = made.copy() if hasattr(made, "copy") else lstm.stream(1)
        own.reset()
        return [own.step(xs[k % 8][:1, t]) for t in range(12)]

    def backward(k: int) -> list[Any]:
        y, _, tape = tapes[k % 8]
        found = functional.backward(tape, y)
        return [found.x, *found.weights.values()]

    return {
        "layer": lambda k: [lstm(xs[k % 8])],
        "layers": lambda k: [stack(xs[k % 8])],
        "directions": lambda k: [both(xs[k % 8])],
        "model": lambda k: [model.predict(xs[k % 8], verbose=0)],
        "packed weights": lambda k: [functional.forward(packed, xs[k % 8]).y],
        "tape": backward,
        "stream": stream,
    }


def run(calls: int, threads: int = 32) -> tuple[int, list[str]]:
    """How many calls were made, and what differed or raised."""
    wrong: list[str] = []
    every = cases()
    alone = {name: [call(k) for k in range(8)] for name, call in every.items()}
    begin = threading.Barrier(threads)

    def thread(k: int) -> None:
        begin.wait()
        names = list(every)
        for i in range(calls):
            name = names[(i + k) % len(names)]
            try:
                same = all(map(np.array_equal, every[name](i + k), alone[name][(i + k) % 8]))
            except Exception as error:
                wrong.append(f"{name}: {error!r}")
            else:
                if not same:
                    wrong.append(f"{name} differs")

    started = [threading.Thread(target=thread, args=(k,)) for k in range(threads)]
    for one in started:
        one.start()
    for one in started:
        one.join()
    return calls * threads, wrong


if __name__ == "__main__":
    set_num_threads(4)
    made, wrong = run(int(sys.argv[1]), *(int(a) for a in sys.argv[2:3]))
    print(f"{made} calls, {len(wrong)} wrong: {sorted(set(wrong))}")
    sys.exit(bool(wrong))
