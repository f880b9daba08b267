"""A process that may use half a core: how many threads it takes, and what it costs. Needs root, and control groups that
may be written.

    half_a_core.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")

CHILD = """
import sys, time
sys.stdin.readline()
import numpy as np
import cellstep
from cellstep import layers
layer, x = layers.LSTM(128), np.ones((32, 100, 64), "f4")
layer(x)
took = []
for _ in range(300):
    began = time.perf_counter()
    layer(x)
    took.append(1e3 * (time.perf_counter() - began))
took.sort()
print(f"{cellstep.get_num_threads()} threads, a call takes {took[150]:.1f} ms, the slowest {took[-1]:.0f}")
"""


def group() -> Path:
    """A control group with a quota of 50 ms in 100."""
    old = (ROOT / "cpu").exists()
    place = (ROOT / "cpu" if old else ROOT) / "cellstep-half"
    place.mkdir(exist_ok=True)
    if old:
        (place / "cpu.cfs_quota_us").write_text("50000")
    else:
        (ROOT / "cgroup.subtree_control").write_text("+cpu")
        (place / "cpu.max").write_text("50000 100000")
    return place


if __name__ == "__main__":
    place = group()
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, text=True) as child:
        (place / "cgroup.procs").write_text(str(child.pid))
        child.communicate("\n")
    print(" ".join((place / "cpu.stat").read_text().split()))
    place.rmdir()
    sys.exit(child.returncode)
