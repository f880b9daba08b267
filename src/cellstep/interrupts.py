"""Interrupts: what must be done as a whole or not at all is not cut in two by Ctrl-C."""

from __future__ import annotations

# what `signal` is made of: its own functions look numbers up in enumerations, which costs 10 us a step of training
import _signal  # type: ignore[import-not-found, unused-ignore]
import signal
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from typing import Any

#: The signals that a program may have handlers for, those in real time apart.
_NUMBERS = [int(number) for number in signal.valid_signals() if number < 32]


class interrupts_held:
    """Within the block no handler of a signal runs, so that none raises there; those that are due run when it ends.

    Python runs handlers in the main thread alone, and in others this does nothing. The block should be short.
    """

    def __enter__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._due: dict[int, None] = {}
        self._holding = False
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            for number in _NUMBERS:
                handler = _signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    _signal.signal(number, self._note)
        except BaseException:
            self._restore()
            raise
        self._holding = True

    def __exit__(self, *error: object) -> None:
        self._holding = False
        try:
            self._restore()
        finally:
            if self._due:
                with ExitStack() as calls:  # all are called, also where some raise
                    for number in reversed(self._due):
                        calls.callback(self._handlers[number], number, sys._getframe(1))

    def _note(self, number: int, frame: FrameType | None) -> None:
        """The handler within the block. Where it is the handler outside, it does what the one before did."""
        if self._holding:
            self._due[number] = None
        else:
            self._handlers[number](number, frame)

    def _restore(self) -> None:
        try:
            for number, handler in self._handlers.items():
                if _signal.getsignal(number) == self._note:
                    _signal.signal(number, handler)  # may raise what a handler that is back already raises
        except BaseException:
            self._restore()
            raise
