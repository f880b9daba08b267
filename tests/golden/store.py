"""The file format of golden values: many small float64 arrays in one .npz, one flat vector a case.

An .npz member costs 250 bytes of headers, more than most of these arrays; so a case is one member, and `layout`, a
JSON text, says what it holds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One forward and backward pass of a peer.

    Attributes:
        cell: a name of the contract. options: those of the cell, by name.
        given: W, U, b (absent for none), x, the initial states (h0, c0), dy, the final states' gradients (dhT, dcT),
            mask (absent for none; 0 and 1).
        found: y, the final states (hT, cT), dx, dW, dU, db, dh0, dc0.
    """

    cell: str
    options: dict[str, Any]
    given: dict[str, Array]
    found: dict[str, Array]


def save(path: Path, cases: dict[str, Case], about: dict[str, str]) -> None:
    """Write cases; `about` records the versions that they come from."""
    layout: dict[str, Any] = {"about": about, "cases": {}}
    vectors = {}
    for name, case in cases.items():
        parts = {"given": case.given, "found": case.found}
        layout["cases"][name] = {
            "cell": case.cell,
            "options": case.options,
            **{part: {key: a.shape for key, a in arrays.items()} for part, arrays in parts.items()},
        }
        vectors[name] = np.concatenate([a.astype(np.float64).ravel() for d in parts.values() for a in d.values()])
    np.savez_compressed(path, layout=np.array(json.dumps(layout)), **vectors)


def load(path: Path) -> dict[str, Case]:
    """Read the cases of a file."""
    with np.load(path, allow_pickle=False) as file:
        layout = json.loads(str(file["layout"]))
        cases = {}
        for name, entry in layout["cases"].items():
            vector, at = file[name], 0
            parts: dict[str, dict[str, Array]] = {"given": {}, "found": {}}
            for part, arrays in parts.items():
                for key, shape in entry[part].items():
                    size = int(np.prod(shape))
                    arrays[key] = vector[at : at + size].reshape(shape)
                    at += size
            cases[name] = Case(entry["cell"], entry["options"], **parts)
    return cases
