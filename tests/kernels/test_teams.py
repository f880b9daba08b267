"""Calls on several threads, whatever becomes of these: workers sleep, share a core, come late or are held up.

The results keep their bits, and no call hangs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from drive import Array, backward, forward, pack, step
from table import VARIANTS, Problem, Shape, problem

from cellstep import config, kernels

HERE = Path(__file__).parent
#: By rows; by units, of few rows and of large weights; a lone step, and rows that end, step by step.
SHAPES = (Shape(24, 17, 8, 48), Shape(26, 2, 5, 150), Shape(5, 9, 30, 260), Shape(1, 1, 200, 300))
ROWS: tuple[dict[str, Any], ...] = ({}, {"mask": "lengths", "drop": True}, {"mask": "holes", "resets": True})

pytestmark = pytest.mark.skipif(
    bool(kernels.available()["cython"]) or not hasattr(os, "fork"), reason="needs the compiled kernels and fork"
)


def problems() -> Iterator[Callable[[], list[Array]]]:
    """Calls of every cell, forward and backward; each gives all that it wrote."""
    backend = kernels.load("cython")
    for v in VARIANTS:
        for i, shape in enumerate(SHAPES):
            p = problem(v, shape, "float32", **ROWS[i % len(ROWS)])
            packed = pack(backend, p)

            def run(p: Problem = p, packed: Any = packed) -> list[Array]:
                answers = forward(backend, p, packed=packed)
                plain = forward(backend, p, packed=packed, tape=None)
                stepped = step(backend, p, 0, p.states, packed)
                return [answers.y, *answers.states, plain.y, *stepped, *backward(backend, p, answers).values()]

            yield run


def same(found: list[Array], expected: list[Array]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(found, expected, strict=True))


def rounds(seconds: float, threads: tuple[int, ...] = (2, 3, 4, 8), between: float = 0) -> None:
    """All problems, again and again for so long and at least once, on so many threads each in turn."""
    config.set_num_threads(1)
    calls = list(problems())
    expected = [call() for call in calls]
    end = time.monotonic() + seconds
    first = True
    while first or time.monotonic() < end:
        first = False
        for n in threads:
            config.set_num_threads(n)
            assert config.get_num_threads() == n
            for call, answer in zip(calls, expected, strict=True):
                time.sleep(between)
                assert same(call(), answer), n


def workers() -> list[int]:
    """The threads of this process that Python does not know."""
    known = {thread.native_id for thread in threading.enumerate()}
    return [int(name) for name in os.listdir("/proc/self/task") if int(name) not in known]


def rounds_on_one_core(seconds: float) -> None:
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    stop = threading.Event()

    def hold() -> None:
        while not stop.wait(0.002):
            for worker in workers():
                try:
                    os.sched_setaffinity(worker, {core})
                except ProcessLookupError:
                    continue

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        rounds(seconds)
    finally:
        stop.set()
        holder.join()


def rounds_beside_pins(seconds: float) -> None:
    """Somebody pins all threads to a core, while calls wake workers and bring them back; none leaves it before the pin
    is taken off."""
    config.set_num_threads(1)
    calls = list(problems())
    expected = [call() for call in calls]
    config.set_num_threads(2)
    every = os.sched_getaffinity(0)
    stop = threading.Event()
    wrong: list[int] = []

    def pin(cores: set[int]) -> None:
        for thread in sorted(map(int, os.listdir("/proc/self/task"))):
            os.sched_setaffinity(thread, cores)

    def all_on(core: int) -> bool:
        return all(os.sched_getaffinity(int(thread)) == {core} for thread in os.listdir("/proc/self/task"))

    def run() -> None:
        i = 0
        while not stop.wait(0.0005):
            i = (i + 1) % len(calls)
            if not same(calls[i](), expected[i]):
                wrong.append(i)

    caller = threading.Thread(target=run)
    caller.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for core in sorted(every):
                pin({core})
                soon = time.monotonic() + 1
                while not all_on(core) and time.monotonic() < soon:
                    time.sleep(0.0005)
                for _ in range(5):
                    assert all_on(core), core
                    time.sleep(0.002)
                pin(every)
                time.sleep(0.005)
    finally:
        stop.set()
        caller.join()
    assert not wrong


def rounds_of_many_threads(seconds: float) -> None:
    """Of Python, each calling: one has the pool, the others run alone."""
    config.set_num_threads(1)
    calls = list(problems())
    expected = [call() for call in calls]
    config.set_num_threads(4)
    wrong: list[int] = []
    end = time.monotonic() + seconds

    def run(first: int) -> None:
        i = first
        while not wrong and (i < first + len(calls) or time.monotonic() < end):
            if not same(calls[i % len(calls)](), expected[i % len(calls)]):
                wrong.append(i)
            i += 1

    threads = [threading.Thread(target=run, args=(5 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def rounds_after_forks(seconds: float) -> None:
    """A child of a process whose workers wait, or are in the middle of a call, has workers of its own."""
    config.set_num_threads(4)
    call = list(problems())[1]
    expected = call()
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            call()

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        for _ in range(6):
            child = os.fork()
            if child == 0:
                os._exit(0 if same(call(), expected) and same(call(), expected) else 1)
            assert os.waitpid(child, 0)[1] == 0
            time.sleep(0.01)
    finally:
        stop.set()
        busy.join()


@contextmanager
def child(what: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs a function of this file, and is right when it ends."""
    code = f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]; import test_teams; test_teams.{what}"
    environment = os.environ | {"OMP_NUM_THREADS": "8"}
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
            _, error = process.communicate(timeout=200)
            assert process.returncode == 0, error
        finally:
            process.kill()


@pytest.mark.parametrize(
    "what",
    [
        "rounds(1)",
        "rounds(0, (2,), between=0.05)",
        pytest.param(
            "rounds_on_one_core(1)",
            marks=pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs the affinity of threads"),
        ),
        pytest.param(
            "rounds_beside_pins(3)",
            marks=pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs the threads in /proc"),
        ),
        "rounds_of_many_threads(1)",
        "rounds_after_forks(1)",
    ],
)
def test_what_becomes_of_workers_leaves_no_trace(what: str) -> None:
    with child(what):
        pass


def test_a_process_that_is_stopped_and_goes_on_gives_the_same() -> None:
    """Its workers come back in any order, and some find that their call has ended."""
    with child("rounds(2)") as process:
        end = time.monotonic() + 100
        while process.poll() is None and time.monotonic() < end:
            for stopped, goes_on in ((0.001, 0.02), (0.02, 0.005), (0.05, 0.05)):
                process.send_signal(signal.SIGSTOP)
                time.sleep(stopped)
                process.send_signal(signal.SIGCONT)
                time.sleep(goes_on)


def test_busy_neighbours_on_every_core_hold_up_no_call() -> None:
    spin = [sys.executable, "-c", "while True: pass"]
    neighbours = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]
    try:
        with child("rounds(1)"):
            pass
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the times of threads in /proc")
def test_a_process_that_waits_uses_no_processor_time() -> None:
    """Workers sleep a few milliseconds after a call, however long that was."""

    def used() -> float:
        return sum(os.times()[:2])

    config_before = config.get_num_threads()
    try:
        with kernels.use("cython"):
            config.set_num_threads(4)
            for call in problems():
                call()
            time.sleep(0.1)
            before = used()
            time.sleep(0.5)
            assert used() - before < 0.1
    finally:
        config.set_num_threads(config_before)
