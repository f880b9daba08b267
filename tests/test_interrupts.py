"""Signals and blocks that hold them: none is lost, and all handlers are back afterwards or do what they did."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType

import pytest

from cellstep.interrupts import interrupts_held

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of POSIX")


class Raised(Exception):
    pass


def running() -> Iterator[CodeType]:
    """The code of all functions that run, from the innermost."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


@pytest.fixture(autouse=True)
def handlers_kept() -> Iterator[None]:
    numbers = [signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
    before = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background begins with SIGINT ignored
    gc.disable()  # what is raised in a collector's callback (JAX has one) goes nowhere
    yield
    gc.enable()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("within", [False, True])
def test_signals_whose_handlers_raise_again_and_again_leave_all_handlers_at_work(within: bool) -> None:
    """They come at any place of entering and leaving, also while handlers are put back."""
    ran, raised, tries = [], 0, 0
    entering, leaving = interrupts_held.__enter__.__code__, interrupts_held.__exit__.__code__

    def alarm(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        inside = any(code in (entering, leaving) for code in running())
        raised += inside
        if raised < 3 * tries:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 3e-5))
        if inside:
            raise Raised

    @contextmanager
    def inside_another() -> Iterator[None]:
        with interrupts_held(hold=False), interrupts_held():
            yield

    block = inside_another if within else interrupts_held
    rng = random.Random(0)
    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGTERM, lambda number, frame: ran.append(number))
    for tries in range(1, 1000):
        signal.setitimer(signal.ITIMER_REAL, 3e-5)
        while raised < 3 * tries:
            with suppress(Raised), block():
                pass
            # a signal that the system hands to another thread (pytest-xdist has one) may stay unseen until the next
            if not signal.getitimer(signal.ITIMER_REAL)[0]:
                signal.setitimer(signal.ITIMER_REAL, 3e-5)
        signal.raise_signal(signal.SIGTERM)
        assert len(ran) == tries
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGINT", "SIGTERM", "SIGALRM"])
def test_every_handler_that_is_due_runs_once_though_others_raise(name: str) -> None:
    ran = []

    def note(number: int, frame: FrameType | None) -> None:
        ran.append(number)
        if number == raising:
            raise Raised

    raising = getattr(signal, name)
    numbers = [signal.SIGUSR1, signal.SIGINT, signal.SIGTERM, signal.SIGALRM]
    for number in numbers:
        signal.signal(number, note)

    def block() -> None:
        with interrupts_held():
            for number in numbers:
                signal.raise_signal(number)
            assert ran == []

    with pytest.raises(Raised):
        block()
    assert ran == numbers
    assert [signal.getsignal(number) for number in numbers] == [note] * 4


def test_who_waits_for_signals_at_a_file_hears_of_each_once() -> None:
    """As asyncio does."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    end, beginning = os.pipe()
    os.set_blocking(beginning, False)
    before = signal.set_wakeup_fd(beginning)
    try:
        with interrupts_held():
            signal.raise_signal(signal.SIGTERM)
        assert os.read(end, 8) == bytes([signal.SIGTERM])
    finally:
        signal.set_wakeup_fd(before)
        os.close(end)
        os.close(beginning)


def test_blocks_in_blocks_and_in_other_threads() -> None:
    ran = []
    signal.signal(signal.SIGTERM, lambda number, frame: ran.append(number))
    with interrupts_held():
        with interrupts_held():
            signal.raise_signal(signal.SIGTERM)
        assert ran == []
    assert ran == [signal.SIGTERM]

    def other() -> None:
        with interrupts_held():
            ran.append(0)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert ran == [signal.SIGTERM, 0]


def test_a_block_that_holds_nothing_makes_those_within_it_hold() -> None:
    ran = []
    signal.signal(signal.SIGTERM, lambda number, frame: ran.append(number))
    before = signal.getsignal(signal.SIGTERM)

    def other() -> None:  # handlers run in the main thread, which this does not hold up
        with interrupts_held():
            assert not block._holding

    block = interrupts_held(hold=False)
    with block:
        signal.raise_signal(signal.SIGTERM)
        assert len(ran) == 1
        for n in (2, 3):
            with interrupts_held():
                with interrupts_held():
                    signal.raise_signal(signal.SIGTERM)
                assert len(ran) == n - 1
            assert len(ran) == n
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            signal.raise_signal(signal.SIGINT)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_set_within_a_block_that_holds_nothing_are_held_too() -> None:
    ran = []
    signal.signal(signal.SIGTERM, lambda number, frame: ran.append(-number))
    with interrupts_held(hold=False):
        signal.signal(signal.SIGTERM, lambda number, frame: ran.append(number))
        with interrupts_held():
            signal.raise_signal(signal.SIGTERM)
            assert ran == []
        assert ran == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert ran == [signal.SIGTERM] * 2
