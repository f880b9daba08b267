"""Fixed points: where the states of a cell stand still under a constant input, and which way they go around them.

    s* = F(s*, x),    s = h, or [h c] side by side

Near s* a step is linear: s_t - s* = J (s_(t-1) - s*), J = dF/ds at s*. An eigenvalue of J below 1 in size is a
direction that is forgotten, one above 1 a direction that is left, and one near 1 a direction that is kept: memory.
Several stable points hold as many values without any input; a saddle between them decides to which a state goes.

Found by Levenberg and Marquardt's method for |F(s) - s|^2 from states that the net visited, with the cells' own
backward for J. Source: Sussillo and Barak 2013; Marquardt 1963.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import core
from ...layers.tracing import CellTrace
from ..plots.phase import draw_phase
from ..result import Result
from ..tables import Table, rounded, text_table
from .jacobians import MOST_BYTES, inputs, values
from .rerun import Rerun
from .traced_cells import run_layer

Array = NDArray[Any]

#: A state stands still where a step in float64 moves it by less than this part of its size, or of 1.
STILL = 1e-9
#: Points closer than this part of their size, or of 1, are one.
SAME = 1e-4
#: An eigenvalue within this of 1 in size is neither forgotten nor left, to speak of.
NEAR_ONE = 0.02
ITERATIONS = 300


class StepMap:
    """A step of a run's cell under one constant input (I,): states (n, S) to (n, S).

    Attributes:
        still: a state stands still where a step moves it by less than this part of its size, or of 1: STILL, or what
            the dtype of a cell in Python can tell.
    """

    def __init__(self, run: CellTrace, constant: Array) -> None:
        self.step, self.constant = Rerun(run), constant
        self.cuts = np.cumsum(run.cell.state_sizes[:-1])
        self.size = sum(run.cell.state_sizes)
        self.still = max(STILL, float(np.finfo(self.step.dtype).eps))

    def _forward(self, s: Array) -> tuple[Array, Any]:
        x = np.broadcast_to(self.constant, (len(s), len(self.constant))).copy()
        last, back = self.step(x, np.split(s, self.cuts, axis=1))
        return np.concatenate(last, axis=1), back

    def __call__(self, s: Array) -> Array:
        return self._forward(s)[0]

    def jacobians(self, s: Array) -> Array:
        """d F[i] / d s[j]: (n, S, S)."""
        _, back = self._forward(s)
        J = np.empty((len(s), self.size, self.size))
        for i in range(self.size):
            unit = np.zeros_like(s)
            unit[:, i] = 1
            J[:, i] = np.concatenate(back(np.split(unit, self.cuts, axis=1)), axis=1)
        return J


@dataclass(frozen=True, repr=False)
class FixedPoints(Result):
    """The result of `fixed_points`.

    Attributes:
        name, kind, units: of the layer. constant: (I,) the input that is held.
        points: (k, S) states that stand still, those with most starts first; S is units for each state of the cell.
        eigenvalues: (k, S) complex, of a step around each, the largest first.
        starts: (k,) from how many starts each was found. missed: starts that ended nowhere.
        visited: (n, T + 1, S) states that the net went through on x. step: a step under the constant input, (n, S) to
            (n, S).
    """

    name: str
    kind: str
    units: int
    constant: Array
    points: Array
    eigenvalues: Array
    starts: NDArray[np.intp]
    missed: int
    visited: Array
    step: StepMap
    title = "Fixed points"

    def __repr__(self) -> str:
        return f"<FixedPoints of {self.name}: {len(self.points)}>"

    def kinds(self) -> list[str]:
        """What each point is: "stable", "marginal" (its slowest direction is kept), "saddle of m" directions that are
        left, or "repeller", where all are."""
        sizes = np.abs(self.eigenvalues)
        left = (sizes > 1 + NEAR_ONE).sum(axis=1)
        kept = np.any(sizes >= 1 - NEAR_ONE, axis=1).tolist()
        S = sizes.shape[1]
        return [
            "repeller" if n == S else f"saddle of {n}" if n else "marginal" if near else "stable"
            for n, near in zip(left, kept, strict=True)
        ]

    def table(self) -> Table:
        """A row a point."""
        rows = []
        for i, kind in enumerate(self.kinds()):
            top = self.eigenvalues[i, 0]
            rate = abs(np.log(np.abs(top)))
            slow = f"{rounded(1 / rate)} steps" if rate > 1e-12 else "no end"
            turns = f"{rounded(2 * np.pi / abs(np.angle(top)))} steps" if abs(top.imag) > 1e-9 else "-"
            rows.append(
                [
                    str(i + 1),
                    kind,
                    rounded(np.linalg.norm(self.points[i])),
                    rounded(abs(top)),
                    slow,
                    turns,
                    str(self.starts[i]),
                ]
            )
        return ("point", "kind", "|s|", "largest |eigenvalue|", "time constant", "turns in", "starts"), rows

    def summary(self) -> str:
        """How many points of which kind, the table, and what that means."""
        n = int(self.starts.sum()) + self.missed
        counted = Counter("saddle" if kind.startswith("saddle") else kind for kind in self.kinds())
        found = (
            ", ".join(
                f"{count} {kind}{'s' * (count > 1 and kind in ('saddle', 'repeller'))}"
                for kind, count in counted.items()
            )
            or "none"
        )
        said = (
            f"{self.name} ({self.kind}, {self.units} units), its input held at {_vector(self.constant)}: fixed points "
            f"from {n} starts: {found}."
        )
        if self.missed:
            said += f" {self.missed} starts ended at none."
        parts = [said, text_table(self.table()), self.conclusion()]
        return "\n\n".join(parts if len(self.points) else [parts[0], parts[2]])

    def conclusion(self) -> str:
        """One sentence: what the net can hold without a change of its input."""
        kinds = self.kinds()
        stable = kinds.count("stable")
        if "marginal" in kinds:
            return "So a direction is kept almost as it is: the net can hold a number, not only one of a few values."
        if stable > 1:
            return f"So the net can hold one of {stable} values for as long as its input stays."
        if stable == 1:
            slowest = 1 / abs(np.log(np.abs(self.eigenvalues[kinds.index("stable"), 0]) + 1e-300))
            return (
                "So what the net held is forgotten while its input stays: near that point with a time constant of "
                f"{rounded(slowest)} steps at most."
            )
        if kinds:
            return "So no state stays: the net goes on moving under a constant input."
        return "So nothing is known: no start came to rest."

    _figure = draw_phase


def _vector(constant: Array) -> str:
    if not constant.any():
        return "0"
    shown = ", ".join(rounded(v, 2) for v in constant[:4])
    return f"({shown}{', ...' if len(constant) > 4 else ''})"


def fixed_points(
    model: Any, x: Any, *, layer: str | int = 0, constant: Any = None, starts: int = 64, seed: int = 0
) -> FixedPoints:
    """Where the states of a recurrent layer stand still under a constant input, and what happens around.

    Args:
        model: a model or a layer.
        x: its inputs, as for a call; the states that they lead through are where the search starts.
        layer: the recurrent layer, as for `gates`: its name, or its number in the order of the model.
        constant: (I,) what that layer's input is held at; where None, the mean of what it saw.
        starts: from how many states to search. seed: of their choice; half of them are moved by chance.

    Raises:
        TypeError, ValueError: model is none or has no such layer; constant has another shape.

    Example:
        >>> from cellstep import lab
        >>> net = SimpleRNN(1, use_bias=False)  # h = tanh(2 h): two values that it can hold, and one between them
        >>> net.build((None, None, 1))
        >>> net.set_weights([np.ones((1, 1)), np.full((1, 1), 2.0)])
        >>> lab.fixed_points(net, np.zeros((1, 9, 1))).kinds().count("stable")
        2
    """
    starts, seed = core.check_count("starts", starts), core.check_natural("seed", seed)
    place, run = run_layer(model, x, layer)
    seen, held = inputs(run, len(run.running)), values(run, len(run.running))
    features = seen.shape[-1]
    if constant is None:
        middle = seen[run.running].mean(axis=0) if run.running.any() else np.zeros(features)
    else:
        middle = np.asarray(constant, np.float64)
        if middle.shape != (features,) or not np.isfinite(middle).all():
            raise ValueError(
                f"constant must be {features} finite numbers, the inputs of {place.name}, got {constant!r}"
            )
    step = StepMap(run, middle)
    size = 8 * 3 * starts * step.size**2
    if size > MOST_BYTES:
        raise ValueError(f"starts must be fewer: {starts} of {step.size} states take {size / 2**30:.1f} GiB")
    visited = np.concatenate(held.states, axis=2)
    rng = np.random.default_rng(seed)
    pool = visited.reshape(-1, step.size)
    s = pool[rng.choice(len(pool), starts, replace=len(pool) < starts)]
    spread = np.maximum(np.abs(pool).max(axis=0), 1.0)
    s[::2] += rng.normal(0, 0.5, s[::2].shape) * spread
    rest, still = _search(step, s)
    points, counts = _distinct(rest[still])
    eigenvalues = np.linalg.eigvals(step.jacobians(points)) if len(points) else np.zeros((0, step.size), complex)
    order = np.argsort(-np.abs(eigenvalues), axis=1, kind="stable")
    return FixedPoints(
        *(place.name, place.kind, place.units, middle, points),
        *(np.take_along_axis(eigenvalues, order, axis=1).astype(complex), counts, int((~still).sum()), visited, step),
    )


def _search(step: StepMap, s: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Levenberg-Marquardt for |F(s) - s|^2 from each row; and which of them came to rest."""
    s = s.copy()
    damping = np.full(len(s), 1e-2)
    error = step(s) - s
    eye = np.eye(step.size)
    for _ in range(ITERATIONS):
        tolerance = step.still * np.maximum(1, np.linalg.norm(s, axis=1))
        going = np.flatnonzero((np.linalg.norm(error, axis=1) > tolerance) & (damping < 1e12))
        if not len(going):
            break
        A = step.jacobians(s[going]) - eye
        At = np.swapaxes(A, 1, 2)
        move = np.linalg.solve(At @ A + damping[going, None, None] * eye, -(At @ error[going, :, None]))[:, :, 0]
        new = s[going] + move
        new_error = step(new) - new
        better = np.linalg.norm(new_error, axis=1) < np.linalg.norm(error[going], axis=1)
        s[going[better]], error[going[better]] = new[better], new_error[better]
        damping[going] = np.where(better, np.maximum(damping[going] / 10, 1e-15), damping[going] * 10)
    still = np.linalg.norm(error, axis=1) <= 100 * step.still * np.maximum(1, np.linalg.norm(s, axis=1))
    return s, still


def _distinct(points: Array) -> tuple[Array, NDArray[np.intp]]:
    """Points of which no two are the same, those that occur most first, and how often each does."""
    kept: list[Array] = []
    counts: list[int] = []
    for point in points:
        for i, other in enumerate(kept):
            if np.linalg.norm(point - other) < SAME * max(1.0, float(np.linalg.norm(other))):
                counts[i] += 1
                break
        else:
            kept.append(point)
            counts.append(1)
    order = np.argsort(-np.array(counts, np.intp), kind="stable")
    return np.array([kept[i] for i in order]).reshape(len(kept), points.shape[1]), np.array(counts, np.intp)[order]
