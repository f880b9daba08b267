"""Interrupts: what must be done as a whole or not at all is not cut in two by Ctrl-C."""

from __future__ import annotations

# what `signal` is made of: its own functions look numbers up in enumerations, which costs 10 us a step of training
import _signal  # type: ignore[import-not-found, unused-ignore]
import signal
import sys
import threading
from contextlib import ExitStack
from threading import get_ident
from types import FrameType
from typing import Any

#: The signals that a program may have handlers for, those in real time apart.
_NUMBERS = [int(number) for number in signal.valid_signals() if number < 32]


#: What `getsignal` said last of these; and of those of them that had a handler the number and the handler.
_last: tuple[list[Any], dict[int, Any]] = ([], {})


def _handled() -> dict[int, Any]:
    """The signals that have a handler, with it. Each step of training asks, and seldom anything has changed."""
    global _last
    now = [*map(_signal.getsignal, _NUMBERS)]
    if now != _last[0]:
        pairs = zip(_NUMBERS, now, strict=True)
        _last = now, {number: _original(number, handler) for number, handler in pairs if callable(handler)}
    return _last[1]


def _original(number: int, handler: Any) -> Any:
    """The handler of a signal; the one before where a block could not put it back, as signals came."""
    while isinstance(getattr(handler, "__self__", None), interrupts_held):
        handler = handler.__self__._handlers[number]
    return handler


#: The outermost block of the main thread that is under way.
_outermost: Any = None


class interrupts_held:
    """Within the block no handler of a signal runs, so that none raises there; those that are due run when it ends.

    Python runs handlers in the main thread alone, and in others this does nothing, nor does a block within another. The
    block should be short.

    Args:
        hold: False for a block in which handlers run as ever, but blocks within it cost little, as in a loop of many:
            they hold the signals that have handlers where it begins.
    """

    #: The handlers outside, until this block has ended; the block whose signals are held for this one.
    _handlers: dict[int, Any] = {}
    _outer: Any = None

    def __init__(self, hold: bool = True) -> None:
        self._hold = hold
        #: Whether signals are held; those that came.
        self._holding = False
        self._due: dict[int, None] = {}

    def __enter__(self) -> None:
        global _outermost
        outer = _outermost
        if outer is not None:
            if outer._hold or get_ident() != outer._thread:
                return
            if outer._at_work():
                if self._hold and not outer._holding:
                    self._outer = outer
                    outer._holding = True
                return
        try:
            self._handlers = _handled()
            note = self._note
            for number in self._handlers:
                _signal.signal(number, note)
        except BaseException:
            if threading.current_thread() is not threading.main_thread():
                self._handlers = {}  # where no handler can be set, and none is called
                return
            self._restore()
            raise
        self._thread = get_ident()
        self._holding, _outermost = self._hold, self

    def __exit__(self, *error: object) -> None:
        global _outermost
        if self._outer is not None:
            self._outer._release()
            return
        if _outermost is self:
            _outermost = None
        self._holding = False
        try:
            self._restore()
        finally:
            self._release()

    def _at_work(self) -> bool:
        """Whether the signals still come to this block: none has got another handler, also after an end cut short."""
        note = self._note
        return all([_signal.getsignal(number) == note for number in self._handlers])

    def _release(self) -> None:
        """Call the handlers that are due."""
        self._holding = False
        if self._due:
            due, self._due = self._due, {}
            with ExitStack() as calls:  # all are called, also where some raise
                for number in reversed(due):
                    calls.callback(self._handlers[number], number, sys._getframe(2))

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
