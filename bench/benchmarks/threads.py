"""One number of threads for all contenders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .. import config, kernels
from .peers import Peer


def cpus() -> int:
    """How many this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def choices() -> tuple[int, ...]:
    """The numbers of threads that are compared: 1, and 2 where there are so many."""
    return (1, 2)[: cpus()]


def set_everywhere(n: int, peers: Iterable[Peer], backends: Iterable[str] = ()) -> None:
    """Let the active backend, others of ours by name, and the peers use n threads; runners made before are void."""
    for name in {kernels.active().name, *backends}:
        with kernels.use(name), warnings.catch_warnings():
            # a backend of one thread says that n has no effect
            warnings.simplefilter("ignore", RuntimeWarning)
            config.set_num_threads(n)
    for peer in peers:
        peer.set_threads(n)


@contextmanager
def restored() -> Iterator[None]:
    """Put our own number of threads back after the block, which is a limit of the whole process."""
    before = config.get_num_threads()
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            config.set_num_threads(before)
