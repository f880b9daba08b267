"""What a tape keeps, copied out in the contract's layouts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .common import Array, Tape


def read_rows(tape: Tape, gates: Array | None, skip: int, G: int, states: Sequence[Array | None]) -> None:
    """Copy what a tape keeps of its first rows: gates (n, T, G, H), and one (n, T, H) a state, each None if not wanted.

    skip: how many arrays of a part come before its states: 2, z and v, or 1, v, where h is the only gate.
    """
    for part in tape.parts:
        for k, state in enumerate(states):
            if state is not None:
                to = state[part.rows]
                to[...] = part.kept[skip + k][: len(to), 1:]
        if gates is not None:
            to = gates[part.rows]
            n, T, _, H = to.shape
            values = part.kept[0][:, :n, : G * H].swapaxes(0, 1) if skip == 2 else part.kept[1][:n, 1:]
            to[...] = values.reshape(n, T, G, H)
    if gates is not None and tape.lengths.size:
        gates[np.arange(gates.shape[1]) >= tape.lengths[: len(gates), None]] = np.nan
    elif gates is not None and tape.mask.size:
        gates[~tape.mask[: len(gates)]] = np.nan
