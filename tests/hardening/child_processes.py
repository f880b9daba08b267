"""Children of a process that has used the kernels: forked, by a server, started anew, by loky; and stopped workers.

    child_processes.py COUNT

COUNT children of each kind predict and train, and give the bits of their parent.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any

import numpy as np

KINDS = ("fork", "forkserver", "spawn", "loky")


def train(seed: int) -> list[Any]:
    """The weights after some steps, and predictions, of a net that is seeded."""
    import cellstep
    from cellstep import layers

    cellstep.set_random_seed(seed)
    model = cellstep.Sequential([cellstep.Input((9, 40)), layers.LSTM(96), layers.Dropout(0.2), layers.Dense(3)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((48, 9, 40), dtype=np.float32), rng.standard_normal((48, 3), dtype=np.float32)
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    return [*model.get_weights(), model.predict(x, verbose=0)]


def children(kind: str, count: int) -> Any:
    """What they give, in turn."""
    if kind == "loky":
        from joblib.externals.loky import ProcessPoolExecutor

        pool: Any = ProcessPoolExecutor(2)
    else:
        from concurrent.futures import ProcessPoolExecutor as Pool

        pool = Pool(2, multiprocessing.get_context(kind))
    with pool, warnings.catch_warnings():
        # Python's own, that a process with threads forks; the kernels' team is made again in the child
        warnings.simplefilter("ignore", DeprecationWarning)
        return list(pool.map(train, range(count)))


def stopped_workers(count: int) -> float:
    """A child that trains is stopped and goes on at random moments; the longest time that one needed then."""
    longest, rng = 0.0, np.random.default_rng(0)
    context = multiprocessing.get_context("fork")
    for _ in range(count):
        results = context.SimpleQueue()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = context.Process(target=lambda r=results: r.put(train(0)))
            child.start()
        began = time.monotonic()
        for _ in range(5):
            time.sleep(rng.random() * 0.02)
            if child.exitcode is None:
                os.kill(child.pid, signal.SIGSTOP)
                time.sleep(0.02)
                os.kill(child.pid, signal.SIGCONT)
        given = results.get()
        child.join(60)
        longest = max(longest, time.monotonic() - began)
        assert all(map(np.array_equal, given, train(0))), "a process that was stopped gives other bits"
    return longest


def run(count: int, kinds: tuple[str, ...] = KINDS) -> dict[str, int]:
    """How many children of each kind gave other bits."""
    alone = [train(seed) for seed in range(count)]
    beside = threading.Thread(target=train, args=(0,))  # other threads of the parent are at work while it forks
    beside.start()
    wrong = {}
    for kind in kinds:
        found = children(kind, count)
        wrong[kind] = sum(not all(map(np.array_equal, *pair)) for pair in zip(found, alone, strict=True))
    beside.join()
    assert all(map(np.array_equal, train(0), alone[0])), "the parent gives other bits after its children"
    return wrong


if __name__ == "__main__":
    count = int(sys.argv[1])
    wrong = run(count)
    print(f"{count} children of each kind, with other bits: {wrong}")
    print(f"{count} stopped five times each: none with other bits, the slowest took {stopped_workers(count):.2f} s")
    sys.exit(any(wrong.values()))
