"""What backward passes of compiled programs need: kept here, under a number that travels through the program in its
place. Where it is gone, as a program runs a backward pass twice, or keeps more forward passes waiting than `WAITING`,
forward is run again.
"""

from __future__ import annotations

import itertools

from ..layers.locks import new_lock
from .calls import Call, Kept

#: So many forward passes of equal calls may wait for their backward passes.
WAITING = 16

_numbers = itertools.count(1)
_lock = new_lock()
_waiting: dict[Call, dict[int, Kept]] = {}


def keep(call: Call, kept: Kept) -> int:
    """The number of what a forward pass has kept."""
    number = next(_numbers) % 2**31
    with _lock:
        waiting = _waiting.setdefault(call, {})
        waiting[number] = kept
        while len(waiting) > WAITING:
            del waiting[next(iter(waiting))]
    return number


def taken(call: Call, number: int) -> Kept | None:
    """What was kept under a number, once."""
    with _lock:
        return _waiting.get(call, {}).pop(number, None)
