"""What this machine can do at best, measured in a few seconds, and the least time that a row of the table could take.

The compiled kernels bring probes (kernels/tiles/probe.h): the peak of multiply-adds is that of vectors which stay in
registers, bandwidth that of reading one stream. Without them the peak is the best rate at which NumPy's BLAS runs a
large product that fits the cache, which is a tenth and more below it, and on some machines half. With n threads each
reads its share. All are best times: a limit is what the machine can do, not what it does while others use it too.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from .peers import by_hand
from .problem import Array, Problem

#: Bytes: from a weight matrix that fits the first cache to one that fits no cache, close enough for the edges between.
SIZES = tuple(m << k for k in range(12, 25) for m in (2, 3))
#: Seconds to try for a best time.
PATIENCE = 0.04
PRODUCT, PRODUCT_PATIENCE = 768, 0.5
#: Rounds of the probe of multiply-adds in one call.
ROUNDS = 1 << 18
#: Bytes read in one call, so that a call takes a millisecond and waking a thread does not show.
VOLUME = 1 << 28


@dataclass(frozen=True)
class Limits:
    """The machine with one number of threads.

    Attributes:
        threads: how many.
        peak: float32 operations a second, a multiply-add counting as two.
        bandwidth: bytes a second, by the size in bytes of what is read again and again.
    """

    threads: int
    peak: float
    bandwidth: dict[int, float]

    def reading(self, size: float) -> float:
        """Seconds to read `size` bytes that were read just before; between measured sizes a line in logarithms."""
        sizes = np.log(list(self.bandwidth))
        rates = np.log(list(self.bandwidth.values()))
        return size / math.exp(np.interp(math.log(size), sizes, rates))

    def seconds(self, p: Problem) -> float:
        """The least time for a problem: multiply-adds at the peak, and U read from where it lies at every step.

        The product with h waits for the step before, so U is read T times, or 2 T times in training; it takes the
        longer of reading and computing. All other products are done for many steps at once, at the peak; in a batch-1
        step, which has one, W is read as well. Activations, states and the tape are not counted.
        """
        T, B, inputs, H = p.shape
        columns = p.row.G * H
        rows, width = p.rows_of_steps, 4 * columns
        if p.work == "step":
            size = (inputs + H) * width
            return max(self.reading(size), 2 * B * (inputs + H) * columns / self.peak)
        recurrent = max(T * self.reading(H * width), 2 * rows * H * columns / self.peak)
        forward = recurrent + 2 * rows * inputs * columns / self.peak
        if not p.trains:
            return forward
        # backward: dh through U again, step by step; dx, dW and dU as single products
        return forward + recurrent + 2 * rows * (2 * inputs + H) * columns / self.peak

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        rates = ", ".join(f"{_size(n)} {self.bandwidth[n] / 1e9:.0f}" for n in SIZES[::4])
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{threads}: {self.peak / 1e9:.0f} GFLOP/s; reading, GB/s: {rates}"


def _size(n: int) -> str:
    return f"{n >> 20} MB" if n >> 20 else f"{n >> 10} KB"


def _best(run: Callable[[], Any], patience: float = PATIENCE) -> float:
    times: list[float] = []
    until = time.perf_counter() + patience
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _probes() -> Any:
    """The compiled probes, or None where there are no compiled kernels."""
    try:
        return importlib.import_module("cellstep.kernels.cython.compiled")
    except ImportError:
        return None


def _together(run: Callable[[int], Any], threads: int, patience: float = PATIENCE) -> float:
    """The best time of `threads` threads that run something side by side, without the GIL."""
    if threads == 1:
        return _best(lambda: run(0), patience)
    with ThreadPoolExecutor(threads) as pool:
        return _best(lambda: list(pool.map(run, range(threads))), patience)


def peak(threads: int) -> float:
    """float32 operations a second: of multiply-adds in registers, or of NumPy's BLAS if that is all there is."""
    probes = _probes()
    if probes is not None:
        done = float(probes.probe_multiply_adds(1))
        return 2 * done * ROUNDS * threads / _together(lambda _: probes.probe_multiply_adds(ROUNDS), threads)
    by_hand.set_threads(threads)
    a, b, c = (np.ones((PRODUCT, PRODUCT), np.float32) for _ in range(3))
    np.dot(a, b, c)
    return 2 * PRODUCT**3 / _best(lambda: np.dot(a, b, c), PRODUCT_PATIENCE)


def _aligned(n: int) -> Array:
    """n ones, float32, that start with a cache line: a read across two lines costs two, and halves the rate."""
    raw = np.ones(n + 16, np.float32)
    return raw[-raw.ctypes.data % 64 // 4 :][:n]


def bandwidth(size: int, threads: int) -> float:
    """Bytes a second when `threads` threads read their shares of `size` bytes again and again."""
    share = max(128, size // threads // 512 * 128)
    times = max(1, VOLUME // size)
    read = _reader(share, times, threads)
    return 4 * share * threads * times / _together(read, threads)


def _reader(share: int, times: int, threads: int) -> Callable[[int], Any]:
    """What one of the threads does: read its own `share` numbers `times` over."""
    values = [_aligned(share) for _ in range(threads)]
    probes = _probes()
    if probes is not None:
        return lambda i: probes.probe_read(values[i], times)
    # a row and a column of half the share each; the first one's stride of 0 makes `times` products of them
    by_hand.set_threads(1)
    half = share // 2
    rows = [np.broadcast_to(v[:half], (times, 1, half)) for v in values]
    columns = [v[half:].reshape(half, 1) for v in values]
    outs = [np.empty((times, 1, 1), np.float32) for _ in values]
    return lambda i: np.matmul(rows[i], columns[i], out=outs[i])


@cache
def measure(threads: int) -> Limits:
    """This machine with `threads` threads; takes a second or two for each number up to that, once a process."""
    measured = {size: bandwidth(size, threads) for size in SIZES}
    whole = peak(threads)
    if threads > 1:
        # a busy neighbour may hold the other processors, but n threads can do whatever fewer can
        fewer = measure(threads - 1)
        whole = max(whole, fewer.peak)
        measured = {size: max(rate, fewer.bandwidth[size]) for size, rate in measured.items()}
    # nor is a small size slower to read than a larger one: what is left of the cost of a call says so, wrongly
    rates = {size: max(rate for other, rate in measured.items() if other >= size) for size in SIZES}
    return Limits(threads, whole, rates)
