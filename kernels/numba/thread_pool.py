"""Thread pool: Python threads that run the parts of a call; compiled parts hold no GIL.

Each helper takes parts from a queue. The caller works too, and waits only for helpers that have started: on a busy
machine it runs all parts itself. A part is a list of calls, each short: Ctrl-C is handled between them.
Refused: Numba's prange. Its workqueue dies when two Python threads call at once, its OpenMP does not survive a fork.
"""

from __future__ import annotations

import _thread
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from .. import threads

Part = Sequence[Callable[[], None]]

#: Multiply-adds from which on a second thread pays, some 150 microseconds: to wake one takes 40 (measured).
PAYS = 1 << 24
#: Rows of a part, at least: a tile's. Parts of a call end at multiples of this.
LEAST = 8
#: Threads that a call uses at most.
_MOST = 64


class _Call:
    """The parts still to run, which helpers have started and finished, and the errors that were raised."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = deque(parts)
        self.begun: list[None] = []
        self.ended: list[None] = []
        self.woken: SimpleQueue[None] = SimpleQueue()
        self.failed: list[BaseException] = []

    def work(self) -> None:
        """Run parts until there are none left, or something was raised."""
        while not self.failed:
            try:
                part = self.parts.popleft()
            except IndexError:
                return
            for step in part:
                if self.failed:
                    return
                step()

    def help(self) -> None:
        self.begun.append(None)
        try:
            self.work()
        except BaseException as error:
            self.failed.append(error)
        self.ended.append(None)
        self.woken.put(None)

    def wait(self) -> None:
        """Wait until all helpers that started have finished. One that starts later has no part to run."""
        while len(self.ended) < len(self.begun):
            with suppress(Empty):
                self.woken.get(timeout=0.1)


class _Helpers:
    """The helper threads of this process. A forked child has new ones: threads stay in the parent."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self.lock = threading.Lock()
        self.helpers = 0

    def ask(self, helpers: int, call: _Call) -> None:
        """Offer a call's parts to some helpers."""
        # RuntimeError: the system has no more threads, and the caller runs their parts
        with self.lock, suppress(RuntimeError):
            while self.helpers < helpers:
                # Thread.start would wait, and raises KeyError where a signal's handler raises within it
                _thread.start_new_thread(_help, (self.calls,))
                self.helpers += 1
        for _ in range(min(helpers, self.helpers)):
            self.calls.put(call)


def _help(calls: SimpleQueue[_Call]) -> None:
    while True:
        call = calls.get()
        call.help()
        del call


_helpers = _Helpers()
_limit = threads.limit() or _MOST


def _renew() -> None:
    global _helpers
    _helpers = _Helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def get_num_threads() -> int:
    """Threads that a call may use."""
    return min(threads.processors(), _limit, _MOST)


def set_num_threads(n: int) -> None:
    """Use at most n threads from now on, in the whole process."""
    global _limit
    _limit = n


def split(B: int, n: int) -> list[slice]:
    """B rows in at most n parts of nearly one size."""
    each = max(LEAST, -(-B // (max(1, n) * LEAST)) * LEAST)
    return [slice(b, min(b + each, B)) for b in range(0, B, each)] or [slice(0, B)]


def rows(B: int, work: int) -> list[slice]:
    """Parts of B independent rows for a call of so many multiply-adds."""
    if work < PAYS or B < 2 * LEAST:
        return [slice(0, B)]
    return split(B, min(get_num_threads(), work * 2 // PAYS))


def run_parts(parts: Sequence[Part], work: int) -> None:
    """Run all parts of a call of so many multiply-adds, in any order.

    Once something raises, a step or a signal's handler, no further step begins, and it is raised when those under way
    have ended.
    """
    helpers = min(len(parts), get_num_threads()) - 1 if work >= PAYS and len(parts) > 1 else 0
    call = _Call(parts)
    if not helpers:
        call.work()
        return
    while True:
        try:
            if helpers:
                asked, helpers = helpers, 0
                _helpers.ask(asked, call)
            call.work()
            call.wait()
            break
        except BaseException as error:
            call.failed.append(error)
    if call.failed:
        raise call.failed[0]
