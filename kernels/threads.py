"""How many threads this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def quota() -> int | None:
    """CPUs that the quotas of this process's control groups allow, rounded up, or None. Source: cgroup v2 cpu.max, v1
    cpu.cfs_quota_us, of the group that /proc/self/cgroup names and of those above it. In a container that sees only its
    own, or where the name is one of outside, the group above all is the container's."""
    try:
        lines = [line.split(":", 2) for line in _OWN.read_text().splitlines()]
    except (OSError, ValueError):
        lines = []
    own = {
        "cpu" if "cpu" in names.split(",") else names: path for _, names, path in (ln for ln in lines if len(ln) == 3)
    }
    found = []
    for names, folder, files in (("", "", ("cpu.max",)), ("cpu", "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us"))):
        group = Path(own.get(names, "/").strip("/"))
        for place in (group, *group.parents):
            try:
                words = [word for file in files for word in (_CGROUP / folder / place / file).read_text().split()]
                quota, period = int(words[0]), int(words[1])
            except (OSError, ValueError, IndexError):
                continue
            if quota > 0 and period > 0:
                found.append(max(1, -(-quota // period)))
    return min(found, default=None)


def asked(variable: str) -> int | None:
    """The positive integer, of a C int, in an environment variable, or None where it is not set.

    Raises:
        ImportError: it is set to something else.
    """
    text = os.environ.get(variable, "")
    if not text:
        return None
    number = int(text) if text.isdecimal() and len(text) < 20 else 0
    if not 0 < number < 2**31:
        value = repr(text) if len(text) < 50 else f"{text[:40]!r}... ({len(text)} characters)"
        raise ImportError(f"{variable} must be a positive integer below 2**31, got {value}")
    return number


def processors() -> int:
    """What OMP_NUM_THREADS asks for: its first entry, where that is a number that OpenMP takes; else the processors of
    this process."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    number = int(first) if first.isdecimal() and len(first) < 20 else 0
    if 0 < number < 2**31:
        return number
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def limit() -> int | None:
    """The least of the quota and CELLSTEP_NUM_THREADS, or None where there is neither.

    Raises:
        ImportError: CELLSTEP_NUM_THREADS is no positive integer below 2**31.
    """
    return min((n for n in (quota(), asked("CELLSTEP_NUM_THREADS")) if n is not None), default=None)
