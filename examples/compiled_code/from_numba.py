"""A controller in a simulated loop, all of it compiled by Numba: the GRU steers a point that drifts.

python examples/compiled_code/from_numba.py
"""

from __future__ import annotations

import numba
import numpy as np

from cellstep import capi, functional

STEP = capi.functions().step


@numba.njit
def simulate(weights, x, h, x_at, h_at, readout, steps):
    """Where the point is after each step. `x_at` and `h_at` are the addresses of descriptions of x and h."""
    where = np.empty(steps)
    position, velocity = 1.0, 0.0
    for t in range(steps):
        x[0, 0], x[0, 1] = position, velocity
        if STEP(weights, x_at, h_at, 1) != 0:
            raise ValueError("cellstep: a step failed")
        force = 0.0
        for j in range(h.shape[1]):
            force += readout[j] * h[0, j]
        velocity += 0.1 * (force - position)
        position += 0.1 * velocity
        where[t] = position
    return where


def main(steps: int = 200, units: int = 16) -> np.ndarray:
    rng = np.random.default_rng(0)
    W, U = 0.5 * rng.standard_normal((2, 3 * units)), 0.2 * rng.standard_normal((units, 3 * units))
    packed = functional.pack("gru", W, U, reset_after=False)
    x, h, readout = np.zeros((1, 2)), np.zeros((1, units)), rng.standard_normal(units)
    described = capi.arrays(x, h)
    x_at, h_at = described[0].ctypes.data, described[1].ctypes.data
    return simulate(capi.address(packed), x, h, x_at, h_at, readout, steps)


if __name__ == "__main__":
    print(main()[::20])
