"""The picture of `fixed_points`: a step against the state it starts from, or a phase portrait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import style
from .panels import describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.fixed_points import FixedPoints

Array = NDArray[Any]

#: Paths of the net that are drawn, at most, and arrows along a side.
PATHS, ARROWS = 12, 18
#: By the first word of its kind, how a point is drawn.
MARKS = {"stable": ("o", 2), "marginal": ("D", 3), "saddle": ("X", 1), "repeller": ("s", 1)}


def draw_phase(result: FixedPoints) -> Figure:
    """One state: F(s) against s. Two: arrows of a step, paths and points. More: their projection on the two main axes
    of the states that the net visited."""
    S = result.visited.shape[-1]
    title = f"{result.title}: {result.name} ({result.kind})"
    figure, axes = style.figure(height=4.6, title=title)
    axis = axes[0, 0]
    if S == 1:
        _one(axis, result)
        return figure
    flat = np.concatenate([result.visited.reshape(-1, S), result.points])
    middle = np.zeros(S) if S == 2 else flat.mean(axis=0)
    across = np.eye(2) if S == 2 else np.linalg.svd(flat - middle, full_matrices=False)[2][:2]
    if S == 2:
        _arrows(axis, result, flat)
    for i, path in enumerate(result.visited[:PATHS]):
        at = (path - middle) @ across.T
        axis.plot(*at.T, color=style.GREY, linestyle="-", linewidth=0.8, alpha=0.8, label=None if i else "the net on x")
    _points(axis, result, (result.points - middle) @ across.T)
    if S == 2:
        names = ("h", "c") if result.units == 1 else ("unit 1", "unit 2")
    else:
        names = ("first main axis of the states", "second main axis")
    describe(axis, "Where a constant input leads", *names)
    return figure


def _one(axis: Any, result: FixedPoints) -> None:
    reach = 1.2 * max(1.0, float(np.abs(result.points).max(initial=0)))
    s = np.linspace(-reach, reach, 201)
    axis.plot(s, result.step(s[:, None])[:, 0], label="a step", **style.line(0, len(s)))
    axis.plot(s, s, color=style.GREY, linestyle=":", label="no change")
    _points(axis, result, np.concatenate([result.points, result.points], axis=1))
    describe(axis, "A step under the constant input", "state before", "state after")


def _arrows(axis: Any, result: FixedPoints, flat: Array) -> None:
    low, high = flat.min(axis=0), flat.max(axis=0)
    room = 0.25 * np.maximum(high - low, 0.5)
    sides = [np.linspace(a, b, ARROWS) for a, b in zip(low - room, high + room, strict=True)]
    at = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    change = result.step(at) - at
    size = np.linalg.norm(change, axis=1, keepdims=True)
    # lengths by their roots, so that slow places show a direction too
    arrows = change / np.sqrt(np.maximum(size, 1e-12))
    axis.quiver(*at.T, *arrows.T, color=style.PALETTE[0], alpha=0.45, width=0.003)


def _points(axis: Any, result: FixedPoints, at: Array) -> None:
    named: set[str] = set()
    for kind, place in zip(result.kinds(), at, strict=True):
        word = kind.split()[0]
        mark, color = MARKS[word]
        label = None if word in named else word
        named.add(word)
        look = {"color": style.PALETTE[color], "edgecolors": "black", "linewidths": 0.8}
        axis.scatter(*place, marker=mark, s=70, zorder=3, label=label, **look)
