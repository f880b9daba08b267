"""How many threads this process may use by the limits that no backend's own library sees."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def quota() -> int | None:
    """CPUs that the container's quota allows, rounded up, or None. Source: cgroup v2 cpu.max, v1 cpu.cfs_quota_us."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = [word for file in files for word in (_CGROUP / file).read_text().split()]
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue
        if quota > 0 and period > 0:
            return max(1, -(-quota // period))
    return None


def asked(variable: str) -> int | None:
    """The positive integer in an environment variable, or None where it is not set.

    Raises:
        ImportError: it is set to something else.
    """
    text = os.environ.get(variable, "")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ImportError(f"{variable} must be a positive integer, got {text!r}")
    return int(text)


def limit() -> int | None:
    """The least of the quota and CELLSTEP_NUM_THREADS, or None where there is neither.

    Raises:
        ImportError: CELLSTEP_NUM_THREADS is no positive integer.
    """
    return min((n for n in (quota(), asked("CELLSTEP_NUM_THREADS")) if n is not None), default=None)
