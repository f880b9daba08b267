"""Interrupts: what must be done as a whole or not at all is not cut in two by Ctrl-C."""

from __future__ import annotations

# what `signal` is made of: its own functions look numbers up in enumerations, which costs 10 us a step of training
import _signal  # type: ignore[import-not-found, unused-ignore]
import signal
import threading
from types import FrameType
from typing import Any

#: The signals whose handlers are often Python functions that raise.
_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGBREAK") if hasattr(signal, name)]


class interrupts_held:
    """Within the block no handler of a signal runs, so that none raises there; those that are due run when it ends.

    Python runs handlers in the main thread alone, and in others this does nothing. The block should be short.
    """

    def __enter__(self) -> None:
        self._kept: list[tuple[Any, Any]] = []
        self._came: list[int] = []
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            for number in _NUMBERS:
                handler = _signal.getsignal(number)
                if callable(handler):
                    self._kept.append((number, handler))
                    _signal.signal(number, self._note)
        except BaseException:
            self._restore()
            raise

    def __exit__(self, *error: object) -> None:
        self._restore()
        for number in dict.fromkeys(self._came):
            signal.raise_signal(number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)

    def _restore(self) -> None:
        if self._kept:
            try:
                _signal.signal(*self._kept.pop())
            finally:
                self._restore()
