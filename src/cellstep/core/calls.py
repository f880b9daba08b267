"""Calls of kernels that wait until all that may run at the same time are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import kernels

#: A call whose outputs are allocated and not yet written: the backend, the name of its function, "forward" or
#: "backward", and the arguments; a lock to hold meanwhile, where threads may add to the same gradients, or None; and
#: what is still to do then with what it wrote, or None. A plain tuple, as a class costs more than what is saved.
Call = tuple[kernels.Backend, str, tuple[Any, ...], Any, Callable[[], Any] | None]

#: Those that wait, all of one name; None where a call is made at once.
Calls = list[Call] | None


def add(calls: Calls, backend: kernels.Backend, name: str, arguments: tuple[Any, ...], lock: Any = None) -> None:
    """Add a call to those that wait, or make it at once."""
    if calls is None:
        make([(backend, name, arguments, lock, None)])
    else:
        calls.append((backend, name, arguments, lock, None))


def then(calls: Calls, function: Callable[[], Any]) -> None:
    """Call a function after the last call that waits; now where calls are made at once."""
    if calls is None:
        function()
    else:
        calls[-1] = (*calls[-1][:4], function)


def make(calls: Calls) -> None:
    """Make calls that wait, and empty the list. They give what they give one after another, in this order: one may read
    y, or dx, of those before it, unless these have something to do after. Those of one backend may run at the same
    time."""
    if not calls:
        return
    waiting = calls[:]
    del calls[:]
    backend, name, arguments, lock, _ = waiting[0]
    locks = [] if lock is None else [lock]
    if waiting[1:]:
        several = []
        for other, _, arguments, lock, _ in waiting:
            several.append(arguments)
            if other is not backend:
                for call in waiting:
                    make([call])
                return
            if lock is not None and lock not in locks:
                locks.append(lock)
        if locks[1:]:
            locks.sort(key=id)  # in one order everywhere, as another thread may want the same ones
    for lock in locks:
        lock.acquire()
    try:
        if waiting[1:]:
            getattr(backend, f"{name}_all")(several)
        else:
            getattr(backend, name)(*arguments)
    finally:
        for lock in locks:
            lock.release()
    for *_, after in waiting:
        if after is not None:
            after()
