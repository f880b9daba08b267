"""Calls that are made together give what they give one after another, to the bit, on any number of threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from drive import gradient_buffers, outputs, pack, unwritten
from table import DTYPES, SMALL, VARIANTS, Problem, Shape, Variant, problem

from cellstep import get_num_threads, kernels, set_num_threads

Array = np.ndarray[Any, Any]

#: With work for a second thread; chunks of steps at both ends that are no whole ones.
SHAPES = (Shape(300, 1, 5, 40), Shape(130, 9, 5, 24), Shape(40, 33, 5, 20))
#: mask, whether h is dropped, whether rows begin anew: of a call, and of those after it.
OPTIONS = (("none", False, False), ("holes", True, True), ("lengths", False, True), ("right", True, False))
#: What x of each call is: its own, y of the call before, or that from the last step to the first.
ALONE, BEHIND, AGAINST = range(3)
PAIRS = ((ALONE, ALONE), (ALONE, BEHIND, BEHIND), (ALONE, BEHIND, ALONE, AGAINST))


@pytest.fixture
def threads() -> Iterator[None]:
    most = get_num_threads()
    yield
    set_num_threads(most)


def problems(v: Variant, shape: Shape, dtype: str, reads: tuple[int, ...], first: int) -> list[Problem]:
    """One for each call, with options in turn."""
    made = []
    for i, read in enumerate(reads):
        mask, drop, resets = OPTIONS[(first + i) % len(OPTIONS)]
        size = shape if read == ALONE else shape._replace(I=shape.H)
        made.append(problem(v, size, dtype, mask, drop=drop, resets=resets))
    return made


def run(backend: kernels.Backend, made: list[Problem], reads: tuple[int, ...], together: bool) -> list[Array]:
    """Forward and backward; all that is written."""
    forward, backward, written, tapes = [], [], [], []
    y: Any = None
    for p, read in zip(made, reads, strict=True):
        T, B, _, H = p.shape
        packed = pack(backend, p)
        x = p.x if read == ALONE else y if read == BEHIND else y[:, ::-1]
        y, last = unwritten((B, T, H), p.dtype), [unwritten((B, H), p.dtype) for _ in p.states]
        tapes.append((packed, backend.tape(packed, B, T, False)))
        forward.append((packed, x, p.states, p.mask, p.lengths, p.resets, p.drop, y, last, tapes[-1][1]))
        written += [y, *last]
    make(backend.forward, backend.forward_all, forward, together)
    dx: Any = None
    after = (*reads[1:], ALONE)
    for p, read, tape in reversed(list(zip(made, after, tapes, strict=True))):
        dy = p.dy if read == ALONE else dx if read == BEHIND else dx[:, ::-1]
        into = gradient_buffers(p)
        dx, dweights, dfirst, traces = outputs(p, into)
        backward.append((*tape, dy, p.dstates, dx, dweights, dfirst, traces))
        written += into.values()
    make(backend.backward, backend.backward_all, backward, together)
    return written


def make(one: Any, several: Any, calls: list[Any], together: bool) -> None:
    with np.errstate(all="ignore"):
        if together:
            several(calls)
        else:
            for call in calls:
                one(*call)


@pytest.mark.parametrize("reads", PAIRS, ids=str)
@pytest.mark.parametrize("v", VARIANTS, ids=str)
def test_calls_made_together_are_those_made_one_after_another(
    backend: kernels.Backend, v: Variant, reads: tuple[int, ...], threads: None
) -> None:
    cases = [(s, t) for s in SHAPES for t in DTYPES] if backend.name == "cython" else [(SMALL, "float32")]
    for first, (shape, dtype) in enumerate(cases):
        made = problems(v, shape, dtype, reads, first)
        set_num_threads(1)
        alone = run(backend, made, reads, together=False)
        for n in (1, 2, 4):
            set_num_threads(n)
            for a, b in zip(run(backend, made, reads, together=True), alone, strict=True):
                np.testing.assert_array_equal(a, b)


def test_no_calls_and_calls_without_rows_or_steps(backend: kernels.Backend) -> None:
    backend.forward_all([])
    backend.backward_all([])
    for shape in (Shape(0, 3, 4, 5), Shape(4, 0, 3, 5)):
        made = problems(VARIANTS[0], shape, "float32", (ALONE, BEHIND), 0)
        for a, b in zip(*(run(backend, made, (ALONE, BEHIND), each) for each in (True, False)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_gradients_of_weights_that_two_calls_share_are_added(backend: kernels.Backend, threads: None) -> None:
    p = problem(VARIANTS[0], SHAPES[1], "float32")
    T, B, _, H = p.shape
    packed = pack(backend, p)
    sums = []
    for together in (False, True):
        shared = gradient_buffers(p)
        forward, backward = [], []
        for _ in range(2):
            y, last, tape = (
                unwritten((B, T, H), p.dtype),
                [unwritten((B, H), p.dtype)],
                backend.tape(packed, B, T, False),
            )
            forward.append((packed, p.x, p.states, None, None, None, None, y, last, tape))
            dx, dweights, dfirst, traces = outputs(p, gradient_buffers(p) | {n: shared[n] for n in ("dW", "dU", "db")})
            backward.append((packed, tape, p.dy, p.dstates, dx, dweights, dfirst, traces))
        make(backend.forward, backend.forward_all, forward, together)
        make(backend.backward, backend.backward_all, backward, together)
        sums.append([shared[name] for name in ("dW", "dU", "db")])
    for a, b in zip(*sums, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(bool(kernels.available()["cython"]), reason="needs the compiled kernels")
def test_calls_of_several_threads_at_once(threads: None) -> None:
    backend = kernels.load("cython")
    made = problems(VARIANTS[1], SHAPES[0], "float32", PAIRS[1], 0)
    set_num_threads(4)
    right = run(backend, made, PAIRS[1], together=False)
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(10):
            for a, b in zip(run(backend, made, PAIRS[1], together=True), right, strict=True):
                if not np.array_equal(a, b, equal_nan=True):
                    wrong.append(a)

    callers = [threading.Thread(target=work) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


LONG = """
import signal, sys, time
import numpy as np
from cellstep.layers import LSTM, Bidirectional

def stop(*_):
    raise TimeoutError

layer, x = Bidirectional(LSTM(256, return_sequences=True)), np.ones((1, 40000, 64), "f4")
layer(x[:, :10])
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.1)
began = time.process_time()
try:
    layer(x)
except TimeoutError:
    sys.exit(0)
sys.exit(1)
"""


@pytest.mark.skipif(kernels.active().name != "cython" or not hasattr(signal, "SIGALRM"), reason="slices are compiled")
def test_a_signal_ends_calls_made_together() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", LONG], env=environment, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
